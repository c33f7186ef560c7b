"""Histograms of peaks against exact quantiles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fvhooks.statistics.histograms import BINS, PeakHistogram

SHARES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0)
numbers = st.floats(-1e4, 1e4, width=32).map(lambda value: 0.0 if abs(value) < 1e-6 else value)


def seen(peaks: np.ndarray) -> PeakHistogram:
    found = PeakHistogram.empty(peaks.shape[1])
    found.update(peaks)
    return found


@given(peaks=arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 3)), elements=numbers))
@settings(max_examples=60, deadline=None)
def test_quantiles_lie_between_the_neighbours_of_the_exact_ones(peaks: np.ndarray) -> None:
    near = seen(peaks).quantiles(SHARES)
    for place, share in enumerate(SHARES):
        low, high = (np.quantile(peaks, share, axis=0, method=kind) for kind in ("lower", "higher"))
        assert (near[:, place] >= low - np.abs(low) / 16 - 2e-6).all()
        assert (near[:, place] <= high + np.abs(high) / 16 + 2e-6).all()


@given(
    peaks=arrays(np.float32, (12, 2), elements=numbers),
    order=st.permutations(range(12)),
    cuts=st.lists(st.integers(0, 12), max_size=3),
)
@settings(max_examples=40, deadline=None)
def test_order_and_batches_change_nothing(peaks: np.ndarray, order: list[int], cuts: list[int]) -> None:
    whole, total = seen(peaks), PeakHistogram.empty(2)
    for part in np.split(peaks[order], sorted(cuts)):
        total = total.merge(seen(part)) if len(part) else total
    for name in ("counts", "least", "greatest", "active"):
        assert np.array_equal(getattr(total, name), getattr(whole, name)), name


def test_nothing_seen_is_nan() -> None:
    empty = PeakHistogram.empty(2)
    assert np.isnan(empty.quantiles(SHARES)).all()
    assert np.isnan(empty.active_fraction()).all()


def test_the_largest_and_the_smallest_are_counted_too() -> None:
    found = seen(np.array([[1e30], [-1e30], [0.0], [-0.0], [1e-30]], np.float32))
    assert found.counts.sum() == 5
    assert found.counts[0, [0, BINS // 2, -1]].tolist() == [1, 3, 1]
    assert found.active_fraction().tolist() == pytest.approx([0.4])
