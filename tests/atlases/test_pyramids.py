"""Coarser grids in which real items stand for others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fvhooks.atlases.grids import grid_shape, snap
from fvhooks.atlases.neighbourhoods import directions
from fvhooks.atlases.pyramids import item_grid, pyramid
from fvhooks.errors import ShapeError


def _slow(medoid, count, features):
    """The level above, a block at a time."""
    rows, columns = -(-medoid.shape[0] // 2), -(-medoid.shape[1] // 2)
    above = np.full((rows, columns), -1), np.zeros((rows, columns), int)
    unit = directions(features)
    for row, column in np.ndindex(rows, columns):
        block = np.s_[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        items, weights = medoid[block].ravel(), count[block].ravel()
        weights, items = weights[items >= 0], items[items >= 0]
        above[1][row, column] = weights.sum()
        if len(items):
            apart = np.abs(1 - unit[items] @ unit[items].T) @ weights / weights.sum()
            above[0][row, column] = min(zip(apart.round(9), items, strict=True))[1]
    return above


@pytest.mark.parametrize("count", [2, 7, 40, 97])
@pytest.mark.parametrize("shape", [None, (13, 9)])
def test_each_level_is_that_of_the_blocks_below(count, shape) -> None:
    rng = np.random.default_rng(count)
    features = rng.normal(size=(count, 3))
    shape = shape or grid_shape(count)
    cells = snap(rng.normal(size=(count, 2)), shape)
    below = item_grid(cells, shape), (item_grid(cells, shape) >= 0).astype(int)
    levels = pyramid(cells, shape, features)
    for level in levels:
        for found, expected in zip(level, _slow(*below, features), strict=True):
            assert np.array_equal(found, expected)
        below = level
    assert below[0].shape == (1, 1)


@settings(max_examples=60)
@given(st.integers(1, 12), st.integers(1, 12), st.booleans(), st.data())
def test_who_stands_for_others_is_one_of_them_and_counts_add_up(rows, columns, featured, data) -> None:
    count = data.draw(st.integers(0, rows * columns))
    rng = np.random.default_rng(count)
    places = rng.permutation(rows * columns)[:count]
    cells = np.stack(np.divmod(places, columns), 1)
    features = rng.integers(-2, 3, (count, 2)).astype(float) if featured else None
    levels = pyramid(cells, (rows, columns), features)
    medoid, standing = item_grid(cells, (rows, columns)), None
    for above, total in levels:
        assert above.shape == (-(-medoid.shape[0] // 2), -(-medoid.shape[1] // 2))
        for row, column in np.ndindex(above.shape):
            block = np.s_[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            children = medoid[block][medoid[block] >= 0]
            assert above[row, column] in (children if len(children) else [-1])
            expected = len(children) if standing is None else standing[block].sum()
            assert total[row, column] == expected
        medoid, standing = above, total
    assert medoid.size == 1
    assert (standing is None) == (rows * columns == 1)
    if standing is not None:
        assert standing[0, 0] == count


def test_many_outweigh_one() -> None:
    cells = np.array([[0, 0], [0, 1], [1, 0], [0, 2]])
    features = np.array([[1.0, 0.0], [1.0, 0.01], [1.0, -0.01], [0.0, 1.0]])
    (medoid, count), (last, total) = pyramid(cells, (2, 4), features)
    assert medoid.tolist() == [[0, 3]]
    assert count.tolist() == [[3, 1]]
    assert last.tolist() == [[0]]
    assert total.tolist() == [[4]]


def test_equally_good_ones_are_decided_by_index() -> None:
    cells = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])
    assert pyramid(cells, (2, 2), np.ones((4, 3)))[0][0].tolist() == [[0]]
    assert pyramid(cells[1:], (2, 2), np.eye(3))[0][0].tolist() == [[0]]
    assert pyramid(cells, (2, 2))[0][0].tolist() == [[0]]


@pytest.mark.parametrize("shape", [(0, 0), (1, 1)])
def test_there_is_nothing_above_a_single_cell(shape) -> None:
    assert pyramid(np.zeros((shape[0], 2), int), shape) == []


def test_bad_cells_are_refused() -> None:
    with pytest.raises(ShapeError, match="on a grid of 2 x 2, got some outside"):
        pyramid(np.array([[0, 2]]), (2, 2))
    with pytest.raises(ShapeError, match="2 items in 1 cells"):
        pyramid(np.array([[0, 1], [0, 1]]), (2, 2))
    with pytest.raises(ShapeError, match="features of 1 items, got 3"):
        pyramid(np.array([[0, 1]]), (2, 2), np.ones((3, 2)))
