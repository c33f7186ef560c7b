"""Recovery, specificity, transfer and agreement of pictures of groups of images."""

import numpy as np
import pytest
from scipy import stats

from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError
from fvhooks.metrics import agreement, recovery, specificity, transfer

GROUPS = np.repeat(np.arange(4), 6)


@pytest.fixture
def planted() -> tuple[np.ndarray, np.ndarray]:
    """Images of four groups in twelve channels on top of a strong common answer, and the groups' targets."""
    rng = np.random.default_rng(0)
    targets = 10.0 + np.repeat(np.eye(4), 3, 1)
    return targets[GROUPS] + 0.1 * rng.normal(size=(24, 12)), targets


def test_recovery_against_the_definitions(planted) -> None:
    rng = np.random.default_rng(1)
    images, targets = planted
    pictures, mean, deviation = images + rng.normal(size=images.shape), images.mean(0), images.std(0)
    channels = np.array([[0, 1], [3, 5], [7, 8], [9, 11]])
    found = recovery(pictures, targets, GROUPS, channels=channels, mean=mean, deviation=deviation)
    rows = {"cosine": [], "distance": [], "gain": [], "overlap": []}
    for picture, group in zip(pictures, GROUPS, strict=True):
        a, t, chosen = (picture - mean) / deviation, (targets[group] - mean) / deviation, channels[group]
        rows["cosine"].append(a @ t / np.sqrt((a @ a) * (t @ t)))
        rows["distance"].append(np.sqrt(((a - t) ** 2).sum() / (t @ t)))
        rows["gain"].append(a[chosen] @ t[chosen] / (t[chosen] @ t[chosen]))
        top = set(np.argsort(-a)[:2].tolist())
        rows["overlap"].append(len(top & set(chosen.tolist())) / len(top | set(chosen.tolist())))
    for name, values in rows.items():
        interval = getattr(found, name)
        assert interval.value == pytest.approx(np.mean(values))
        assert interval.low < interval.value < interval.high
    assert found.count == 24


def test_without_what_is_usual_everything_looks_recovered(planted) -> None:
    """Why the mean over real images has to be given: the same picture for all groups passes without it."""
    images, targets = planted
    nothing = np.repeat(images.mean(0)[None], 24, 0) + 1e-3 * np.random.default_rng(2).normal(size=(24, 12))
    channels = np.arange(12).reshape(4, 3)
    naive = recovery(nothing, targets, GROUPS, channels=channels)
    fair = recovery(nothing, targets, GROUPS, channels=channels, mean=images.mean(0))
    assert naive.cosine.value > 0.99
    assert abs(fair.cosine.value) < 0.3
    assert fair.distance.value == pytest.approx(1, abs=0.05)


def test_pictures_of_their_own_group_win_and_of_one_group_do_not(planted) -> None:
    images, targets = planted
    own = specificity(images, targets, GROUPS)
    assert own.retrieved.value == 1
    assert own.margin.low > 1
    np.testing.assert_array_equal(own.matrix.argmax(1), np.arange(4))
    one = specificity(np.repeat(images[:6], 4, 0), targets, GROUPS)
    assert one.retrieved.value == 0.25
    assert one.retrieved.high > 0.5  # whole groups are drawn: four are few
    moved = specificity(images, targets, (GROUPS + 1) % 4)
    assert moved.retrieved.value == 0
    assert moved.margin.high < 0


def test_groups_count_alike_and_one_without_pictures_is_unknown(planted) -> None:
    images, targets = planted
    rows = [0, 1, 2, 3, 4, 5, 6]  # six of the first group, one of the second
    wrong = images[rows].copy()
    wrong[6] = images[23]
    found = specificity(wrong, targets, GROUPS[rows])
    assert found.retrieved.value == 0.5
    assert np.isnan(found.matrix[2:]).all()
    assert np.isfinite(found.matrix[:2]).all()


def test_transfer_stands_beside_images_that_stand_for_no_group(planted) -> None:
    images, targets = planted
    members = [np.array([6 * group, 6 * group + 1]) for group in range(4)]
    half = 0.5 * (targets - targets.mean(0)) + targets.mean(0)
    rng = np.random.default_rng(3)
    found = transfer(
        half + 0.3 * rng.normal(size=half.shape), np.arange(4), images, members=members, image_groups=GROUPS
    )
    assert found.real.count == 16
    assert found.pictures.count == 4
    assert 0 < found.kept < 1
    noise = rng.normal(size=images.shape)
    blind = transfer(noise[:4], np.arange(4), noise, members=members, image_groups=GROUPS)
    assert np.isnan(blind.kept)  # a network that tells no real images apart says nothing of pictures


def test_agreement_is_a_rank_correlation_with_every_image(planted) -> None:
    images, _ = planted
    rng = np.random.default_rng(4)
    responses = rng.normal(size=(2, 24))
    found = agreement(images[:2], images, responses, [0, 1])
    scaled = (images - images.mean(0)) / images.std(0)
    cosines = scaled[:2] @ scaled.T / np.linalg.norm(scaled, axis=1)
    wanted = [stats.spearmanr(cosines[row], responses[row]).statistic for row in range(2)]
    assert found.value == pytest.approx(np.mean(wanted), abs=1e-6)


def test_what_does_not_fit_is_refused(planted) -> None:
    images, targets = planted
    with pytest.raises(ShapeError, match=r"of the same layer, got \(24, 12\) and \(4, 11\)"):
        specificity(images, targets[:, :-1], GROUPS)
    with pytest.raises(MissingInputError, match=r"pictures are of the groups \[4\]"):
        specificity(images, targets, GROUPS + 1)
    with pytest.raises(MissingInputError, match="two groups or more, got one"):
        specificity(images[:6], targets[:1], GROUPS[:6])
    with pytest.raises(ShapeError, match="a group for each of 24 pictures"):
        specificity(images, targets, GROUPS[:3])
    with pytest.raises(ShapeError, match="Expected mean of 12 channels"):
        specificity(images, targets, GROUPS, mean=np.zeros(3))
    with pytest.raises(ShapeError, match="Expected channels .group, top. of 4 groups"):
        recovery(images, targets, GROUPS, channels=np.zeros((3, 2), int))
    with pytest.raises(NonFiniteError, match=r"rows \[3\]"):
        specificity(np.where(np.arange(24)[:, None] == 3, np.nan, images), targets, GROUPS)
    everyone = [np.flatnonzero(group == GROUPS) for group in range(4)]
    with pytest.raises(MissingInputError, match="Every image of the set stands for a group"):
        transfer(images, GROUPS, images, members=everyone, image_groups=GROUPS)
    with pytest.raises(MissingInputError, match="Ranks need three images"):
        agreement(images, images[:2], np.zeros((4, 2)), GROUPS)
    with pytest.raises(ShapeError, match="Expected responses .group, 24 images."):
        agreement(images, images, np.zeros((4, 2)), GROUPS)
