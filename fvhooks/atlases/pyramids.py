"""Coarser and coarser grids in which real items stand for their neighbours."""

import numpy as np
from jaxtyping import Int, Int64, Real

from fvhooks.atlases.neighbourhoods import directions
from fvhooks.errors import ShapeError

Level = tuple[Int64[np.ndarray, "_ _"], Int64[np.ndarray, "_ _"]]

_BLOCKS = 4_096  # at a time: four features each are in memory
_DIGITS = 10  # sums of distances that agree so far are equal


def pyramid(
    cells: Int[np.ndarray, "item 2"],
    shape: tuple[int, int],
    features: Real[np.ndarray, "_ feature"] | None = None,
) -> list[Level]:
    """Which item stands for each 2 × 2 cells of the level below, level after level, until one stands for all.

    It is their medoid, never an average: the one whose cosine distances to the others sum to the least, each
    weighted with the number of items that it stands for. Without features it is the one that stands for most
    items. Equally good ones are decided by index.

    Examples:
        >>> cells = np.array([[0, 0], [0, 1], [1, 0], [0, 2]])
        >>> [(medoid.tolist(), count.tolist()) for medoid, count in pyramid(cells, (2, 3))]
        [([[0, 3]], [[3, 1]]), ([[0]], [[4]])]

    Args:
        cells: row and column of each item, no two alike. Items of a strip are left out by the caller.
        shape: rows and columns of the grid.
        features: of each item.

    Returns:
        For levels 1, 2, … the index of each cell's item, −1 where there is none, and how many items it stands
        for. A grid of one cell, or of none, has no further levels.

    Raises:
        ShapeError: cells outside the grid, a cell twice, or features of another number of items.
    """
    medoid = item_grid(cells, shape)
    if features is not None and len(features) != len(cells):
        raise ShapeError(f"Expected features of {len(cells)} items, got {len(features)}.")
    unit = None if features is None or not len(cells) else directions(features)
    count = (medoid >= 0).astype(np.int64)
    levels: list[Level] = []
    while medoid.size > 1:
        medoid, count = _coarser(medoid, count, unit)
        levels.append((medoid, count))
    return levels


def item_grid(cells: Int[np.ndarray, "item 2"], shape: tuple[int, int]) -> Int64[np.ndarray, "row col"]:
    """The index of the item in each cell, −1 for an empty one.

    Examples:
        >>> item_grid(np.array([[0, 1]]), (1, 2)).tolist()
        [[-1, 0]]

    Raises:
        ShapeError: cells outside the grid, or a cell twice.
    """
    grid = np.full(shape, -1, np.int64)
    if len(cells) and ((cells < 0).any() or (cells >= np.array(shape)).any()):
        raise ShapeError(f"Expected cells on a grid of {shape[0]} x {shape[1]}, got some outside it.")
    grid[cells[:, 0], cells[:, 1]] = np.arange(len(cells))
    if (grid >= 0).sum() != len(cells):
        raise ShapeError(
            f"Expected a cell for each item, got {len(cells)} items in {(grid >= 0).sum()} cells."
        )
    return grid


def _coarser(
    medoid: Int64[np.ndarray, "row col"], count: Int64[np.ndarray, "row col"], unit: np.ndarray | None
) -> Level:
    shape = (-(-medoid.shape[0] // 2), -(-medoid.shape[1] // 2))
    items, weights = _children(medoid, -1), _children(count, 0)
    order = np.argsort(np.where(items < 0, np.iinfo(np.int64).max, items), axis=1)  # the first is the least
    items, weights = np.take_along_axis(items, order, 1), np.take_along_axis(weights, order, 1)
    if unit is None:
        best = weights.argmax(1)
    else:
        best = np.empty(len(items), np.int64)
        for start in range(0, len(items), _BLOCKS):
            block = slice(start, start + _BLOCKS)
            best[block] = _middle(items[block], weights[block], unit)
    chosen = np.take_along_axis(items, best[:, None], 1)[:, 0]
    return chosen.reshape(shape), weights.sum(1).reshape(shape)


def _children(grid: Int64[np.ndarray, "row col"], empty: int) -> Int64[np.ndarray, "block 4"]:
    """The four cells of each block, in reading order."""
    rows, columns = grid.shape
    padded = np.pad(grid, ((0, rows % 2), (0, columns % 2)), constant_values=empty)
    blocks = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2).transpose(0, 2, 1, 3)
    return blocks.reshape(-1, 4)


def _middle(
    items: Int64[np.ndarray, "block 4"], weights: Int64[np.ndarray, "block 4"], unit: np.ndarray
) -> Int64[np.ndarray, " block"]:
    features = unit[items]
    alike = features @ features.transpose(0, 2, 1)
    apart = 1 - (alike + alike.transpose(0, 2, 1)) / 2
    apart[:, np.arange(4), np.arange(4)] = 0
    shares = weights / np.maximum(weights.sum(1, keepdims=True), 1)
    sums = (apart * shares[:, None, :]).sum(2).round(_DIGITS)
    best: Int64[np.ndarray, " block"] = np.where(items < 0, np.inf, sums).argmin(1)
    return best
