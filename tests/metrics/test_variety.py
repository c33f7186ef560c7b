"""Diversity and novelty of pictures."""

import numpy as np
import pytest

from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError
from fvhooks.metrics import diversity, novelty

RNG = np.random.default_rng(0)


def test_diversity_against_all_pairs() -> None:
    rows, groups = RNG.normal(size=(9, 4)), np.array([0, 0, 1, 1, 1, 1, 2, 2, 2])
    apart = ((rows[:, None] - rows) ** 2).sum(2)
    units = range(3)
    within = [
        apart[np.ix_(groups == g, groups == g)][~np.eye((groups == g).sum(), dtype=bool)] for g in units
    ]
    between = [apart[np.ix_(groups == g, groups == h)].mean() for g in units for h in units if g != h]
    found = diversity(rows, groups)
    assert found.within == pytest.approx(np.mean([pairs.mean() for pairs in within]))
    assert found.between == pytest.approx(np.mean(between))
    assert found.ratio == pytest.approx(found.within / found.between)


def test_a_copied_picture_has_no_diversity_and_noise_has_that_of_anything() -> None:
    assert diversity(np.repeat(np.eye(3), 4, 0), np.repeat(np.arange(3), 4)).ratio == 0
    noise = RNG.normal(size=(400, 6))
    assert diversity(noise, np.repeat(np.arange(4), 100)).ratio == pytest.approx(1, abs=0.05)
    assert np.isnan(diversity(np.zeros((4, 2)), [0, 0, 1, 1]).ratio)


def test_diversity_has_no_place_and_its_ratio_no_scale() -> None:
    rows, groups = RNG.normal(size=(8, 3)), np.repeat([0, 1], 4)
    assert diversity(5 * rows + 100, groups).ratio == pytest.approx(diversity(rows, groups).ratio)


def test_a_copy_is_not_novel_to_the_bit_and_a_new_photograph_is() -> None:
    references, new = 1000 + RNG.normal(size=(300, 8)), 1000 + RNG.normal(size=(200, 8))
    np.testing.assert_array_equal(novelty(references[:5], references, new), 0)
    assert np.median(novelty(new, references, new)) == pytest.approx(1)
    assert novelty(np.zeros((1, 8)), references, new)[0] > 100


def test_bad_input_is_named() -> None:
    rows = np.eye(4)
    with pytest.raises(MissingInputError, match="one of them with 1 pictures"):
        diversity(rows, [0, 0, 0, 1])
    with pytest.raises(ShapeError, match="a group for each of 4 pictures"):
        diversity(rows, [0, 1])
    with pytest.raises(MissingInputError, match="references themselves"):
        novelty(rows, rows, rows)
    with pytest.raises(ShapeError, match="the same features"):
        novelty(rows, rows[:, :2], rows)
    with pytest.raises(NonFiniteError, match=r"rows \[0, 1, 2, 3\] of 4"):
        novelty(rows * np.nan, rows, rows)
