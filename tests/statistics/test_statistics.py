"""The laws that every statistic keeps, whichever file it is in."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fvhooks.statistics import STATISTICS
from fvhooks.statistics.profile import choose_ranks

EMPTY: dict[str, Callable] = {
    "moments": lambda kind: kind.empty(3),
    "profile": lambda kind: kind.empty(3, choose_ranks(4)),
    "spectrum": lambda kind: kind.empty(3, (4, 6)),
}
SHAPES = {"moments": (3, 4), "profile": (3, 4), "spectrum": (3, 4, 6)}


def _values(name: str, images: int, seed: int) -> torch.Tensor:
    return torch.rand(images, *SHAPES[name], generator=torch.Generator().manual_seed(seed)) * 3 + 100


def _seen(name: str, values: torch.Tensor):
    statistic = EMPTY[name](STATISTICS[name])
    if len(values):
        statistic.update(values)
    return statistic


def test_every_statistic_is_tested_here() -> None:
    assert set(STATISTICS) == set(EMPTY)


@pytest.mark.parametrize("name", sorted(EMPTY))
@given(cuts=st.lists(st.integers(1, 9), max_size=3, unique=True), seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_batches_leave_no_trace(name: str, cuts: list[int], seed: int) -> None:
    values = _values(name, 10, seed)
    whole, cut = _seen(name, values), EMPTY[name](STATISTICS[name])
    for part in torch.tensor_split(values, sorted(cuts)):
        cut.update(part)
    assert cut.count == whole.count
    assert np.array_equal(cut.state, whole.state)


@pytest.mark.parametrize("name", sorted(EMPTY))
@given(sizes=st.tuples(*[st.integers(0, 4)] * 3), seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_merging_is_associative_and_equals_one_pass(
    name: str, sizes: tuple[int, int, int], seed: int
) -> None:
    values = _values(name, sum(sizes), seed)
    a, b, c = (_seen(name, part) for part in values.split(list(sizes)))
    left, right, once = a.merge(b).merge(c), a.merge(b.merge(c)), _seen(name, values)
    assert left.count == right.count == once.count
    for key, expected in once.result().items():
        np.testing.assert_allclose(left.result()[key], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(right.result()[key], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(EMPTY))
def test_merging_changes_neither(name: str) -> None:
    a, b = _seen(name, _values(name, 2, 0)), _seen(name, _values(name, 2, 1))
    before = a.state.copy(), b.state.copy()
    a.merge(b)
    assert np.array_equal(a.state, before[0])
    assert np.array_equal(b.state, before[1])


@pytest.mark.parametrize("name", sorted(EMPTY))
def test_nothing_seen_is_nan_without_a_warning(name: str) -> None:
    for values in _seen(name, _values(name, 0, 0)).result().values():
        assert np.isnan(values).all()
