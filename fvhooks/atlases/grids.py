"""Cells for the items of a layout: one each, near where the layout has it."""

import numpy as np
from jaxtyping import Float, Float64, Int, Int64, Real

from fvhooks.atlases.checks import require_finite
from fvhooks.errors import ShapeError

EXACT_ITEMS = 4_096
"""Beyond this many items the exact assignment takes minutes and gigabytes."""


def grid_shape(count: int) -> tuple[int, int]:
    """The nearly square grid for some items: less than a row of its cells stays empty.

    Examples:
        >>> grid_shape(7), grid_shape(2000), grid_shape(0)
        ((3, 3), (45, 45), (0, 0))

    Args:
        count: of items.
    """
    columns = int(np.ceil(np.sqrt(count)))
    return (-(-count // columns) if columns else 0), columns


def snap(
    points: Real[np.ndarray, "item xy"], shape: tuple[int, int] | None = None
) -> Int64[np.ndarray, "item 2"]:
    """A cell for each item, by cutting items and cells in halves again and again.

    A rectangle of cells is cut across its longer side (a square one between columns); as many items as the
    first half has cells go there, those of the smallest x or y. Where there are fewer items than cells, the
    last cells stay empty, in reading order. Only the order of x and of y matters, never their scale. Items at
    the same x or y are ordered by index.

    Examples:
        >>> snap(np.array([[9.0, 9.0], [9.0, 0.0], [0.0, 0.0], [0.0, 9.0]])).tolist()
        [[1, 1], [0, 1], [0, 0], [1, 0]]

    Args:
        points: x (to the right) and y (downwards) of each item, in any unit.
        shape: rows and columns of cells; nearly square where not given.

    Returns:
        The row and column of each item.

    Raises:
        ShapeError: points of other than two numbers, or fewer cells than items.
        NonFiniteError: NaN or infinity among the points.
    """
    places, (rows, columns) = _checked(points, shape)
    count = len(places)
    ranks = _ranks(places)
    boxes = np.array([[0, rows, 0, columns]])[: min(count, 1)]  # top, bottom, left, right
    owner = np.zeros(count, np.int64)
    while (boxes[:, 1::2] - boxes[:, ::2] > 1).any():
        first, second, wide = _cut(boxes)
        order = np.argsort(owner * count + np.where(wide[owner], ranks[0], ranks[1]))
        start = np.searchsorted(owner[order], np.arange(len(boxes)))
        beyond = np.arange(count) - start[owner[order]] >= _held(first, count, columns)[owner[order]]
        owner[order] = 2 * owner[order] + beyond
        boxes = np.stack([first, second], 1).reshape(-1, 4)
        filled = _held(boxes, count, columns) > 0
        owner, boxes = (np.cumsum(filled) - 1)[owner], boxes[filled]
    return boxes[owner][:, ::2]


def snap_exactly(
    points: Real[np.ndarray, "item xy"], shape: tuple[int, int] | None = None
) -> Int64[np.ndarray, "item 2"]:
    """The cells of `snap` given to items such that the squares of all displacements sum to the least.

    Args:
        points: x and y of each item.
        shape: rows and columns of cells; nearly square where not given.

    Raises:
        ShapeError: as of `snap`, or more than 4,096 items, for which it would take minutes.
        NonFiniteError: NaN or infinity among the points.
    """
    places, (rows, columns) = _checked(points, shape)
    if len(places) > EXACT_ITEMS:
        raise ShapeError(
            f"Exact assignment is for {EXACT_ITEMS:,} items at most, got {len(places):,}; its time grows "
            "with their cube. Use snap()."
        )
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - scipy comes with scikit-learn only

    index = np.arange(len(places))
    cells = np.stack([index // max(columns, 1), index % max(columns, 1)], 1)
    wanted = _in_cells(places, (rows, columns))
    cost = ((wanted[:, None] - cells[None]) ** 2).sum(2)
    return cells[linear_sum_assignment(cost)[1]].astype(np.int64)


def displacement(
    points: Real[np.ndarray, "item xy"], cells: Int[np.ndarray, "_ 2"], shape: tuple[int, int]
) -> Float64[np.ndarray, " item"]:
    """How far each item was moved, with the layout stretched to the middles of the outermost cells.

    Examples:
        >>> displacement(np.array([[0.0, 0.0], [8.0, 2.0]]), np.array([[0, 0], [0, 1]]), (2, 2)).tolist()
        [0.0, 1.0]

    Args:
        points: x and y of each item; where all have the same, they are taken to be in the middle.
        cells: row and column of each.
        shape: rows and columns of the grid.

    Returns:
        Distances in cells.

    Raises:
        ShapeError: another number of cells than points, or as of `snap`.
        NonFiniteError: NaN or infinity among the points.
    """
    places, shape = _checked(points, shape)
    if len(cells) != len(places):
        raise ShapeError(f"Expected a cell for each of {len(places)} points, got {len(cells)}.")
    moved: Float64[np.ndarray, " item"] = np.linalg.norm(_in_cells(places, shape) - cells, axis=1)
    return moved


def _checked(
    points: Real[np.ndarray, "item xy"], shape: tuple[int, int] | None
) -> tuple[Float64[np.ndarray, "item 2"], tuple[int, int]]:
    places = np.asarray(points, np.float64)
    if places.ndim != 2 or places.shape[1] != 2:
        raise ShapeError(f"Expected points (item, 2), the x and y of each item, got shape {places.shape}.")
    require_finite("Points", places)
    rows, columns = grid_shape(len(places)) if shape is None else shape
    if min(rows, columns) < 0 or rows * columns < len(places):
        raise ShapeError(
            f"Expected a grid of at least {len(places)} cells, one for each item, got {rows} x {columns}."
        )
    return places, (int(rows), int(columns))


def _ranks(places: Float64[np.ndarray, "item 2"]) -> Int64[np.ndarray, "2 item"]:
    """Places in the order of x and of y, so that whole numbers are sorted from here on."""
    ranks = np.empty((2, len(places)), np.int64)
    for axis in range(2):
        ranks[axis, np.argsort(places[:, axis], kind="stable")] = np.arange(len(places))
    return ranks


def _cut(boxes: Int[np.ndarray, "box 4"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both halves of each box (of a single cell the first is empty), and which were cut between columns."""
    height, width = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    wide = width >= height
    first, second = boxes.copy(), boxes.copy()
    first[wide, 3] = second[wide, 2] = (boxes[:, 2] + width // 2)[wide]
    first[~wide, 1] = second[~wide, 0] = (boxes[:, 0] + height // 2)[~wide]
    return first, second, wide


def _held(boxes: Int[np.ndarray, "box 4"], count: int, columns: int) -> Int[np.ndarray, " box"]:
    """How many of the first `count` cells of the grid lie in each box."""
    full, rest = divmod(count, columns)
    top, bottom, left, right = boxes.T
    below = np.clip(full, top, bottom) - top
    partial = np.where((top <= full) & (full < bottom), np.clip(rest, left, right) - left, 0)
    held: Int[np.ndarray, " box"] = below * (right - left) + partial
    return held


def _in_cells(places: Float64[np.ndarray, "item 2"], shape: tuple[int, int]) -> Float[np.ndarray, "item 2"]:
    """The wanted row and column of each item, before it is given a cell."""
    if not len(places):
        return np.zeros((0, 2))
    low, high = places.min(0), places.max(0)
    spread = np.where(high > low, high - low, 1.0)
    inside = np.where(high > low, (places - low) / spread, 0.5)
    wanted: Float[np.ndarray, "item 2"] = inside[:, ::-1] * (np.array(shape) - 1)
    return wanted
