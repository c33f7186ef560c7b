"""Places of items on a plane, and distances that take in scores."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fvhooks.atlases.layouts import LAYOUTS, shape_into_square
from fvhooks.atlases.mixed import mixed_distances
from fvhooks.atlases.neighbourhoods import gain, nearest
from fvhooks.atlases.projections import classical, cosine_distances, principal
from fvhooks.atlases.radial import radial
from fvhooks.errors import MissingDependencyError, MissingInputError, NonFiniteError, ShapeError


def _features(count: int, size: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, size))


def _distances(places: np.ndarray) -> np.ndarray:
    return np.linalg.norm(places[:, None] - places[None], axis=2)


def test_the_layouts_are_there() -> None:
    assert list(LAYOUTS) == ["pca", "scaled", "umap"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 9, 14, 40])
@pytest.mark.parametrize("name", ["pca", "scaled", "umap"])
@pytest.mark.parametrize("kind", ["random", "equal", "zero"])
def test_any_number_of_items_gets_places(name, count, kind) -> None:
    features = _features(count)
    if kind != "random":
        features[:] = 0.0 if kind == "zero" else 2.0
    places = LAYOUTS[name](features, None, seed=3)
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    if kind == "random" and count > 1:
        assert places.std(0).max() > 0
    assert np.array_equal(places, LAYOUTS[name](features, None, seed=3))


@pytest.mark.parametrize("count", [0, 1, 2, 5, 9, 40])
@pytest.mark.parametrize("name", ["scaled", "umap"])
def test_distances_alone_are_enough(name, count) -> None:
    features = _features(count)
    places = LAYOUTS[name](None, _distances(features), seed=0)
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    assert np.array_equal(places, LAYOUTS[name](_features(count, 2, 9), _distances(features), seed=0))


@pytest.mark.parametrize("name", ["pca", "scaled", "umap"])
def test_a_layout_without_its_input_says_what_it_needs(name) -> None:
    with pytest.raises(MissingInputError, match=f"The layout '{name}' needs"):
        LAYOUTS[name](None, None, seed=0)
    if name == "pca":
        with pytest.raises(MissingInputError, match="of distances alone use 'scaled' or 'umap'"):
            LAYOUTS[name](None, np.zeros((3, 3)), seed=0)


@pytest.mark.parametrize("size", [1, 2, 3, 60])
def test_principal_components_are_those_of_the_covariance(size) -> None:
    features = _features(30, size) * np.linspace(1, 3, size) + 7
    places = principal(features)
    values = np.sort(np.linalg.eigvalsh(np.atleast_2d(np.cov(features.T, bias=True))))[::-1]
    wanted = np.zeros(2)
    wanted[: min(size, 2)] = values[:2]
    assert places.mean(0) == pytest.approx([0, 0], abs=1e-9)
    assert places.var(0) == pytest.approx(wanted, abs=1e-9)
    assert np.cov(places.T)[0, 1] == pytest.approx(0, abs=1e-9)
    far = np.abs(places).argmax(0)
    assert (places[far, [0, 1]] >= 0).all()


def test_classical_scaling_finds_a_plane_again() -> None:
    places = _features(30, 2)
    assert _distances(classical(_distances(places))) == pytest.approx(_distances(places), abs=1e-9)


def test_distances_of_no_space_are_met_without_complaint() -> None:
    distances = np.array([[0, 1, 5.0], [1, 0, 1], [5, 1, 0]])  # the direct way is longer than the detour
    assert np.isfinite(classical(distances)).all()


def test_bad_features_and_distances_are_refused() -> None:
    features = _features(6)
    features[4, 1] = np.nan
    for find in (principal, cosine_distances, classical):
        given = _distances(features) if find is classical else features
        rows = 6 if find is classical else 1
        with pytest.raises(NonFiniteError, match=f"{rows} of 6 rows hold NaN"):
            find(given)
    with pytest.raises(ShapeError, match=r"Expected distances \(item, item\), got shape \(2, 3\)"):
        classical(np.zeros((2, 3)))


@pytest.mark.parametrize("name", ["pca", "scaled", "umap"])
def test_a_layout_refuses_features_that_are_no_numbers(name) -> None:
    features = _features(20)
    features[4, 1] = np.nan
    with pytest.raises(NonFiniteError, match="Features must be finite; 1 of 20 rows hold NaN"):
        LAYOUTS[name](features, None, seed=0)


def test_umap_keeps_more_neighbours_than_principal_components() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(8, 12))[np.arange(240) % 8] + 0.3 * rng.normal(size=(240, 12))
    near = nearest(features, 10)
    gains = {
        name: gain(near, nearest(LAYOUTS[name](features, None, seed=0), 10, metric="euclidean"), 240)
        for name in ("pca", "umap")
    }
    assert gains["umap"] > gains["pca"] > 0


def test_another_seed_is_another_umap() -> None:
    features = _features(30)
    first, second = (LAYOUTS["umap"](features, None, seed=seed) for seed in (0, 1))
    assert not np.allclose(first, second)


def test_umap_that_is_missing_is_named_with_its_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingDependencyError, match=r"The layout 'umap' needs 'umap'.*fvhooks\[maps\]"):
        LAYOUTS["umap"](_features(20), None, seed=0)


@settings(max_examples=40)
@given(st.integers(0, 30), st.integers(0, 100))
def test_a_layout_fills_the_square(count, seed) -> None:
    square = shape_into_square(_features(count, 2, seed) * [3, 1e6] - 4)
    assert square.shape == (count, 2)
    if count > 1:
        assert square.min(0).tolist() == [0, 0]
        assert square.max(0).tolist() == [1, 1]


def test_equal_places_are_in_the_middle_of_the_square() -> None:
    assert shape_into_square(np.full((3, 2), 7.0)).tolist() == [[0.5, 0.5]] * 3


@settings(max_examples=60)
@given(st.integers(1, 20), st.floats(0, 1), st.integers(0, 100))
def test_mixed_distances_are_distances(count, weight, seed) -> None:
    rng = np.random.default_rng(seed)
    mixed = mixed_distances(rng.normal(size=(count, 4)), rng.normal(size=count), weight)
    assert np.array_equal(mixed, mixed.T)
    assert not mixed.diagonal().any()
    assert mixed.min() >= 0
    assert mixed.max() <= 1 + 1e-12


def test_mixed_distances_reduce_to_their_parts() -> None:
    features, scores = _features(12), np.random.default_rng(1).normal(size=12)
    apart = cosine_distances(features)
    assert np.array_equal(mixed_distances(features, scores, 0), apart / apart.max())
    scaled = (scores - scores.min()) / np.ptp(scores)
    assert mixed_distances(features, scores, 1) == pytest.approx(np.abs(scaled[:, None] - scaled))
    half = (apart / apart.max() + np.abs(scaled[:, None] - scaled)) / 2
    assert mixed_distances(features, scores, 0.5) == pytest.approx(half)


def test_mixed_distances_of_equal_things_are_zero() -> None:
    assert not mixed_distances(np.ones((3, 2)), np.full(3, 5.0)).any()


def test_mixed_distances_refuse_bad_input() -> None:
    with pytest.raises(ShapeError, match=r"weight in \[0, 1\].*got 1.5"):
        mixed_distances(np.ones((3, 2)), np.zeros(3), 1.5)
    with pytest.raises(ShapeError, match="a score for each of 3 items"):
        mixed_distances(np.ones((3, 2)), np.zeros(2))
    with pytest.raises(NonFiniteError, match="1 of 3 are NaN or infinite"):
        mixed_distances(np.ones((3, 2)), np.array([0, np.nan, 1]))


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(0, 100))
def test_the_order_of_scores_is_the_order_of_radii(count, seed) -> None:
    rng = np.random.default_rng(seed)
    points, scores = rng.normal(size=(count, 2)), rng.integers(0, 20, count).astype(float)
    disc = radial(points, scores)
    radius = np.linalg.norm(disc, axis=1)
    order = np.argsort(-scores, kind="stable")
    assert radius[order] == pytest.approx(np.sqrt(np.arange(count) / count))
    away = points - points.mean(0)
    assert (disc * away).sum(1) == pytest.approx(radius * np.linalg.norm(away, axis=1))


def test_a_disc_refuses_items_without_a_score() -> None:
    assert radial(np.zeros((0, 2)), np.zeros(0)).shape == (0, 2)
    with pytest.raises(NonFiniteError, match="leave items without a score out"):
        radial(np.zeros((2, 2)), np.array([1, np.nan]))
    with pytest.raises(ShapeError, match="a score for each of 2 points, got 3"):
        radial(np.zeros((2, 2)), np.zeros(3))
