"""How many raters are needed."""

import numpy as np
import pytest

from fvhooks.errors import OutOfRangeError, ShapeError
from fvhooks.surveys.power import clustering, raters_needed


def test_independent_answers_are_those_of_two_proportions() -> None:
    # (1.95996 + 0.84162)² · (0.5 · 0.5 + 0.7 · 0.3) / 0.2² = 90.3 answers a recipe
    assert raters_needed(0.5, 0.7, units=1) == 91
    assert raters_needed(0.5, 0.7, units=10, per_unit=2) == 5
    assert raters_needed(0.7, 0.5, units=1) == 91


def test_the_number_that_it_says_has_the_power_that_it_promises() -> None:
    rng, count = np.random.default_rng(0), raters_needed(0.5, 0.7, units=1)
    assert count is not None
    shares = [rng.binomial(count, p, 4000) / count for p in (0.7, 0.5)]
    error = np.sqrt(sum(share * (1 - share) for share in shares) / count)
    found = float((np.abs(shares[0] - shares[1]) > 1.96 * error).mean())
    assert found == pytest.approx(0.8, abs=0.04)


def test_answers_that_are_alike_need_more_units_not_more_raters() -> None:
    some = raters_needed(0.5, 0.7, units=40, clustering=0.2)
    none = raters_needed(0.5, 0.7, units=40)
    assert some is not None
    assert none is not None
    assert some > none
    assert raters_needed(0.5, 0.7, units=18, clustering=0.2) is None  # 90.3 · 0.2 > 18


def test_clustering_of_planted_answers() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(200), 10)
    values = 0.5 * rng.normal(size=200)[groups] + np.sqrt(0.75) * rng.normal(size=2000)
    assert clustering(values, groups) == pytest.approx(0.25, abs=0.05)
    assert clustering(rng.normal(size=2000), groups) < 0.03
    assert clustering([1.0, 2.0], ["a", "b"]) == 0


@pytest.mark.parametrize("given", [{"first": 0.5}, {"first": 1.2}, {"units": 0}, {"power": 1.0}])
def test_bad_input_is_named(given: dict[str, float]) -> None:
    with pytest.raises(OutOfRangeError, match="Expected"):
        raters_needed(**({"first": 0.7, "second": 0.5, "units": 3} | given))
    with pytest.raises(ShapeError, match="a group for each value"):
        clustering([1.0], ["a", "b"])
