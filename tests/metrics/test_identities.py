"""Unit identity and log-odds, by values that a hand can compute."""

import numpy as np
import pytest
from scipy.special import logsumexp

from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError
from fvhooks.metrics import identity, log_odds

NATURAL = np.array([[-1.0, -10.0, 0.0], [1.0, 10.0, 4.0]])  # means 0, 0, 2; deviations 1, 10, 2


def test_units_are_compared_at_the_scale_of_real_images() -> None:
    responses = np.array([[2.0, 10.0, 2.0]])  # scaled: 2, 1, 0; raw, unit 1 would lead
    found = identity(responses, [0], NATURAL)
    assert found.rank.value == 1
    assert found.first.value == 1
    assert found.z.value == pytest.approx((2 - 1) / np.sqrt(2 / 3))
    np.testing.assert_allclose(identity(responses, [1], NATURAL).each, [0], atol=1e-12)
    assert identity(responses, [2], NATURAL).rank.value == 0


def test_a_picture_of_nothing_is_of_any_unit() -> None:
    found = identity(np.tile(NATURAL.mean(0), (3, 1)), [0, 1, 2], NATURAL)
    assert (found.z.value, found.rank.value, found.first.value) == (0, 0.5, 0)


def test_permuted_targets_take_identity_away_and_z_has_its_bound() -> None:
    units = 10
    natural = np.random.default_rng(0).normal(size=(50, units))
    responses = natural.mean(0) + 5 * natural.std(0) * np.eye(units)
    own = identity(responses, np.arange(units), natural)
    np.testing.assert_allclose(own.each, np.sqrt(units - 1))
    assert identity(responses, np.roll(np.arange(units), 1), natural).z.value < 0


def test_log_odds_against_the_definition_without_overflow() -> None:
    logits = np.array([[1000.0, 1.0, 2.0], [3.0, -2.0, 0.5]])
    expected = [1000 - logsumexp([1, 2]), -2 - logsumexp([3, 0.5])]
    np.testing.assert_allclose(log_odds(logits, [0, 1]), expected)
    np.testing.assert_allclose(log_odds(logits + 7, [0, 1]), expected)


@pytest.mark.parametrize("measure", [log_odds, lambda r, t: identity(r, t, NATURAL)])
def test_bad_input_is_named(measure) -> None:
    with pytest.raises(MissingInputError, match=r"There are 3 units; pictures are of the units \[3\]"):
        measure(np.zeros((1, 3)), [3])
    with pytest.raises(ShapeError, match="a target for each picture"):
        measure(np.zeros((2, 3)), [0])
    with pytest.raises(NonFiniteError, match=r"rows \[1\]"):
        measure(np.array([[0.0, 0, 0], [np.nan, 0, 0]]), [0, 0])


def test_real_images_must_have_the_same_units() -> None:
    with pytest.raises(ShapeError, match="3 units to two real images or more"):
        identity(np.zeros((1, 3)), [0], np.zeros((5, 4)))
