"""Path similarity against slow definitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError
from fvhooks.metrics.paths import coordinates, path_curve, spearman, standardized_ranks


def activations(
    seed: int, images: int = 8, classes: int = 3, size: int = 60
) -> tuple[np.ndarray, np.ndarray]:
    """Rectified activations with many ties at 0, alike within a class."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), images)
    rows = rng.normal(size=(classes, size))[labels] + rng.normal(size=(len(labels), size))
    return np.maximum(rows, 0).astype(np.float32), labels


@given(arrays(np.float32, (4, 15), elements=st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.5, -1.0])))
@settings(max_examples=40, deadline=None)
def test_spearman_equals_scipy_with_ties(rows: np.ndarray) -> None:
    ours = spearman(rows, rows)
    for i, j in itertools.combinations(range(4), 2):
        if np.ptp(rows[i]) and np.ptp(rows[j]):
            assert ours[i, j] == pytest.approx(stats.spearmanr(rows[i], rows[j]).statistic, abs=1e-5)
        else:
            assert ours[i, j] == 0


def test_order_ranks_would_differ() -> None:
    """The reason for average ranks: rectified activations are mostly ties."""
    rows, _ = activations(0)
    order = np.argsort(np.argsort(rows[:2], axis=1, kind="stable"), axis=1)
    assert abs(np.corrcoef(order)[0, 1] - spearman(rows[:1], rows[1:2])[0, 0]) > 0.005


def test_curve_equals_loops() -> None:
    rows, labels = activations(1)
    pictures, painted = activations(2, images=2)
    curve = path_curve(
        standardized_ranks(rows), standardized_ranks(pictures), labels=labels, picture_labels=painted, draws=5
    )
    own, other, same, different = [], [], [], []
    for a, b in itertools.permutations(range(len(rows)), 2):
        (same if labels[a] == labels[b] else different).append(stats.spearmanr(rows[a], rows[b]).statistic)
    for v, x in itertools.product(range(len(pictures)), range(len(rows))):
        (own if painted[v] == labels[x] else other).append(stats.spearmanr(pictures[v], rows[x]).statistic)
    means = [np.mean(part) for part in (same, different, own, other)]
    found = [part.value for part in (curve.same, curve.different, curve.own, curve.other)]
    assert found == pytest.approx(means, abs=1e-5)
    gap = means[0] - means[1]
    assert curve.normalized.value == pytest.approx((means[2] - means[1]) / gap, abs=1e-4)
    assert curve.contrast.value == pytest.approx((means[2] - means[3]) / gap, abs=1e-4)


def test_fresh_images_of_the_same_class_give_one() -> None:
    rows, labels = activations(3, images=60)
    half = np.arange(len(rows)) % 2 == 0
    ranks = standardized_ranks(rows)
    curve = path_curve(ranks[half], ranks[~half], labels=labels[half], picture_labels=labels[~half])
    assert 1.0 in curve.normalized
    assert 1.0 in curve.contrast
    assert curve.contrast.high - curve.contrast.low < 0.6


def test_images_of_other_classes_give_a_raw_zero_and_no_contrast() -> None:
    rows, labels = activations(4, images=60, classes=4)
    half = np.arange(len(rows)) % 2 == 0
    ranks = standardized_ranks(rows)
    curve = path_curve(
        ranks[half], ranks[~half], labels=labels[half], picture_labels=(labels[~half] + 1) % 4, draws=100
    )
    assert 0.0 in curve.normalized
    assert curve.contrast.high < 0


def test_a_picture_of_everything_passes_the_raw_curve_only() -> None:
    rows, labels = activations(5, images=40)
    everything = np.repeat(rows.mean(0, keepdims=True), 3, axis=0)
    curve = path_curve(
        standardized_ranks(rows),
        standardized_ranks(everything),
        labels=labels,
        picture_labels=[0, 1, 2],
        draws=100,
    )
    assert curve.normalized.low > 0.5
    assert abs(curve.contrast.value) < 0.5


def test_curve_is_flagged_where_real_images_do_not_separate() -> None:
    rng = np.random.default_rng(6)
    ranks = standardized_ranks(rng.normal(size=(24, 50)))
    curve = path_curve(ranks, ranks[:3], labels=np.arange(24) % 3, picture_labels=[0, 1, 2])
    assert not curve.separates
    assert np.isnan(curve.contrast.value)
    assert np.isfinite(curve.own.value)


def test_resampling_never_pairs_an_image_with_itself() -> None:
    """Two images a class: many resamples hold one image twice, whose correlation with itself is 1."""
    rows, labels = activations(7, images=2)
    ranks = standardized_ranks(rows)
    curve = path_curve(ranks, ranks, labels=labels, picture_labels=labels, draws=300)
    pairs = [float(ranks[2 * c] @ ranks[2 * c + 1]) for c in range(3)]
    assert curve.same.high <= max(pairs) + 1e-6


def test_coordinates_are_a_fixed_choice() -> None:
    chosen = coordinates(1000, 50)
    assert len(set(chosen.tolist())) == 50
    assert (chosen == coordinates(1000, 50)).all()
    assert (np.diff(chosen) > 0).all()


def test_nan_activations_name_their_rows() -> None:
    with pytest.raises(NonFiniteError, match=r"rows \[1\] of 2"):
        standardized_ranks(np.array([[0.0, 1.0], [np.nan, 1.0]]))


def test_vectors_of_other_lengths_are_refused() -> None:
    with pytest.raises(ShapeError, match="got 2 and 3 values"):
        spearman(np.zeros((1, 2)), np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("labels", "painted", "message"),
    [([0] * 4, [0], "two classes"), ([0, 0, 0, 1], [0], r"alone: \[1\]"), ([0, 0, 1, 1], [2], r"\['2'\]")],
)
def test_missing_classes_are_named(labels: list[int], painted: list[int], message: str) -> None:
    ranks = standardized_ranks(np.random.default_rng(8).normal(size=(4, 9)))
    with pytest.raises(MissingInputError, match=message):
        path_curve(ranks, ranks[:1], labels=labels, picture_labels=painted)


def test_float32_is_ranked_as_float64_is() -> None:
    rng = np.random.default_rng(11)
    rows = np.concatenate(
        [rng.normal(size=(3, 70)).round(1), np.array([[-0.0, 0.0, 1e-40, -1e-40, -3.0] * 14])]
    )
    narrow = rows.astype(np.float32)
    assert standardized_ranks(narrow) == pytest.approx(
        standardized_ranks(narrow.astype(np.float64)), abs=1e-6
    )
