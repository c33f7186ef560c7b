"""Whether a map tells more than labels, on items that it has not seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fvhooks.atlases.layouts import LAYOUTS
from fvhooks.atlases.predictions import area_under_curve, map_prediction
from fvhooks.errors import MissingInputError, NonFiniteError, NotRegisteredError, ShapeError


def _classes(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Items in five blobs of a plane, which a random matrix turns into twelve features."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 5
    centres = np.array([[9, 0], [0, 9], [-9, 0], [0, -9], [9, 9]])
    return centres[label] + rng.normal(size=(count, 2)), label


def _features(places: np.ndarray) -> np.ndarray:
    """On a sphere, so that angles tell what distances do."""
    rng = np.random.default_rng(9)
    return np.column_stack([places, np.full(len(places), 12.0)]) @ rng.normal(size=(3, 12))


def _values(data, name: str) -> list[float]:
    return data[name].sel(bound="value").values.tolist()


@settings(max_examples=60)
@given(st.integers(2, 40), st.integers(0, 1000))
def test_the_area_is_that_of_ranks(count, seed) -> None:
    rng = np.random.default_rng(seed)
    target, prediction = rng.random(count) < 0.4, rng.integers(0, 6, count) / 5
    if target.all() or not target.any():
        assert np.isnan(area_under_curve(target, prediction))
        return
    expected = stats.mannwhitneyu(prediction[target], prediction[~target]).statistic
    assert area_under_curve(target, prediction) == pytest.approx(expected / (target.sum() * (~target).sum()))


@settings(max_examples=40)
@given(st.integers(2, 30), st.integers(0, 1000))
def test_weights_are_copies_and_groups_are_compared_within(count, seed) -> None:
    rng = np.random.default_rng(seed)
    target, prediction = rng.random(count) < 0.5, rng.integers(0, 4, count)
    times, groups = rng.integers(0, 3, count), rng.integers(0, 3, count)
    copied = [np.repeat(part, times) for part in (target, prediction, groups)]
    pairs = [
        float(prediction[i] > prediction[j]) + 0.5 * float(prediction[i] == prediction[j])
        for i in np.repeat(np.arange(count), times)
        for j in np.repeat(np.arange(count), times)
        if target[i] and not target[j] and groups[i] == groups[j]
    ]
    expected = pytest.approx(np.mean(pairs)) if pairs else pytest.approx(np.nan, nan_ok=True)
    assert area_under_curve(target, prediction, times.astype(float), groups) == expected
    assert area_under_curve(copied[0], copied[1], groups=copied[2]) == expected


def test_where_a_score_depends_on_the_place_within_a_class_the_map_beats_the_label() -> None:
    places, label = _classes(800)
    score = (
        places[:, 1] - 9 * (label == 1) + 20 * (label == 0) - 9 * (label == 4)
    )  # the upper part of class 0
    found = map_prediction(_features(places), score, label, layout="pca")
    versus_label = found["difference"].sel(versus="label").values
    assert versus_label[1] > 0
    auc = dict(zip(found["predictor"].values.tolist(), _values(found, "auc"), strict=True))
    assert auc["map"] > auc["label"] > 0.8
    within = dict(zip(found["predictor"].values.tolist(), _values(found, "within"), strict=True))
    assert within["label"] == 0.5
    assert within["map"] > 0.8


def test_where_a_score_depends_on_the_class_alone_the_map_is_no_better_than_the_label() -> None:
    places, label = _classes(800)
    rng = np.random.default_rng(1)
    score = (rng.random(800) < np.where(label == 2, 0.5, 0.02)) + 0.01 * rng.random(800)
    found = map_prediction(_features(places), score, label, layout="pca")
    assert found["difference"].sel(versus="label").values[1] <= 0
    low, high = found["within"].sel(predictor="map").values[1:]
    assert low <= 0.5 <= high


def test_where_a_score_is_chance_nothing_tells_it() -> None:
    places, label = _classes(600)
    found = map_prediction(_features(places), np.random.default_rng(2).normal(size=600), label, layout="pca")
    for low, high in found["auc"].values[:, 1:]:
        assert low <= 0.5 <= high


def test_the_interval_of_a_label_covers_its_true_area() -> None:
    """Two labels, of which 6 of 7 that activate have the first, and a tenth of all activates."""
    rates = np.array([0.3, 0.05]) * 0.1 / 0.175
    hits, others = rates / rates.sum(), (1 - rates) / (1 - rates).sum()
    truth = hits[0] * others[1] + 0.5 * (hits * others).sum()
    rng, trials = np.random.default_rng(0), 30
    held = 0
    for trial in range(trials):
        label = np.arange(400) % 2
        score = (rng.random(400) < np.array([0.3, 0.05])[label]) + 0.1 * rng.random(400)
        found = map_prediction(rng.normal(size=(400, 3)), score, label, layout="pca", seed=trial)
        _, low, high = found["auc"].sel(predictor="label").values
        held += low <= truth <= high
    assert held >= 26  # of 30 at 95 % fewer would be rarer than 1 in 20


def test_halves_layout_and_resamples_follow_the_seed() -> None:
    places, label = _classes(100)
    features, score = _features(places), places[:, 0]
    first, same, other = (map_prediction(features, score, label, layout="pca", seed=s) for s in (0, 0, 1))
    assert first.identical(same)
    assert not first.identical(other)


def test_the_result_says_what_it_is_of() -> None:
    places, label = _classes(200)
    found = map_prediction(_features(places), np.arange(200.0), label, layout="scaled", k=7)
    assert found["auc"].dims == found["within"].dims == ("predictor", "bound")
    assert found["difference"].dims == ("versus", "bound")
    assert {name: found.attrs[name] for name in ("items", "layout", "k", "seed")} == {
        "items": 200,
        "layout": "scaled",
        "k": 7,
        "seed": 0,
    }
    assert abs(found.attrs["positives"] - 20) <= 8
    assert len(found.attrs["threshold"]) == 2


def test_only_the_order_of_scores_counts() -> None:
    places, label = _classes(200)
    features, score = _features(places), places[:, 0]
    plain, other = (map_prediction(features, s, label, layout="pca") for s in (score, np.exp(score)))
    assert plain.drop_attrs().identical(other.drop_attrs())


def test_the_map_is_umap_of_one_half_and_its_features_alone(monkeypatch) -> None:
    places, label = _classes(61)
    features, asked = _features(places), []

    def fake(own, distances, *, seed):
        asked.append((own, distances, seed))
        return own[:, :2]

    assert "umap" in LAYOUTS
    monkeypatch.setitem(LAYOUTS._entries, "umap", fake)
    found = map_prediction(features, places[:, 0], label, seed=4)
    assert found.attrs["layout"] == "umap"
    assert [(distances, seed) for _, distances, seed in asked] == [(None, 4)] * 2
    assert sorted(len(own) for own, _, _ in asked) == [30, 31]
    both = np.concatenate([own for own, _, _ in asked])
    assert np.array_equal(np.sort(both, axis=0), np.sort(features, axis=0))


def test_a_unit_that_never_fires_has_no_area() -> None:
    places, label = _classes(60)
    found = map_prediction(_features(places), np.zeros(60), label, layout="pca")
    assert found.attrs["positives"] == 0
    assert np.isnan(found["auc"].values).all()


def test_labels_may_be_text_and_unseen_ones_say_nothing() -> None:
    places, _ = _classes(60)
    names = np.array([f"only {i}" for i in range(60)])
    found = map_prediction(_features(places), places[:, 0], names, layout="pca", k=100)
    assert _values(found, "auc")[1] == 0.5
    assert np.isnan(found["within"].values).all()


def test_bad_input_is_refused() -> None:
    with pytest.raises(MissingInputError, match="need 20 items in all, got 19"):
        map_prediction(np.ones((19, 2)), np.zeros(19), np.zeros(19))
    with pytest.raises(ShapeError, match="a score and a label for each of 30 items"):
        map_prediction(np.ones((30, 2)), np.zeros(30), np.zeros(29))
    with pytest.raises(ShapeError, match="k of 1 or more"):
        map_prediction(np.ones((30, 2)), np.zeros(30), np.zeros(30), k=0)
    with pytest.raises(NonFiniteError, match="leave items without them out"):
        map_prediction(np.ones((30, 2)), np.full(30, np.nan), np.zeros(30))
    with pytest.raises(NotRegisteredError, match="No layout is registered as 'pac'"):
        map_prediction(np.ones((30, 2)), np.arange(30.0), np.zeros(30), layout="pac")
