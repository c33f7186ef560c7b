"""Pairs of real images of which one drives a unit more, and the other a little less than that.

One image of a pair is of the split's top tenth by the unit's peak, the other from the 50th to the 70th
percentile: hard pairs, not the strongest against the weakest. All pairs of the two groups are asked, and
intervals draw images, since pairs that share an image are no independent questions.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from fvhooks.errors import MissingInputError
from fvhooks.store.reading import Store
from fvhooks.units import Unit

FEWEST_PAIRS = 40
_FEWEST_IMAGES = 50  # of a split: five strong and ten middling ones
_STRONG, _MIDDLING = 0.1, (0.5, 0.7)
_MOST = 60  # images of a group


@dataclass(frozen=True)
class Pairs:
    """The two groups of real images, by their ids, and which pairs of them count.

    Args:
        strong: ids of images of the top tenth.
        middling: ids of images of the 50th to 70th percentile.
        counts: 1 where the strong one of a pair drives the unit more, 0 where they tie.
    """

    strong: tuple[str, ...]
    middling: tuple[str, ...]
    counts: Float[np.ndarray, "strong middling"]

    @classmethod
    def choose(cls, store: Store, unit: Unit, split: str = "report") -> "Pairs":
        """The pairs of one unit.

        Raises:
            MissingInputError: too few images, or a unit that answers to no more of them than by ties.
        """
        if unit.position is not None:
            raise MissingInputError(
                f"a store keeps the peak of a whole channel, nothing to compare {unit.id!r} with"
            )
        table = store.images_table
        peaks = store.of_images(unit.layer).isel(channel=unit.channel).values.astype(float)
        rows = np.flatnonzero((table.error.values == "") & (table.split.values == split) & np.isfinite(peaks))
        if len(rows) < _FEWEST_IMAGES:
            found = f"the {split} split has {len(rows)} images"
            raise MissingInputError(f"{found}, {_FEWEST_IMAGES} are needed for pairs; collect more images")
        ascending = rows[np.argsort(peaks[rows], kind="stable")]
        edges = [round(share * len(rows)) for share in (*_MIDDLING, 1 - _STRONG)]
        strong, middling = _some(ascending[edges[2] :]), _some(ascending[edges[0] : edges[1]])
        counts = (peaks[strong][:, None] > peaks[middling][None]).astype(float)
        if counts.sum() < FEWEST_PAIRS:
            found = f"{unit.id} drives {counts.sum():.0f} pairs of {len(rows)} {split} images apart"
            raise MissingInputError(f"{found}, {FEWEST_PAIRS} are needed; it is silent on most of them")
        ids = table.id.values.astype(str)
        return cls(tuple(ids[strong].tolist()), tuple(ids[middling].tolist()), counts)

    @property
    def count(self) -> int:
        """How many pairs are asked."""
        return int(self.counts.sum())

    def wrong(
        self,
        strong: Float[np.ndarray, "template strong"],
        middling: Float[np.ndarray, "template middling"],
    ) -> Float[np.ndarray, "template strong middling"]:
        """Which pairs a template tells wrongly, from its similarity to each image: 1, 0, and 1/2 for a tie.

        NaN where a pair does not count; an image and itself, whose similarity is NaN, is no pair.
        """
        first, second = strong[:, :, None], middling[:, None, :]
        wrong = np.where(first < second, 1.0, np.where(first == second, 0.5, 0.0))
        return np.where((self.counts > 0) & np.isfinite(first) & np.isfinite(second), wrong, np.nan)


def shares(
    wrong: Float[np.ndarray, "template strong middling"],
    weights: tuple[Float[np.ndarray, "draw strong"], Float[np.ndarray, "draw middling"]] | None = None,
) -> Float[np.ndarray, "draw template"]:
    """The share of pairs that each template tells wrongly, images counted by their weights."""
    _, strong, middling = wrong.shape
    first, second = weights or (np.ones((1, strong)), np.ones((1, middling)))
    known = np.isfinite(wrong).astype(float)
    hits = np.einsum("di,tij,dj->dt", first, np.nan_to_num(wrong), second, optimize=True)
    with np.errstate(invalid="ignore"):  # a draw without any pair that counts is NaN
        return np.asarray(hits / np.einsum("di,tij,dj->dt", first, known, second, optimize=True))


def redrawn(
    pairs: Pairs, draws: int, seed: int = 0
) -> tuple[Float[np.ndarray, "draw strong"], Float[np.ndarray, "draw middling"]]:
    """How often each image of the two groups comes up when both are drawn again."""
    rng = np.random.default_rng(seed)
    first, second = (
        rng.multinomial(len(group), np.full(len(group), 1 / len(group)), size=draws).astype(float)
        for group in (pairs.strong, pairs.middling)
    )
    return first, second


def _some(rows: np.ndarray) -> np.ndarray:
    """At most `_MOST` rows, spread evenly."""
    if len(rows) <= _MOST:
        return rows
    return np.asarray(rows[np.linspace(0, len(rows) - 1, _MOST).round().astype(int)])
