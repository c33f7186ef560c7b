"""Which images stand around a unit: its strongest, any others, and the least of the same labels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from fvhooks.errors import MissingInputError


@dataclass(frozen=True, eq=False)
class Strata:
    """Rows of a store, and for each why it was drawn.

    Args:
        rows: the highest scores first, then those drawn at random, then the negatives.
        names: "top", "random" or "negative".
        populations: for how many images the top and the random ones stand; together for all. Negatives are
            chosen for what they are, and stand for themselves.
    """

    rows: Int[np.ndarray, " item"]
    names: Shaped[np.ndarray, " item"]
    populations: dict[str, int]


def draw(
    scores: Float[np.ndarray, " image"],
    labels: Int[np.ndarray, " image"],
    usable: Int[np.ndarray, " usable"],
    *,
    sizes: tuple[int, int, int],
    seed: int,
) -> Strata:
    """Draw the strata of a unit.

    The negatives are matched: as many of each label as the top has, as far as there are, from those of that
    label that score lowest; without labels, the lowest of all. What is drawn once is not drawn again: random
    before negative.

    Args:
        scores: of every image; NaN for what could not be read.
        labels: of every image, −1 where it has none.
        usable: rows of those that may be drawn.
        sizes: how many of the top, at random, and negatives, at most.
        seed: of what is drawn at random.

    Raises:
        MissingInputError: no image has a score.
    """
    able = usable[np.isfinite(scores[usable])]
    if not len(able):
        raise MissingInputError("No image that may be shown has a score: there is nothing to map.")
    ordered = able[np.argsort(-scores[able], kind="stable")]
    top = ordered[: sizes[0]]
    rest = ordered[sizes[0] :]
    drawn = np.random.default_rng(seed).permutation(len(rest))[: sizes[1]]
    random = rest[np.sort(drawn)]
    candidates = np.setdiff1d(rest, random)
    negative = _negatives(scores, labels, top, candidates, sizes[2])
    rows = np.concatenate([top, random, negative])
    names = np.repeat(np.array(["top", "random", "negative"], object), [len(top), len(random), len(negative)])
    populations = {"top": len(top), "random": len(rest)}
    return Strata(rows, names, populations)


def _negatives(
    scores: Float[np.ndarray, " image"],
    labels: Int[np.ndarray, " image"],
    top: Int[np.ndarray, " top"],
    candidates: Int[np.ndarray, " candidate"],
    count: int,
) -> Int[np.ndarray, " negative"]:
    lowest = candidates[np.argsort(scores[candidates], kind="stable")]
    known, numbers = np.unique(labels[top], return_counts=True)
    wanted = numbers * min(count, len(top)) / max(len(top), 1)
    quotas = np.floor(wanted).astype(int)
    left = min(count, len(top)) - int(quotas.sum())
    quotas[np.argsort(quotas - wanted, kind="stable")[:left]] += 1  # to the largest remainders
    chosen: list[int] = []
    for label, quota in zip(known, quotas, strict=True):
        chosen += lowest[labels[lowest] == label][:quota].tolist()
    return np.array(sorted(chosen, key=lambda row: float(scores[row]))[:count], dtype=np.int64)
