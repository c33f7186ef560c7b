"""Arrays of a wiring as short plain data."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int


def origins_to(origin: Int[np.ndarray, "channel 2"]) -> list[list[int]]:
    """Runs of channels of one node at equal steps, as [node, first channel, step, count].

    Examples:
        >>> origins_to(np.array([[3, 0], [3, 1], [3, 2], [-1, -1], [-1, -1], [5, 8]]))
        [[3, 0, 1, 3], [-1, -1, 0, 2], [5, 8, 0, 1]]

    Args:
        origin: node and channel of each.
    """
    runs: list[list[int]] = []
    for node, channel in origin.tolist():
        if runs and runs[-1][0] == node:
            _, first, step, count = runs[-1]
            if count == 1:
                step = channel - first
            if channel == first + step * count:
                runs[-1][2:] = [step, count + 1]
                continue
        runs.append([node, channel, 0, 1])
    return runs


def origins_of(runs: Sequence[Sequence[int]]) -> Int[np.ndarray, "channel 2"]:
    """The inverse of `origins_to`."""
    parts = [
        np.stack([np.full(count, node), first + step * np.arange(count)], axis=1)
        for node, first, step, count in runs
    ]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros((0, 2), dtype=np.int64)


def factors_to(factors: Float[np.ndarray, " factor"] | None) -> Any:  # noqa: ANN401 - plain data
    """A list of numbers, or the one that all of them are and how many.

    Examples:
        >>> factors_to(np.ones(64)), factors_to(np.array([0.5, -2.0]))
        ({'each': 1.0, 'count': 64}, [0.5, -2.0])

    Args:
        factors: None stays None.
    """
    if factors is None:
        return None
    if len(factors) and bool((factors == factors[0]).all()):
        return {"each": float(factors[0]), "count": len(factors)}
    return [float(factor) for factor in factors]


def factors_of(record: Any) -> Float[np.ndarray, " factor"] | None:  # noqa: ANN401
    """The inverse of `factors_to`."""
    if record is None:
        return None
    if isinstance(record, dict):
        return np.full(record["count"], record["each"], dtype=np.float64)
    return np.array(record, dtype=np.float64)
