"""Whether a picture shows a known pattern."""

import numpy as np
import pytest

from fvhooks.errors import NonFiniteError, ShapeError
from fvhooks.metrics import pattern_correlation

RNG = np.random.default_rng(0)
PATTERN = RNG.normal(size=(3, 4, 5))


def test_against_every_patch() -> None:
    pictures = RNG.random((2, 3, 7, 8))
    expected = [
        max(
            np.corrcoef(picture[:, y : y + 4, x : x + 5].ravel(), PATTERN.ravel())[0, 1]
            for y in range(4)
            for x in range(4)
        )
        for picture in pictures
    ]
    np.testing.assert_allclose(pattern_correlation(pictures, PATTERN), expected)


@pytest.mark.parametrize(("y", "x"), [(0, 0), (2, 1), (3, 3)])
def test_place_brightness_and_contrast_make_no_difference(y: int, x: int) -> None:
    picture = np.full((1, 3, 7, 8), 0.5)
    picture[0, :, y : y + 4, x : x + 5] = 0.4 + 0.01 * PATTERN
    assert pattern_correlation(picture, PATTERN)[0] == pytest.approx(1)


def test_a_negative_is_not_the_pattern_and_plain_pictures_have_none() -> None:
    negative = -PATTERN[None]
    assert pattern_correlation(negative, PATTERN)[0] == pytest.approx(-1)
    assert pattern_correlation(np.full((1, 3, 7, 8), 0.3), PATTERN)[0] == 0


def test_bad_input_is_named() -> None:
    with pytest.raises(ShapeError, match="no larger than they are"):
        pattern_correlation(np.zeros((1, 3, 3, 8)), PATTERN)
    with pytest.raises(ShapeError, match="plain pattern"):
        pattern_correlation(np.zeros((1, 3, 7, 8)), np.ones((3, 2, 2)))
    with pytest.raises(NonFiniteError, match="must be finite"):
        pattern_correlation(np.full((1, 3, 7, 8), np.nan), PATTERN)
