"""Departures from real images and their limit."""

import numpy as np
import pytest

from fvhooks.errors import MissingInputError
from fvhooks.reliability.departures import Band, departure_limit


def test_each_side_of_a_lopsided_range_has_its_own_width() -> None:
    band = Band(np.array([0.0]), np.array([1.0]), np.array([5.0]))
    assert band.departure(np.array([[0.0], [5.0], [-1.0], [9.0]])).tolist() == [1.0, 1.0, 2.0, 2.0]


def test_unrelated_numbers_count_by_their_mean_square() -> None:
    band = Band(np.zeros(2), np.ones(2), np.full(2, 2.0))
    assert band.departure(np.array([1.0, 4.0])) == pytest.approx(3 / np.sqrt(2))
    assert band.departures(np.array([-1.0, 4.0])).tolist() == [2.0, 3.0]


def test_numbers_that_go_together_as_in_no_real_image_depart() -> None:
    """Each number lies in its own range; slow NumPy says how far they are out together."""
    shared, own = (np.random.default_rng(seed).normal(size=(400, size)) for seed, size in ((0, 1), (1, 2)))
    values = shared + 0.2 * own
    band = Band.fit(values)
    usual, unusual = band.departure(np.array([[1.0, 1.0], [1.0, -1.0]]))
    assert (band.departures(np.array([1.0, -1.0])) < 1).all()
    assert unusual > 1.3 * usual
    off = np.array([band.departures(row) for row in values]) * np.sign(values - band.middle)
    correlation = 0.5 * (off[:, 0] @ off[:, 1]) / np.sqrt((off[:, 0] ** 2).sum() * (off[:, 1] ** 2).sum())
    precision = np.linalg.inv(np.array([[1.0, correlation], [correlation, 1.0]]))
    slow = [np.sqrt(row @ precision @ row / 2) for row in off]
    assert band.departure(values) == pytest.approx(slow)


def test_a_number_without_spread_tells_equal_from_other() -> None:
    band = Band.fit(np.zeros((20, 1)))
    assert band.departure(np.array([[0.0], [1e-9]])).tolist() == [0.0, np.inf]


def test_fresh_images_pass_the_limit_as_rarely_as_it_says() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(60):
        values = rng.gamma(2, size=(40, 6))
        fresh = Band.fit(values).departure(rng.gamma(2, size=(200, 6)))
        shares.append((fresh > departure_limit(values)).mean())
    assert 0.01 < np.mean(shares) < 0.08


@pytest.mark.parametrize(("count", "held"), [(12, False), (100, True)])
def test_one_stray_image_sets_the_limit_only_among_few(count: int, held: bool) -> None:
    """Among few the highest stands for the 95 %; erring that way costs power, never a false alarm."""
    values = np.random.default_rng(0).normal(size=(count, 2))
    values[3] = 1e6
    assert (departure_limit(values) < 5) == held


def test_too_few_images_are_no_limit() -> None:
    with pytest.raises(MissingInputError, match="needs 10 real images to be set with, there are 9"):
        departure_limit(np.zeros((9, 1)))
