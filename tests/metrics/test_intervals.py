"""Intervals and resampling."""

import numpy as np
import pytest
from scipy import stats

from fvhooks.metrics.intervals import group_rows, percentile_interval, resample_counts, wilson_interval


@pytest.mark.parametrize(("hits", "count"), [(0, 7), (3, 7), (7, 7), (180, 200)])
def test_wilson_equals_scipy(hits: int, count: int) -> None:
    expected = stats.binomtest(hits, count).proportion_ci(method="wilson")
    ours = wilson_interval(hits, count)
    assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_refuses_more_hits_than_trials() -> None:
    with pytest.raises(ValueError, match="got 3 of 2"):
        wilson_interval(3, 2)


def test_centred_interval_keeps_the_spread_and_moves_the_middle() -> None:
    plain = percentile_interval(0.0, [9.0, 10.0, 11.0])
    centred = percentile_interval(0.0, [9.0, 10.0, 11.0], centred=True)
    assert centred.high - centred.low == pytest.approx(plain.high - plain.low)
    assert 0.0 in centred
    assert 0.0 not in plain


def test_interval_without_finite_draws_is_nan() -> None:
    assert np.isnan(percentile_interval(1.0, [np.nan]).low)


def test_resampled_counts_stay_inside_their_group() -> None:
    labels = np.array([5, 2, 5, 2, 2])
    groups = list(group_rows(labels).values())
    counts = resample_counts(groups, 5, np.random.default_rng(0))
    assert [counts[rows].sum() for rows in groups] == [3, 2]
