"""Cells for the items of a layout."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fvhooks.atlases.grids import displacement, grid_shape, snap, snap_exactly
from fvhooks.errors import FVHooksError, NonFiniteError, ShapeError

COUNTS = [0, 1, 2, 3, 5, 7, 12, 16, 97, 100, 101, 360]


def _points(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 2))


def _on_grid(rows: int, columns: int) -> np.ndarray:
    row, column = np.divmod(np.arange(rows * columns), columns)
    return np.stack([column, row], 1).astype(float)


def _holds_each_once(cells: np.ndarray, shape: tuple[int, int]) -> bool:
    """One item in each of the first cells in reading order, and none in the others."""
    index = cells[:, 0] * shape[1] + cells[:, 1]
    inside = (cells >= 0).all() and (cells < np.array(shape)).all()
    return bool(inside and np.array_equal(np.sort(index), np.arange(len(cells))))


@given(st.integers(0, 10_000))
def test_a_grid_has_room_and_wastes_less_than_a_row(count) -> None:
    rows, columns = grid_shape(count)
    assert rows <= columns <= rows + 1 or count == 0
    assert 0 <= rows * columns - count < max(columns, 1)


@pytest.mark.parametrize("find", [snap, snap_exactly])
@pytest.mark.parametrize("kind", ["random", "equal", "doubled", "line"])
@pytest.mark.parametrize("count", COUNTS)
def test_every_item_gets_a_cell_of_its_own(count, kind, find) -> None:
    points = _points(count)
    if kind == "equal":
        points[:] = 3.0
    if kind == "doubled":
        points[count // 2 :] = points[: count - count // 2]
    if kind == "line":
        points[:, 0] = 1.0
    assert _holds_each_once(find(points), grid_shape(count))


@settings(max_examples=60)
@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_holes_are_the_last_cells_of_any_grid(rows, columns, data) -> None:
    count = data.draw(st.integers(0, rows * columns))
    cells = snap(_points(count), (rows, columns))
    assert cells.shape == (count, 2)
    assert _holds_each_once(cells, (rows, columns))


@pytest.mark.parametrize("shape", [(1, 13), (13, 1)])
def test_one_row_or_column_is_in_the_order_of_its_axis(shape) -> None:
    points = _points(13)
    axis = 0 if shape[0] == 1 else 1
    assert np.array_equal(np.argsort(snap(points, shape)[:, 1 - axis]), np.argsort(points[:, axis]))


@settings(max_examples=40)
@given(
    st.integers(1, 200), st.integers(-50, 50), st.sampled_from([0.25, 1.0, 8.0]), st.sampled_from([0.5, 1e3])
)
def test_moving_and_stretching_a_layout_changes_nothing(count, moved, wide, high) -> None:
    points = np.random.default_rng(count).integers(-1000, 1000, (count, 2)).astype(float)
    assert np.array_equal(snap(points * [wide, high] + moved), snap(points))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("side", [2, 4, 16])
def test_a_mirrored_layout_is_mirrored_where_sides_are_powers_of_two(side, axis) -> None:
    points = _points(side * side)
    mirrored = points * np.where(np.arange(2) == axis, -1, 1)
    expected = snap(points)
    expected[:, 1 - axis] = side - 1 - expected[:, 1 - axis]
    assert np.array_equal(snap(mirrored), expected)


@settings(max_examples=40)
@given(st.integers(0, 150), st.integers(0, 5))
def test_items_in_another_order_keep_their_cells(count, seed) -> None:
    points = _points(count, seed)
    order = np.random.default_rng(seed).permutation(count)
    assert np.array_equal(snap(points[order]), snap(points)[order])


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 5), (16, 16), (13, 29)])
def test_items_on_a_grid_stay_where_they_are(shape) -> None:
    order = np.random.default_rng(0).permutation(shape[0] * shape[1])
    points = _on_grid(*shape)[order]
    for find in (snap, snap_exactly):
        cells = find(points * 3.5 + 10, shape)
        assert np.array_equal(cells, points[:, ::-1])
        assert displacement(points * 3.5 + 10, cells, shape).max() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("shape", [(8, 8), (6, 11), (11, 6), (7, 9)])
def test_the_first_cut_parts_the_longer_side(shape) -> None:
    points = _points(shape[0] * shape[1])
    cells = snap(points, shape)
    axis = 0 if shape[1] >= shape[0] else 1
    first = cells[:, 1 - axis] < shape[1 - axis] // 2
    assert points[first, axis].max() <= points[~first, axis].min()
    assert first.sum() == (shape[1 - axis] // 2) * shape[axis]


def test_the_same_layout_gives_the_same_bytes() -> None:
    points = _points(2000)
    assert snap(points).tobytes() == snap(points.copy()).tobytes()


def test_equal_items_are_in_order_of_their_index() -> None:
    assert snap(np.zeros((4, 2)), (1, 4)).tolist() == [[0, 0], [0, 1], [0, 2], [0, 3]]


@pytest.mark.parametrize("count", [1, 9, 50, 144, 400])
def test_exact_is_no_worse_than_halving_and_halving_than_chance(count) -> None:
    points, shape = _points(count, seed=count), grid_shape(count)
    halved, exact = snap(points), snap_exactly(points)
    shuffled = np.random.default_rng(1).permutation(halved)
    costs = [(displacement(points, cells, shape) ** 2).sum() for cells in (exact, halved, shuffled)]
    assert costs[0] <= costs[1] * (1 + 1e-12)
    assert costs[1] <= costs[2]
    if count > 9:
        assert costs[0] < costs[1] < 0.5 * costs[2]


def test_displacement_counts_cells() -> None:
    points = np.array([[0.0, 0.0], [10.0, 30.0], [10.0, 0.0]])
    cells = np.array([[0, 0], [2, 1], [3, 5]])
    found = displacement(points, cells, (4, 6))
    assert found == pytest.approx([0, np.hypot(1, 4), 3])


def test_displacement_of_equal_items_is_from_the_middle() -> None:
    assert displacement(np.ones((2, 2)), np.array([[0, 0], [0, 2]]), (1, 3)).tolist() == [1, 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused_and_counted(bad) -> None:
    points = _points(10)
    points[[3, 7], [0, 1]] = bad
    for find in (snap, snap_exactly):
        with pytest.raises(NonFiniteError, match="2 of 10 rows hold NaN or infinity, the first is 3"):
            find(points)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"Expected points \(item, 2\).*got shape \(4, 3\)"):
        snap(np.zeros((4, 3)))
    with pytest.raises(ShapeError, match="at least 7 cells, one for each item, got 2 x 3"):
        snap(np.zeros((7, 2)), (2, 3))
    with pytest.raises(ShapeError, match="a cell for each of 2 points, got 1"):
        displacement(np.zeros((2, 2)), np.zeros((1, 2), int), (1, 2))
    assert issubclass(ShapeError, FVHooksError)


def test_the_exact_way_refuses_what_would_take_minutes() -> None:
    with pytest.raises(ShapeError, match="4,096 items at most, got 4,097"):
        snap_exactly(np.zeros((4097, 2)))


def test_a_large_layout_gets_every_cell() -> None:
    assert _holds_each_once(snap(_points(102_400)), (320, 320))


def test_planted_clusters_stay_together() -> None:
    rng = np.random.default_rng(0)
    cluster = np.arange(1000) % 5
    centres = np.array([[0, 0], [8, 1], [1, 9], [9, 9], [5, 4.5]])
    shape = grid_shape(1000)
    cells = snap(centres[cluster] + 0.5 * rng.normal(size=(1000, 2)))
    grid = np.full(shape, -1)
    grid[tuple(cells.T)] = cluster
    pairs = [(grid[1:], grid[:-1]), (grid[:, 1:], grid[:, :-1])]
    there = np.concatenate([((a >= 0) & (b >= 0)).ravel() for a, b in pairs])
    same = np.concatenate([(a == b).ravel() for a, b in pairs])
    assert same[there].mean() >= 0.9
