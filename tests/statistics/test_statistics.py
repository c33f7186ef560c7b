"""The laws that every statistic keeps, whichever file it is in."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fvhooks.statistics import STATISTICS, Statistic, Subject
from fvhooks.statistics.profile import choose_ranks

SUBJECTS = {
    "activations": (Subject(3, choose_ranks(4)), (3, 4)),
    "images": (Subject(3, size=(4, 6)), (3, 4, 6)),
}
every = pytest.mark.parametrize("name", list(STATISTICS))


def _empty(name: str) -> Statistic:
    return STATISTICS[name].about(SUBJECTS[STATISTICS[name].of][0])


def _values(name: str, images: int, seed: int) -> torch.Tensor:
    shape = SUBJECTS[STATISTICS[name].of][1]
    return torch.rand(images, *shape, generator=torch.Generator().manual_seed(seed)) * 3 + 100


def _seen(name: str, values: torch.Tensor) -> Statistic:
    statistic = _empty(name)
    if len(values):
        statistic.update(values)
    return statistic


@every
def test_what_it_says_of_itself_is_what_it_gives(name: str) -> None:
    result = _seen(name, _values(name, 2, 0)).result()
    dimensions = STATISTICS[name].dimensions
    assert {key: values.ndim for key, values in result.items()} == {k: len(d) for k, d in dimensions.items()}


@every
@given(cuts=st.lists(st.integers(1, 9), max_size=3, unique=True), seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_batches_leave_no_trace(name: str, cuts: list[int], seed: int) -> None:
    values = _values(name, 10, seed)
    whole, cut = _seen(name, values), _empty(name)
    for part in torch.tensor_split(values, sorted(cuts)):
        cut.update(part)
    assert cut.count == whole.count
    assert np.array_equal(cut.state, whole.state)


@every
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_batch_at_once_gives_the_bits_of_single_images(name: str, offset: float, threads: int) -> None:
    values, before = _values(name, 7, 1) - 100 + offset, torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        single, whole = _seen(name, values), _empty(name)
        whole.add(whole.measure(values))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(single.state, whole.state)


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_one_large_channel_alone_has_the_bits_of_a_batch(offset: float) -> None:
    """Torch shares a single sum of that size out over its threads."""
    values, before = torch.rand(3, 1, 40_000) + offset, torch.get_num_threads()
    states = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            single, whole = (STATISTICS["moments"].about(Subject(1)) for _ in range(2))
            single.update(values)
            whole.add(whole.measure(values))
            states += [single.state, whole.state]
    finally:
        torch.set_num_threads(before)
    assert all(np.array_equal(states[0], state) for state in states[1:])
    exact = values.double().numpy().var()
    assert states[0][1, 0] / 120_000 == pytest.approx(exact, rel=1e-4)


@every
@given(order=st.permutations(range(8)), seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_the_order_of_images_changes_rounding_alone(name: str, order: list[int], seed: int) -> None:
    values = _values(name, 8, seed)
    one, other = _seen(name, values), _seen(name, values[order])
    assert one.count == other.count
    for key, expected in one.result().items():
        np.testing.assert_allclose(other.result()[key], expected, rtol=1e-6, atol=1e-7)


@every
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


@every
def test_merging_changes_neither(name: str) -> None:
    a, b = _seen(name, _values(name, 2, 0)), _seen(name, _values(name, 2, 1))
    before = a.state.copy(), b.state.copy()
    a.merge(b)
    assert np.array_equal(a.state, before[0])
    assert np.array_equal(b.state, before[1])


@every
@given(first=st.integers(0, 5), more=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_going_on_from_a_result_equals_one_pass(name: str, first: int, more: int) -> None:
    values = _values(name, first + more, 3)
    kind = STATISTICS[name]
    before = _seen(name, values[:first])
    again = kind.restored(SUBJECTS[kind.of][0], before.result(), before.count)
    together, once = again.merge(_seen(name, values[first:])), _seen(name, values)
    assert together.count == once.count
    for key, expected in once.result().items():
        np.testing.assert_allclose(together.result()[key], expected, rtol=1e-5, atol=1e-5)


@every
def test_nothing_seen_is_nan_without_a_warning(name: str) -> None:
    for values in _seen(name, _values(name, 0, 0)).result().values():
        assert np.isnan(values).all()
