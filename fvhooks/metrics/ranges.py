"""Where numbers of pictures lie among those of real images: too little and too much are told apart."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError
from fvhooks.metrics.intervals import LEVEL, group_rows


@dataclass(frozen=True, slots=True, eq=False)
class NaturalRange:
    """How pictures lie among real images.

    Args:
        percentile: of each picture among the real images of its group, ties half, in [0, 1].
        median: of those percentiles; 0.5 on average for real images.
        below: share of the pictures under the central range.
        inside: share within it; of real images as much as the range holds.
        above: share over it.
    """

    percentile: Float[np.ndarray, " picture"]
    median: float
    below: float
    inside: float
    above: float


def natural_range(
    values: Float[np.ndarray, " picture"],
    groups: ArrayLike,
    natural: Float[np.ndarray, " image"],
    natural_groups: ArrayLike,
    *,
    level: float = LEVEL,
) -> NaturalRange:
    """Place pictures among the real images of their group, by any one number of each.

    Examples:
        >>> real = np.arange(100.0)
        >>> found = natural_range(np.array([50.5, 200.0]), [0, 0], real, np.zeros(100, int))
        >>> found.percentile.tolist(), found.inside, found.above
        ([0.51, 1.0], 0.5, 0.5)

    Args:
        values: a number for each picture.
        groups: what each picture is of.
        natural: the same number of real images that made no picture.
        natural_groups: what each of those is of.
        level: how much of the real images the central range holds.

    Raises:
        ShapeError: other numbers of groups than of values, or no picture.
        MissingInputError: a group without real images.
        NonFiniteError: NaN or infinity.
    """
    ours, theirs = np.asarray(values, np.float64), np.asarray(natural, np.float64)
    for part, of in ((ours, groups), (theirs, natural_groups)):
        if part.ndim != 1 or not len(part) or np.shape(of) != part.shape:
            raise ShapeError(f"Expected one number and one group an image, got {part.shape}, {np.shape(of)}.")
        if not np.isfinite(part).all():
            raise NonFiniteError(
                f"Expected finite numbers, got NaN or infinity in {(~np.isfinite(part)).sum()}."
            )
    known = group_rows(natural_groups)
    percentile = np.empty(len(ours))
    for group, rows in group_rows(groups).items():
        if group not in known:
            raise MissingInputError(f"No real images of group {group!r}: pass some, or leave it out.")
        ordered = np.sort(theirs[known[group]])
        ends = [np.searchsorted(ordered, ours[rows], side=side) for side in ("left", "right")]
        percentile[rows] = (ends[0] + ends[1]) / (2 * len(ordered))
    low, high = (1 - level) / 2, (1 + level) / 2
    below, above = float((percentile < low).mean()), float((percentile > high).mean())
    inside = float(((percentile >= low) & (percentile <= high)).mean())
    return NaturalRange(percentile, float(np.median(percentile)), below, inside, above)
