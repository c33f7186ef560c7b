"""The nearest items of each item, and how many of them a map keeps."""

import math
from typing import Literal

import numpy as np
from jaxtyping import Float, Float64, Int, Int64, Real, Shaped

from fvhooks.atlases.checks import require_finite
from fvhooks.errors import ShapeError

QUERIES = 20_000
"""For more items than this, neighbours are looked up of a sample of this size."""

_AT_ONCE = 2**21  # distances in memory: many rows make matrix products fast
_IN_CACHE = 2**18
_DIRECT = 3  # up to this many features differences are taken one by one: ties on a grid stay ties
_STEPS = (
    math.pi * 2e12
)  # of the largest distance: not round, so that round distances lie on no border of steps


def query_rows(count: int, *, limit: int = QUERIES, seed: int = 0) -> Int64[np.ndarray, " query"]:
    """The items whose neighbours are counted: all, or a random sample of many, in ascending order.

    Examples:
        >>> query_rows(3).tolist(), len(query_rows(100, limit=10))
        ([0, 1, 2], 10)

    Args:
        count: of items.
        limit: how many are taken at most.
        seed: of the sample.
    """
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))


def nearest(
    features: Real[np.ndarray, "item feature"],
    k: int,
    *,
    metric: Literal["cosine", "euclidean"] = "cosine",
    queries: Int[np.ndarray, " query"] | None = None,
    block: int | None = None,
) -> Int64[np.ndarray, "query k"]:
    """The k nearest other items of each item, the nearest first: exact, a block of items at a time.

    Distances (of "euclidean", their squares) that agree to about 12 digits of the largest count as equal;
    equally near items come by index. The cosine with an item that is zero throughout counts as 0. All items
    are looked up in all items, which grows with the square of their number: beyond 20,000 give
    `queries`, such as `query_rows(count, seed=…)` chooses.

    Examples:
        >>> nearest(np.array([[0.0], [1.0], [3.0]]), 2, metric="euclidean").tolist()
        [[1, 2], [0, 2], [1, 0]]

    Args:
        features: of each item.
        k: how many are wanted.
        metric: "cosine" of the angle between features, "euclidean" for places on a map.
        queries: the items whose neighbours are wanted; all where not given.
        block: how many of them at a time; as many as fit into some 50 MB where not given.

    Returns:
        Indices of items; −1 at the end where there are fewer than k others.

    Raises:
        NonFiniteError: NaN or infinity among the features.
        ShapeError: k below 1, or a metric of another name.
    """
    values = _prepared(features, k, metric)
    rows = np.arange(len(values)) if queries is None else np.asarray(queries, np.int64)
    return _search(values, values[rows], k, metric=metric, own=rows, block=block)


def nearest_among(
    features: Real[np.ndarray, "item feature"],
    others: Real[np.ndarray, "query feature"],
    k: int,
    *,
    metric: Literal["cosine", "euclidean"] = "cosine",
) -> Int64[np.ndarray, "query k"]:
    """The k items nearest to each of others that are not among them, with the ties and the −1 of `nearest`.

    Examples:
        >>> places = np.array([[0.0], [1.0], [3.0]])
        >>> nearest_among(places, np.array([[1.0]]), 2, metric="euclidean").tolist()
        [[1, 0]]

    Args:
        features: of each item.
        others: features of what neighbours are wanted for.
        k: how many are wanted.
        metric: as of `nearest`.

    Raises:
        NonFiniteError: NaN or infinity among the features.
        ShapeError: k below 1, or a metric of another name.
    """
    both = _prepared(np.concatenate([features, others]).astype(np.float64), k, metric)
    return _search(both[: len(features)], both[len(features) :], k, metric=metric)


def nearest_of_distances(distances: Real[np.ndarray, "item item"], k: int) -> Int64[np.ndarray, "item k"]:
    """The k nearest other items by given distances, with the ties and the −1 of `nearest`.

    Examples:
        >>> nearest_of_distances(np.array([[0.0, 2.0, 1.0], [2.0, 0.0, 2.0], [1.0, 2.0, 0.0]]), 1).tolist()
        [[2], [0], [0]]

    Args:
        distances: of each pair, at least 0; the diagonal is not looked at.
        k: how many are wanted.

    Raises:
        NonFiniteError: NaN or infinity among the distances.
        ShapeError: k below 1.
    """
    values = _prepared(distances, k, "given")
    largest = max(float(np.abs(values).max(initial=0.0)), 1e-300)
    found = np.full((len(values), k), -1, np.int64)
    step = max(1, _AT_ONCE // max(len(values), 1))
    for start in range(0, len(values), step):
        own = np.arange(start, min(start + step, len(values)))
        chosen = _first(values[own] / largest, own, k)
        found[own, : chosen.shape[1]] = chosen
    return found


def kept(a: Int[np.ndarray, "item k"], b: Int[np.ndarray, "_ _"]) -> Float64[np.ndarray, " item"]:
    """Which share of an item's neighbours in `a` are among those in `b`.

    Examples:
        >>> kept(np.array([[1, 2], [0, 2], [1, -1]]), np.array([[2, 1], [3, 0], [0, -1]])).tolist()
        [1.0, 0.5, 0.0]

    Args:
        a: neighbours of each item, −1 for none.
        b: the same of another space or map, in the same order of items.

    Returns:
        Shares of the neighbours in `a`; NaN for an item that has none.
    """
    if len(a) != len(b):
        raise ShapeError(f"Expected neighbours of the same items, got {len(a)} and {len(b)} rows.")
    there = a >= 0
    if not a.size or not b.size:
        return np.where(there.any(1), 0.0, np.nan)
    base = int(max(a.max(), b.max())) + 2
    row = np.arange(len(a))[:, None] * base
    known = np.sort(row + b + 1, axis=1).ravel()  # ascending throughout: a row's numbers lie in its own range
    asked = row + a + 1
    at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    hits = ((known[at] == asked) & there).sum(1)
    count = there.sum(1)
    return np.where(count > 0, hits / np.maximum(count, 1), np.nan)


def gain(a: Int[np.ndarray, "item k"], b: Int[np.ndarray, "_ _"], count: int) -> float:
    """The share of neighbours that two spaces have in common, less what chance gives: k / (count − 1).

    0 where a map is no better than chance, 1 − k / (count − 1) where it keeps all. It is a measure of the
    map, not of the network: features of an untrained one can be mapped as well.

    Examples:
        >>> ring = np.array([[1], [0], [3], [2]])
        >>> round(gain(ring, ring, 4), 3)
        0.667

    Args:
        a: neighbours in one space, of all items or of a sample of them.
        b: neighbours of the same items in the other.
        count: of all items.

    Returns:
        The gain; NaN where there are fewer than two items.
    """
    if a.shape != b.shape:
        raise ShapeError(f"Expected as many neighbours in both spaces, got shapes {a.shape} and {b.shape}.")
    shares = kept(a, b)
    if count < 2 or not len(shares):
        return math.nan
    return float(shares.mean() - min(a.shape[1], count - 1) / (count - 1))


def _prepared(features: Shaped[np.ndarray, "item _"], k: int, metric: str) -> Float64[np.ndarray, "item _"]:
    if k < 1 or metric not in ("cosine", "euclidean", "given"):
        raise ShapeError(f"Expected k of 1 or more and 'cosine' or 'euclidean', got {k} and {metric!r}.")
    values = np.asarray(features, np.float64)
    require_finite("Features", values)
    if metric == "cosine":
        return directions(values)
    return values - values.mean(0) if metric == "euclidean" and len(values) else values


def directions(features: Real[np.ndarray, "item feature"]) -> Float64[np.ndarray, "item feature"]:
    """Features of length 1; zeros stay zeros."""
    values = np.asarray(features, np.float64)
    values = values / np.maximum(np.abs(values).max(1, keepdims=True, initial=0.0), 1e-300)
    sizes = np.linalg.norm(values, axis=1, keepdims=True)
    unit: Float64[np.ndarray, "item feature"] = values / np.where(sizes > 0, sizes, 1.0)
    return unit


def _search(
    values: Float64[np.ndarray, "item feature"],
    asked: Float64[np.ndarray, "query feature"],
    k: int,
    *,
    metric: str,
    own: Int[np.ndarray, " query"] | None = None,
    block: int | None = None,
) -> Int64[np.ndarray, "query k"]:
    found = np.full((len(asked), k), -1, np.int64)
    direct = metric == "euclidean" and values.shape[1] <= _DIRECT
    step = block or max(1, (_IN_CACHE if direct else _AT_ONCE) // max(len(values), 1))
    sizes, wanted = (values**2).sum(1), (asked**2).sum(1)
    most = max(float(part.max(initial=0.0)) for part in (sizes, wanted))
    largest = 2.0 if metric == "cosine" else max(4 * most, 1e-300)
    for start in range(0, len(asked), step):
        rows = slice(start, start + step)
        if metric == "cosine":
            apart = 1 - asked[rows] @ values.T
        elif direct:
            apart = _squares(asked[rows], values)
        else:
            apart = wanted[rows, None] + sizes - 2 * (asked[rows] @ values.T)
        apart /= largest
        chosen = _first(apart, None if own is None else own[rows], k)
        found[rows, : chosen.shape[1]] = chosen
    return found


def _squares(
    ours: Float64[np.ndarray, "query feature"], theirs: Float64[np.ndarray, "item feature"]
) -> Float64[np.ndarray, "query item"]:
    """Squared distances, difference by difference, in as little memory as may be."""
    total = np.zeros((len(ours), len(theirs)))
    gap = np.empty_like(total)
    for one, other in zip(ours.T, theirs.T, strict=True):
        np.subtract.outer(one, other, out=gap)
        np.multiply(gap, gap, out=gap)
        total += gap
    return total


def _first(
    apart: Float[np.ndarray, "query item"], own: Int[np.ndarray, " query"] | None, k: int
) -> Int64[np.ndarray, "query _"]:
    """The k items of the smallest distance (at most 1), by index where they are equal, but not the own."""
    count = apart.shape[1]
    if own is not None:
        apart[np.arange(len(own)), own] = np.inf
    k = min(k, count if own is None else count - 1)
    if k < 1:
        return np.zeros((len(apart), 0), np.int64)
    steps = min(_STEPS, 2.0**62 / count)
    last = np.partition(apart, k - 1, axis=1)[:, k - 1 : k]
    near = np.flatnonzero(apart <= last + 2 / steps)  # few, so that only these are sorted
    row, col = np.divmod(near, count)
    keys = np.rint(apart[row, col] * steps).astype(np.int64) * count + col
    rank = np.arange(len(row)) - np.searchsorted(row, np.arange(len(apart)))[row]
    chosen: Int64[np.ndarray, "query _"] = col[np.lexsort((keys, row))][rank < k].reshape(-1, k)
    return chosen
