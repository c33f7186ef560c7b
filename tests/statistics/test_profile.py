"""Mean sorted activations against NumPy, and which ranks are kept."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fvhooks.statistics import Subject
from fvhooks.statistics.profile import Profile, choose_ranks


@given(positions=st.integers(1, 20_000), count=st.integers(2, 300))
def test_ranks_are_distinct_ordered_symmetric_and_hold_both_ends(positions: int, count: int) -> None:
    ranks = choose_ranks(positions, count)
    assert len(ranks) == min(positions, count)
    assert (np.diff(ranks) > 0).all()
    assert ranks[0] == 0
    assert ranks[-1] == positions - 1
    inner = np.delete(ranks, len(ranks) // 2) if len(ranks) % 2 else ranks  # the middle may round either way
    assert np.array_equal(inner, positions - 1 - inner[::-1])


def test_ranks_are_denser_in_the_tails() -> None:
    steps = np.diff(choose_ranks(12_544, 256))
    assert steps[:5].max() < steps[120:135].min() / 5
    assert steps[-5:].max() < steps[120:135].min() / 5


def test_all_ranks_on_request() -> None:
    assert np.array_equal(choose_ranks(12_544, None), np.arange(12_544))


def test_one_rank_cannot_hold_two_ends() -> None:
    with pytest.raises(ValueError, match="ranks ≥ 2 or None, got 1"):
        choose_ranks(9, 1)


def test_equal_to_numpy() -> None:
    values = torch.randn(6, 5, 400)
    ranks = choose_ranks(400, 32)
    profile = Profile.about(Subject(5, ranks))
    profile.update(values)
    expected = np.sort(values.double().numpy(), -1)[..., ranks].mean(0)
    np.testing.assert_allclose(profile.result()["profile"], expected, rtol=1e-6)
