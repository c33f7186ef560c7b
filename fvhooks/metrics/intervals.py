"""Numbers with an interval, and the resampling that gives it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

LEVEL = 0.95
_Z = 1.959963984540054  # the standard normal's 97.5 % point


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and where it would lie, were the pictures drawn again.

    Examples:
        >>> str(Interval(0.5, 0.25, 0.75))
        '0.5 [0.25, 0.75]'
        >>> 0.3 in Interval(0.5, 0.25, 0.75)
        True

    Args:
        value: the estimate.
        low: lower end, 95 % unless said otherwise.
        high: upper end.
    """

    value: float
    low: float
    high: float

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"

    def to_dict(self) -> dict[str, float]:
        """The three numbers, for JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


def percentile_interval(value: float, draws: ArrayLike, *, centred: bool = False) -> Interval:
    """The interval that bootstrap draws give.

    Examples:
        >>> percentile_interval(1.0, [3.0, 4.0, 5.0], centred=True).high
        1.95

    Args:
        value: the estimate from all pictures.
        draws: the same estimate from resampled pictures; NaN draws are left out.
        centred: use only the spread of the draws around their own mean. A squared distance of means grows by
            its sampling variance in every resample, so its draws lie around another value than the estimate.
    """
    drawn = np.asarray(draws, dtype=np.float64)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Interval(float(value), math.nan, math.nan)
    if centred:
        drawn = drawn - drawn.mean() + value
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(value), float(low), float(high))


def wilson_interval(hits: int, count: int) -> Interval:
    """The binomial (Wilson score) interval of a proportion; it stays inside [0, 1] and is no point at 0 or 1.

    Examples:
        >>> str(wilson_interval(10, 10))
        '1 [0.722, 1]'
    """
    if count < 1 or not 0 <= hits <= count:
        raise ValueError(f"Expected hits between 0 and a count of at least 1, got {hits} of {count}.")
    share, spread = hits / count, _Z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def group_rows(labels: ArrayLike) -> dict[Any, Int[np.ndarray, " _"]]:
    """The rows of each label, labels in sorted order.

    Examples:
        >>> {label: rows.tolist() for label, rows in group_rows([7, 3, 7]).items()}
        {3: [1], 7: [0, 2]}
    """
    names, inverse = np.unique(np.asarray(labels), return_inverse=True)
    return {name.item(): np.flatnonzero(inverse == i) for i, name in enumerate(names)}


def resample_counts(
    groups: list[Int[np.ndarray, " _"]], size: int, rng: np.random.Generator
) -> Float[np.ndarray, " row"]:
    """How often each row is drawn when every group's rows are drawn again, with replacement.

    Args:
        groups: the rows of each group.
        size: how many rows there are.
        rng: where the randomness comes from.
    """
    counts = np.zeros(size)
    for rows in groups:
        counts[rows] = np.bincount(rng.integers(len(rows), size=len(rows)), minlength=len(rows))
    return counts
