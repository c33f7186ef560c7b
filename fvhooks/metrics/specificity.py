"""Whether pictures of groups of images are of their own group, and not of just any."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from fvhooks.errors import MissingInputError
from fvhooks.metrics.groups import Grouped, group_interval
from fvhooks.metrics.intervals import Interval, group_rows


@dataclass(frozen=True, slots=True, eq=False)
class Specificity:
    """How pictures of each group resemble each group.

    Args:
        matrix: mean cosine of the pictures of a group (row) and the target of a group (column); NaN for a
            group without pictures.
        own: mean cosine with the own group.
        margin: own cosine less that of the other group that is nearest.
        retrieved: share of the pictures whose nearest group is their own; by chance 1 / groups.
        count: pictures.
    """

    matrix: Float[np.ndarray, "group group"]
    own: Interval
    margin: Interval
    retrieved: Interval
    count: int


def specificity(
    activations: Float[np.ndarray, "picture channel"],
    targets: Float[np.ndarray, "group _"],
    groups: ArrayLike,
    *,
    mean: Float[np.ndarray, " _"] | None = None,
    deviation: Float[np.ndarray, " _"] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Specificity:
    """Compare pictures of groups with every group, by the cosine of what is unusual in their activations.

    Examples:
        >>> targets = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> found = specificity(np.array([[2.0, 0.0], [1.0, 0.5]]), targets, [0, 1], mean=np.zeros(2))
        >>> found.retrieved.value, found.matrix.round(2).tolist()
        (0.5, [[1.0, 0.0], [0.89, 0.45]])

    Args:
        activations: of each picture, averaged over positions.
        targets: of each group, at least two.
        groups: which group each picture is of, as an index into `targets`.
        mean: what is usual of each channel; by default the mean of the targets.
        deviation: its standard deviation, so that channels of any scale count alike.
        draws: bootstrap resamples; each draws groups, then pictures within each.
        seed: of the bootstrap.

    Raises:
        MissingInputError: a single group, or a picture of a group without a target.
        ShapeError: other numbers of channels, or of groups than of pictures.
        NonFiniteError: NaN or infinity among the activations or targets.
    """
    given = Grouped.checked(activations, targets, groups)
    count = len(given.targets)
    if count < 2:
        raise MissingInputError("A picture can only be specific where there are two groups or more, got one.")
    cosines = _cosines(*given.standardised(given.targets.mean(0) if mean is None else mean, deviation))
    own = cosines[np.arange(len(cosines)), given.group]
    mine = np.arange(count) == given.group[:, None]
    other = np.where(mine, -np.inf, cosines).max(1)
    matrix = np.full((count, count), np.nan)
    for group, rows in group_rows(given.group).items():
        matrix[group] = cosines[rows].mean(0)
    values = {"own": own, "margin": own - other, "retrieved": (own > other).astype(np.float64)}
    found = {name: group_interval(part, given.group, draws=draws, seed=seed) for name, part in values.items()}
    return Specificity(matrix, **found, count=len(cosines))


def _cosines(
    ours: Float[np.ndarray, "picture channel"], theirs: Float[np.ndarray, "group channel"]
) -> Float[np.ndarray, "picture group"]:
    sizes = np.outer(np.linalg.norm(ours, axis=1), np.linalg.norm(theirs, axis=1))
    return np.asarray(ours @ theirs.T / np.maximum(sizes, 1e-12))
