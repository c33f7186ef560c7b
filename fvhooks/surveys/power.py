"""How many people it takes to see a difference between two recipes."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from fvhooks.errors import OutOfRangeError, ShapeError
from fvhooks.metrics.intervals import LEVEL, group_rows


def raters_needed(
    first: float,
    second: float,
    *,
    units: int,
    per_unit: int = 1,
    clustering: float = 0.0,
    power: float = 0.8,
) -> int | None:
    """How many raters tell two accuracies apart, by a two-sided test at the 5 % level.

    Answers about one unit are alike: beyond a point more raters say nothing new, only more units do.

    Examples:
        >>> raters_needed(0.5, 0.7, units=10)
        10
        >>> raters_needed(0.5, 0.7, units=10, clustering=0.2) is None
        True

    Args:
        first: accuracy of one recipe.
        second: accuracy of the other.
        units: units that each rater is asked about.
        per_unit: pictures of each unit and recipe that each rater sees.
        clustering: correlation of the answers about one unit, as `clustering` estimates it.
        power: how likely the difference shall be seen.

    Returns:
        The number of raters; None where no number is enough, and more units are needed.

    Raises:
        OutOfRangeError: accuracies that are no different, or numbers outside their range.
    """
    if first == second or not all(0 <= value <= 1 for value in (first, second, clustering)):
        raise OutOfRangeError(
            f"Expected two different accuracies and a clustering in [0, 1], got {first}, {second} and "
            f"{clustering}."
        )
    if not 0 < power < 1 or min(units, per_unit) < 1:
        raise OutOfRangeError(
            f"Expected 0 < power < 1, units and pictures, got {power}, {units}, {per_unit}."
        )
    normal = NormalDist()
    quantiles = normal.inv_cdf((1 + LEVEL) / 2) + normal.inv_cdf(power)
    spread = first * (1 - first) + second * (1 - second)
    alone = quantiles**2 * spread / (first - second) ** 2  # answers a recipe, were all independent
    room = units - alone * clustering
    if room <= 0:
        return None
    return max(1, math.ceil(alone * (1 - clustering) / room / per_unit))


def clustering(values: ArrayLike, groups: ArrayLike) -> float:
    """How alike answers within a group are: the intraclass correlation, by analysis of variance.

    Examples:
        >>> clustering([1.0, 1.0, 0.0, 0.0], ["a", "a", "b", "b"])
        1.0

    Args:
        values: a number for each answer.
        groups: what each is about.

    Returns:
        Between 0 (as alike as any) and 1 (the same); 0 where there is nothing to compare.

    Raises:
        ShapeError: other numbers of groups than of values.
    """
    given = np.asarray(values, np.float64)
    if np.shape(groups) != given.shape or given.ndim != 1:
        raise ShapeError(f"Expected a group for each value, got {given.shape} and {np.shape(groups)}.")
    parts = [given[rows] for rows in group_rows(groups).values()]
    sizes = np.array([len(part) for part in parts], np.float64)
    if len(parts) < 2 or len(given) <= len(parts):
        return 0.0
    within = sum(float(((part - part.mean()) ** 2).sum()) for part in parts) / (len(given) - len(parts))
    centres = np.array([part.mean() for part in parts])
    between = float((sizes * (centres - given.mean()) ** 2).sum()) / (len(parts) - 1)
    usual = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (len(parts) - 1)
    total = between + (usual - 1) * within
    return float(np.clip((between - within) / total, 0, 1)) if total > 0 else 0.0
