"""Whether a picture is of its own unit and not of just any, and how sure a network is of its class."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError
from fvhooks.metrics.groups import group_interval
from fvhooks.metrics.intervals import Interval


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """How far a picture's own unit stands out among all units of its layer.

    Args:
        z: the own unit's response less the mean over units, in deviations over units; at most
            √(units − 1), 0 on average for a picture of nothing.
        rank: share of the other units that respond less, ties half; 1: the own unit leads, 0.5 by chance.
        first: share of the pictures whose own unit leads alone.
        each: z of each picture.
    """

    z: Interval
    rank: Interval
    first: Interval
    each: Float[np.ndarray, " picture"]


def identity(
    responses: Float[np.ndarray, "picture unit"],
    targets: ArrayLike,
    natural: Float[np.ndarray, "image _"],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Identity:
    """Compare the own unit's response with that of every other unit of the layer.

    Units answer at different scales, so each response is first measured in what real images do to its unit.

    Examples:
        >>> natural = np.array([[-1.0, -2.0, -1.0], [1.0, 2.0, 1.0]])
        >>> found = identity(np.array([[3.0, 2.0, 0.0]]), [0], natural)
        >>> found.rank.value, round(found.z.value, 3)
        (1.0, 1.336)

    Args:
        responses: of all units of the layer to each picture.
        targets: which unit each picture is of, as a column of `responses`.
        natural: responses of the same units to at least two real images.
        draws: bootstrap resamples; each draws units, then pictures within each.
        seed: of the bootstrap.

    Raises:
        ShapeError: other numbers of units or pictures, or a single unit.
        MissingInputError: a picture of a unit that is not there, or fewer than two real images.
        NonFiniteError: NaN or infinity.
    """
    ours, target = _checked(responses, targets)
    real = np.asarray(natural, np.float64)
    if real.ndim != 2 or real.shape[1] != ours.shape[1] or len(real) < 2:
        raise ShapeError(
            f"Expected responses of {ours.shape[1]} units to two real images or more, got {real.shape}."
        )
    if not np.isfinite(real).all():
        raise NonFiniteError("The responses to real images must be finite; there is NaN or infinity.")
    spread = real.std(0)
    scaled = (ours - real.mean(0)) / np.where(spread > 0, spread, 1.0)
    own = scaled[np.arange(len(scaled)), target]
    deviation = scaled.std(1)
    z = (own - scaled.mean(1)) / np.where(deviation > 0, deviation, 1.0)
    below = (scaled < own[:, None]).sum(1) + 0.5 * ((scaled == own[:, None]).sum(1) - 1)
    rank = below / (scaled.shape[1] - 1)
    parts = {"z": z, "rank": rank, "first": (rank == 1).astype(np.float64)}
    found = {name: group_interval(part, target, draws=draws, seed=seed) for name, part in parts.items()}
    return Identity(**found, each=z)


def log_odds(
    logits: Float[np.ndarray, "picture output"], targets: ArrayLike
) -> Float[np.ndarray, " picture"]:
    """The logarithm of how much likelier a network finds the own output than all others together.

    Unlike a probability it does not saturate: it tells surer than any real image from as sure.

    Examples:
        >>> log_odds(np.array([[2.0, 0.0], [0.0, 3.0]]), [0, 0]).tolist()
        [2.0, -3.0]

    Args:
        logits: of each picture.
        targets: the output that each picture is of.

    Raises:
        ShapeError: other numbers of pictures, or a single output.
        MissingInputError: a picture of an output that is not there.
        NonFiniteError: NaN or infinity.
    """
    ours, target = _checked(logits, targets)
    rows = np.arange(len(ours))
    others = ours.copy()
    others[rows, target] = -np.inf
    highest = others.max(1)
    rest = highest + np.log(np.exp(others - highest[:, None]).sum(1))
    return np.asarray(ours[rows, target] - rest)


def _checked(
    values: Float[np.ndarray, "..."], targets: ArrayLike
) -> tuple[Float[np.ndarray, "picture unit"], Int[np.ndarray, " picture"]]:
    ours, target = np.asarray(values, np.float64), np.asarray(targets)
    if ours.ndim != 2 or ours.shape[1] < 2 or target.shape != (len(ours),) or not len(ours):
        raise ShapeError(
            "Expected responses (picture, unit) of two units or more and a target for each picture, got "
            f"shapes {ours.shape} and {target.shape}."
        )
    unknown = sorted(set(target.tolist()) - set(range(ours.shape[1])))
    if unknown:
        raise MissingInputError(f"There are {ours.shape[1]} units; pictures are of the units {unknown}.")
    if not np.isfinite(ours).all():
        bad = np.flatnonzero(~np.isfinite(ours).all(1))[:8].tolist()
        raise NonFiniteError(f"The responses must be finite; NaN or infinity in rows {bad}.")
    return ours, target.astype(np.int64)
