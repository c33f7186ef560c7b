"""The rows in which each channel is strongest, block by block: what two blocks say merges into one answer."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

NO_ROW = -1
"""In place of a row where fewer than asked for have a value."""


@dataclass(frozen=True, eq=False)
class Strongest:
    """The strongest values of each channel, and the rows that they stand in.

    Args:
        values: the strongest first; −inf where there is none.
        rows: counted over the whole store; `NO_ROW` where there is none.
    """

    values: Float[np.ndarray, "top channel"]
    rows: Int[np.ndarray, "top channel"]


def strongest_of(
    values: Float[np.ndarray, "image channel"],
    usable: Bool[np.ndarray, " image"],
    order: Int[np.ndarray, " image"],
    *,
    start: int,
    k: int,
) -> Strongest:
    """The strongest rows of one block.

    Examples:
        >>> block = np.array([[1.0], [3.0], [3.0]])
        >>> found = strongest_of(block, np.ones(3, bool), np.array([0, 2, 1]), start=10, k=2)
        >>> found.rows.ravel().tolist(), found.values.ravel().tolist()
        ([12, 11], [3.0, 3.0])

    Args:
        values: of a run of rows; NaN is no value.
        usable: rows that may be chosen.
        order: which of two equal values comes first: a number a row, the smaller the earlier.
        start: the first row.
        k: how many, at most.
    """
    places = np.argsort(order)
    places = places[usable[places]]
    known = np.where(np.isnan(values[places]), -np.inf, values[places])
    if len(places) > k:
        keep = _k_largest(known.T, k)
        chosen = np.nonzero(keep)[1].reshape(known.shape[1], k).T
        known = np.take_along_axis(known, chosen, axis=0)
    else:
        chosen = np.repeat(np.arange(len(places))[:, None], known.shape[1], axis=1)
    rows = np.where(np.isneginf(known), NO_ROW, start + places[chosen])
    ranked = np.argsort(-known, axis=0, kind="stable")  # equal ones stay in their order
    return Strongest(np.take_along_axis(known, ranked, axis=0), np.take_along_axis(rows, ranked, axis=0))


def stronger(first: Strongest, second: Strongest, order: Int[np.ndarray, " image"], k: int) -> Strongest:
    """What two blocks say together; `order` is that of all rows."""
    values = np.concatenate([first.values, second.values])
    rows = np.concatenate([first.rows, second.rows])
    ranked = np.lexsort((order[rows], -values), axis=0)[:k]
    return Strongest(np.take_along_axis(values, ranked, axis=0), np.take_along_axis(rows, ranked, axis=0))


def _k_largest(values: Float[np.ndarray, "channel image"], k: int) -> Bool[np.ndarray, "channel image"]:
    """Exactly k of each row: all above the k-th largest, and the first of those that equal it."""
    limit = np.partition(values, -k, axis=1)[:, -k, None]
    keep = values >= limit
    crowded = np.flatnonzero(keep.sum(1) > k)
    above, equal = values[crowded] > limit[crowded], values[crowded] == limit[crowded]
    keep[crowded] = above | (equal & (equal.cumsum(1) <= k - above.sum(1, keepdims=True)))
    return keep
