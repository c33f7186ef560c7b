"""Neighbours of items, and what a map keeps of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fvhooks.atlases.neighbourhoods import (
    gain,
    kept,
    nearest,
    nearest_among,
    nearest_of_distances,
    query_rows,
)
from fvhooks.errors import NonFiniteError, ShapeError


def _slow(features: np.ndarray, k: int, metric: str) -> np.ndarray:
    """Neighbours one pair at a time, in whole numbers or doubles, by distance and index."""
    found = []
    for i, own in enumerate(features):
        if metric == "euclidean":
            apart = [((own - other) ** 2).sum() for other in features]
        else:
            apart = [1 - own @ other / np.sqrt((own @ own) * (other @ other)) for other in features]
        order = sorted((round(float(d), 9), j) for j, d in enumerate(apart) if j != i)
        found.append([j for _, j in order][:k])
    return np.array(found)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("features", [1, 2, 3, 4, 17])
@pytest.mark.parametrize("block", [None, 1, 7, 1000])
def test_blocks_find_what_pairs_find(features, metric, block) -> None:
    values = np.random.default_rng(features).normal(size=(60, features))
    values[10:20] = values[:10]  # ties
    found = nearest(values, 8, metric=metric, block=block)
    assert np.array_equal(found, _slow(values, 8, metric))


def test_a_grid_has_many_ties_and_they_go_by_index() -> None:
    places = np.stack(np.divmod(np.arange(400), 20), 1).astype(float)
    for scaled in (places, places / 19):
        assert np.array_equal(nearest(scaled, 9, metric="euclidean"), _slow(places, 9, "euclidean"))


@settings(max_examples=40)
@given(st.integers(0, 12), st.integers(1, 14), st.sampled_from(["cosine", "euclidean"]))
def test_fewer_items_than_neighbours_leave_gaps_at_the_end(count, k, metric) -> None:
    found = nearest(np.random.default_rng(count).normal(size=(count, 3)), k, metric=metric)
    assert found.shape == (count, k)
    there = max(0, min(k, count - 1))
    assert (found[:, :there] >= 0).all()
    assert (found[:, there:] == -1).all()
    for i, row in enumerate(found[:, :there]):
        assert len(set(row)) == there
        assert i not in row


def test_only_what_is_asked_for_is_looked_up() -> None:
    values = np.random.default_rng(0).normal(size=(50, 6))
    queries = np.array([40, 3, 3])
    assert np.array_equal(nearest(values, 5, queries=queries), nearest(values, 5)[queries])


@settings(max_examples=25)
@given(st.integers(0, 1000), st.sampled_from([0.25, 1.0, 64.0]))
def test_euclidean_neighbours_stay_when_a_map_is_turned_or_scaled(seed, scale) -> None:
    rng = np.random.default_rng(seed)
    places, angle = rng.normal(size=(40, 2)), rng.uniform(0, 6)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert np.array_equal(
        nearest(scale * places @ turn + 3, 6, metric="euclidean"), nearest(places, 6, metric="euclidean")
    )


def test_cosine_neighbours_do_not_see_length() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 5))
    lengths = 2.0 ** rng.integers(-900, 900, (40, 1))
    assert np.array_equal(nearest(values * lengths, 6), nearest(values, 6))


def test_an_item_of_zeros_is_at_a_right_angle_to_all() -> None:
    values = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 0.1]])
    assert nearest(values, 3)[:2].tolist() == [[1, 2, 3], [3, 0, 2]]


@settings(max_examples=25)
@given(st.integers(2, 40), st.integers(1, 6))
def test_given_distances_are_looked_up_the_same_way(count, k) -> None:
    places = np.random.default_rng(count).integers(0, 5, (count, 2)).astype(float)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert np.array_equal(nearest_of_distances(distances, k), nearest(places, k, metric="euclidean"))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(("known", "asked", "k"), [(30, 12, 5), (3, 4, 5), (0, 2, 1), (4, 0, 1), (1, 1, 1)])
def test_others_are_looked_up_among_items_alone(known, asked, k, metric) -> None:
    values = np.random.default_rng(0).normal(size=(known + asked, 4))
    found = nearest_among(values[:known], values[known:], k, metric=metric)
    assert found.shape == (asked, k)
    for row, own in zip(found, values[known:], strict=True):
        alone = nearest(np.concatenate([values[:known], own[None]]), k, metric=metric)[-1]
        assert np.array_equal(row, alone)


def test_an_item_may_be_its_own_neighbour_among_others() -> None:
    values = np.random.default_rng(0).normal(size=(20, 3))
    assert np.array_equal(nearest_among(values, values, 1)[:, 0], np.arange(20))


def test_the_diagonal_of_distances_is_not_looked_at() -> None:
    distances = np.array([[0.0, 1.0], [1.0, 0.0]]) + 5 * np.eye(2)
    assert nearest_of_distances(distances, 1).tolist() == [[1], [0]]


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 100))
def test_kept_counts_what_two_lists_share(count, k, seed) -> None:
    rng = np.random.default_rng(seed)
    a, b = (nearest(rng.normal(size=(count, 2)), k, metric="euclidean") for _ in range(2))
    slow = [len((set(x) & set(y)) - {-1}) / max(len(set(x) - {-1}), 1) for x, y in zip(a, b, strict=True)]
    if count == 1:
        assert np.isnan(kept(a, b)).all()
    else:
        assert kept(a, b) == pytest.approx(slow)
        assert gain(a, b, count) == pytest.approx(gain(b, a, count))


def test_a_space_keeps_all_its_own_neighbours() -> None:
    found = nearest(np.random.default_rng(0).normal(size=(40, 4)), 7)
    assert (kept(found, found) == 1).all()
    assert gain(found, found, 40) == pytest.approx(1 - 7 / 39)


def test_all_neighbours_are_no_gain() -> None:
    found = nearest(np.random.default_rng(0).normal(size=(10, 4)), 20)
    assert gain(found, found, 10) == 0


def test_an_unrelated_space_keeps_what_chance_keeps() -> None:
    count, k, draws = 200, 10, 40
    rng = np.random.default_rng(0)
    found = np.array(
        [gain(*(nearest(rng.normal(size=(count, 5)), k) for _ in range(2)), count) for _ in range(draws)]
    )
    assert abs(found.mean()) < 3 * found.std(ddof=1) / np.sqrt(draws)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_the_order_of_items_makes_no_difference(seed) -> None:
    rng = np.random.default_rng(seed)
    values, places, order = rng.normal(size=(50, 6)), rng.normal(size=(50, 2)), rng.permutation(50)
    gains = [
        gain(nearest(values[rows], 5), nearest(places[rows], 5, metric="euclidean"), 50)
        for rows in (np.arange(50), order)
    ]
    assert gains[0] == pytest.approx(gains[1], abs=1e-12)


def test_nothing_to_compare_has_no_gain() -> None:
    for count in (0, 1):
        found = nearest(np.zeros((count, 2)), 3)
        assert np.isnan(gain(found, found, count))


def test_many_items_are_sampled_with_a_seed() -> None:
    rows = query_rows(25_000)
    assert len(rows) == 20_000
    assert (np.diff(rows) > 0).all()
    assert np.array_equal(rows, query_rows(25_000))
    assert not np.array_equal(rows, query_rows(25_000, seed=1))
    assert np.array_equal(query_rows(20_000), np.arange(20_000))


def test_bad_input_is_refused() -> None:
    values = np.ones((5, 2))
    values[2, 0] = np.nan
    with pytest.raises(NonFiniteError, match="1 of 5 rows hold NaN or infinity, the first is 2"):
        nearest(values, 1)
    with pytest.raises(NonFiniteError, match="1 of 2 rows"):
        nearest_of_distances(np.array([[0, 1], [np.inf, 0]]), 1)
    with pytest.raises(ShapeError, match="k of 1 or more"):
        nearest(np.ones((5, 2)), 0)
    with pytest.raises(ShapeError, match="got 2 and 3 rows"):
        kept(np.zeros((2, 1), int), np.zeros((3, 1), int))
    with pytest.raises(ShapeError, match="as many neighbours in both"):
        gain(np.zeros((2, 1), int), np.zeros((2, 2), int), 2)
