"""The Fréchet distance and the bias of its parts."""

from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

import fvhooks as fv
from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError
from fvhooks.metrics.frechet import frechet_distance, frechet_terms

RNG = np.random.default_rng


def by_scipy(ours: np.ndarray, theirs: np.ndarray) -> float:
    first, second = np.cov(ours.T), np.cov(theirs.T)
    gap = ours.mean(0) - theirs.mean(0)
    return float(gap @ gap + np.trace(first + second - 2 * linalg.sqrtm(first @ second).real))


@pytest.mark.parametrize(("count", "features"), [(50, 6), (200, 6)])
def test_total_equals_the_matrix_square_root(count: int, features: int) -> None:
    rng = RNG(0)
    ours = rng.normal(size=(count, features)) @ rng.normal(size=(features, features)) + 1
    theirs = rng.normal(size=(90, features))
    assert frechet_terms(ours, theirs).total == pytest.approx(by_scipy(ours, theirs), rel=1e-9)


def test_fewer_images_than_features_is_exact_where_sqrtm_is_not() -> None:
    """Two images a side span a line each: the term has a closed form there."""
    ours = np.array([[0.0, 0, 0], [2.0, 0, 0]])  # Σ₁ = 2 e₁e₁ᵀ
    theirs = np.array([[0.0, 0, 0], [3.0, 4.0, 0]])  # Σ₂ = 12.5 uuᵀ, u = (.6, .8, 0)
    assert frechet_terms(ours, theirs).covariance == pytest.approx(2 + 12.5 - 2 * 5 * 0.6, rel=1e-12)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_distance_to_itself_moved_is_the_squared_move(seed: int) -> None:
    rows = RNG(seed).normal(size=(12, 5))
    terms = frechet_terms(rows + 3, rows)
    assert terms.mean == pytest.approx(45)
    assert terms.covariance == pytest.approx(0, abs=1e-9)


def test_debiased_mean_term_is_zero_on_average_where_the_plain_one_is_not() -> None:
    rng = RNG(1)
    terms = [frechet_terms(rng.normal(size=(4, 8)), rng.normal(size=(40, 8))) for _ in range(800)]
    error = np.std([t.debiased_mean for t in terms]) / np.sqrt(800)
    assert abs(np.mean([t.debiased_mean for t in terms])) < 4 * error
    assert np.mean([t.mean for t in terms]) == pytest.approx(8 / 4 + 8 / 40, rel=0.1)


def test_pooled_debiasing_takes_the_variance_within_classes() -> None:
    """With fixed classes the distance between them is no sampling variance."""
    rng = RNG(2)
    centres = 10 * rng.normal(size=(5, 8))
    labels, many = np.repeat(np.arange(5), 4), np.repeat(np.arange(5), 40)
    values = [
        frechet_distance(
            centres[labels] + rng.normal(size=(20, 8)), centres[many] + rng.normal(size=(200, 8)),
            labels=labels, reference_labels=many, pooled=True, draws=1,
        ).debiased_mean.value
        for _ in range(300)
    ]  # fmt: skip
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(300)


def test_classes_apart_see_what_pooling_hides() -> None:
    """Pictures of the wrong classes have the right pooled features."""
    rng = RNG(3)
    centres = 5 * rng.normal(size=(3, 4))
    labels = np.repeat(np.arange(3), 30)
    rows, real = centres[labels] + rng.normal(size=(90, 4)), centres[labels] + rng.normal(size=(90, 4))
    wrong = (labels + 1) % 3
    apart = frechet_distance(rows, real, labels=wrong, reference_labels=labels, draws=20)
    pooled = frechet_distance(rows, real, labels=wrong, reference_labels=labels, pooled=True, draws=20)
    assert apart.debiased_mean.low > 10
    assert pooled.debiased_mean.value < 1


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = RNG(4)
    inside = []
    for _ in range(60):
        distance = frechet_distance(rng.normal(size=(20, 6)) + 0.5, rng.normal(size=(60, 6)), draws=60)
        inside.append(6 * 0.25 in distance.debiased_mean)
    assert 0.85 <= np.mean(inside) <= 1.0


def test_counts_are_those_of_the_smallest_class() -> None:
    rows = RNG(5).normal(size=(7, 2))
    distance = frechet_distance(
        rows, rows, labels=[0] * 4 + [1] * 3, reference_labels=[0, 0, 1, 1, 1, 1, 2], draws=2
    )
    assert (distance.count, distance.reference_count) == (3, 2)


def test_one_picture_is_refused() -> None:
    with pytest.raises(ShapeError, match="at least two images, got \\(1, 3\\)"):
        frechet_terms(np.zeros((1, 3)), np.zeros((5, 3)))


def test_a_class_of_one_picture_is_named() -> None:
    with pytest.raises(ShapeError, match="Class 1 needs two pictures and two real images, got 1 and 2"):
        frechet_distance(np.zeros((3, 2)), np.zeros((4, 2)), labels=[0, 0, 1], reference_labels=[0, 0, 1, 1])


def test_labels_of_one_side_only_are_refused() -> None:
    with pytest.raises(MissingInputError, match="reference_labels="):
        frechet_distance(np.zeros((3, 2)), np.zeros((4, 2)), labels=[0, 0, 0])


def test_features_of_other_layers_are_refused() -> None:
    with pytest.raises(ShapeError, match="got 2 and 3"):
        frechet_distance(np.zeros((3, 2)), np.zeros((4, 3)))


def test_labels_of_other_length_are_refused() -> None:
    with pytest.raises(ShapeError, match="Expected labels with one value for each of 3"):
        frechet_distance(np.zeros((3, 2)), np.zeros((4, 2)), labels=[0], reference_labels=[0] * 4)


def test_nan_features_name_their_rows() -> None:
    rows = np.zeros((3, 2))
    rows[1, 0] = np.nan
    with pytest.raises(NonFiniteError, match=r"rows \[1\] of 3"):
        frechet_terms(rows, np.zeros((4, 2)))


@pytest.mark.real
def test_fresh_real_images_are_at_distance_zero(shared: ModuleType) -> None:
    """The plain distance of few real images from others is far from 0, and the debiased mean term is not."""
    model, mean, std = shared.load("cifar10_resnet56")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    images, labels = shared.cifar10("test")
    with torch.no_grad():
        read = [hooked.read(batch, ["layer3"])["layer3"].mean((2, 3)) for batch in torch.split(images, 100)]
    rows, labels = torch.cat(read).numpy(), labels.numpy()
    found = []
    for seed in range(12):
        order = RNG(seed).permutation(len(rows))
        few = np.concatenate([order[labels[order] == label][:4] for label in range(10)])
        rest = np.setdiff1d(order, few)
        given = {"labels": labels[few], "reference_labels": labels[rest], "draws": 0}
        found.append(frechet_distance(rows[few], rows[rest], **given))
    debiased = [distance.debiased_mean.value for distance in found]
    assert abs(np.mean(debiased)) < 4 * np.std(debiased) / np.sqrt(len(debiased))
    assert min(distance.total.value for distance in found) > 4
