"""Agreement of raters, against a published example and the definition."""

import math

import numpy as np
import pytest

from fvhooks.errors import ShapeError
from fvhooks.surveys.raters import rater_agreement


def pairs(first: str, second: str) -> tuple[list[str], list[str]]:
    items = [str(place) for place in range(len(first))]
    return [*items, *items], [*first, *second]


def test_two_raters_and_two_values_by_hand() -> None:
    # 10 items, 4 disagreements; 20 values, 14 of 0 and 6 of 1: 1 − (8 / 20) / (2 · 14 · 6 / (20 · 19))
    found = rater_agreement(*pairs("0100000010", "1110010000"))
    assert found == pytest.approx(1 - 0.4 / (2 * 14 * 6 / 380))


def test_numbers_that_are_near_agree_more() -> None:
    items, near = pairs("12345", "23455")
    _, far = pairs("12345", "54321")
    numbers = [[float(value) for value in values] for values in (near, far)]
    assert rater_agreement(items, numbers[0], numeric=True) > 0.5
    assert rater_agreement(items, numbers[1], numeric=True) < 0
    assert rater_agreement(items, near) < rater_agreement(items, numbers[0], numeric=True)


def test_chance_is_zero_whatever_is_missing() -> None:
    rng = np.random.default_rng(0)
    items = [str(item) for item in rng.integers(150, size=900)]  # from one to about a dozen answers each
    answers = [str(value) for value in rng.integers(4, size=900)]
    assert rater_agreement(items, answers) == pytest.approx(0, abs=0.05)


def test_what_cannot_be_said_is_nan() -> None:
    assert math.isnan(rater_agreement([], []))
    assert math.isnan(rater_agreement(["a", "b"], ["x", "y"]))
    assert math.isnan(rater_agreement(["a", "a"], ["x", "x"]))
    with pytest.raises(ShapeError, match="a question for each answer"):
        rater_agreement(["a"], [])
