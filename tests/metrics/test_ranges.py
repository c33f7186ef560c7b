"""Where pictures lie among real images."""

import numpy as np
import pytest

from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError
from fvhooks.metrics import natural_range

REAL = np.arange(40.0)


def test_each_picture_is_placed_in_its_own_group() -> None:
    natural = np.concatenate([REAL, 1000 + REAL])
    groups = np.repeat([0, 1], 40)
    found = natural_range(np.array([20.0, 1020.0, 20.0, 1020.0]), [0, 1, 1, 0], natural, groups)
    np.testing.assert_allclose(found.percentile, [20.5 / 40, 20.5 / 40, 0, 1])
    assert (found.below, found.inside, found.above) == (0.25, 0.5, 0.25)
    assert found.median == 20.5 / 40


def test_both_tails_are_told_apart_and_ties_count_half() -> None:
    flat = natural_range(np.zeros(3), [0, 0, 0], np.zeros(9), np.zeros(9, int))
    np.testing.assert_array_equal(flat.percentile, 0.5)
    assert natural_range(np.array([-1.0]), [0], REAL, np.zeros(40, int)).below == 1
    assert natural_range(np.array([40.0]), [0], REAL, np.zeros(40, int)).above == 1


def test_of_real_images_the_range_holds_its_level() -> None:
    values = np.arange(1000.0)
    found = natural_range(values, np.zeros(1000, int), values, np.zeros(1000, int), level=0.9)
    assert found.inside == pytest.approx(0.9, abs=0.002)
    np.testing.assert_array_equal(
        natural_range(np.exp(values / 100), np.zeros(1000), np.exp(values / 100), np.zeros(1000)).percentile,
        found.percentile,  # ranks alone count
    )


def test_bad_input_is_named() -> None:
    with pytest.raises(MissingInputError, match="No real images of group 2"):
        natural_range(np.zeros(1), [2], REAL, np.zeros(40, int))
    with pytest.raises(ShapeError, match="one number and one group an image"):
        natural_range(np.zeros(2), [0], REAL, np.zeros(40, int))
    with pytest.raises(NonFiniteError, match="in 1"):
        natural_range(np.array([np.inf, 0.0]), [0, 0], REAL, np.zeros(40, int))
