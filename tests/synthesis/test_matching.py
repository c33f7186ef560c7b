"""Sort matching: the same value and gradient as the published form, from ranks alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fvhooks.errors import ShapeError
from fvhooks.synthesis.matching import expand, matched_by_sorting, matching_loss
from fvhooks.synthesis.ranking import matched_rows

FLOATS = st.integers(-(10**5), 10**5).map(lambda number: number / 1000)  # no two closer than a step


def ranked_targets(values: torch.Tensor, profiles: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
    """What each value is drawn to, from the gradient: value − gradient / 2 where every weight is one."""
    pull, _ = matched_rows(values, profiles, owner, torch.ones(*values.shape[:2], 1))
    return values - pull / 2


@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 30)), elements=FLOATS
    )
)
@settings(deadline=None, max_examples=60)
def test_the_kth_value_of_a_row_is_drawn_to_the_kth_of_the_profile(values: np.ndarray) -> None:
    ranks = torch.arange(values.shape[-1]).float()
    found = ranked_targets(torch.from_numpy(values), ranks.expand(1, values.shape[1], -1), zeros(values))
    expected = np.argsort(np.argsort(values, axis=-1, kind="stable"), axis=-1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


def zeros(values: np.ndarray) -> torch.Tensor:
    return torch.zeros(len(values), dtype=torch.long)


def test_equal_values_rank_by_place_both_zeros_among_them() -> None:
    values, ranks = torch.tensor([[[0.0, -0.0, 0.0, -1.0]]]), torch.arange(4.0).view(1, 1, 4)
    assert ranked_targets(values, ranks, torch.tensor([0])).tolist() == [[[1, 2, 3, 0]]]


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e30])
@pytest.mark.parametrize("places", [49, 12544, 66000])
def test_ranks_of_long_rows_at_any_scale(places: int, scale: float) -> None:
    values, ranks = torch.randn(1, 3, places), torch.arange(float(places)).expand(1, 3, -1)
    pull, _ = matched_rows(scale * values, scale * ranks, torch.tensor([0]), torch.ones(1, 3, 1))
    found = (values - pull / 2 / scale).round().long()
    assert torch.equal(found.sort(-1).values, ranks.long())  # each rank once
    exact = values.argsort(-1).argsort(-1)
    spread = values.max() - values.min()
    ordered = values.sort(-1).values
    near = (ordered.gather(-1, found) - ordered.gather(-1, exact)).abs() / spread
    assert near.max() < 1e-5  # ranks may only be exchanged between values next to the same


def test_neither_threads_nor_other_rows_change_a_bit() -> None:
    values, profiles = torch.randn(3, 70, 3000).relu(), torch.randn(2, 70, 3000).sort(-1).values
    owner, weight = torch.tensor([1, 0, 1]), torch.rand(3, 70, 1)
    before = torch.get_num_threads()
    pull, loss = matched_rows(values, profiles, owner, weight)
    torch.set_num_threads(2)
    try:
        again, same = matched_rows(values, profiles, owner, weight)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(pull, again)
    assert torch.equal(loss, same)
    alone, one = matched_rows(values[2:], profiles, owner[2:], weight[2:])
    assert torch.equal(pull[2:], alone)
    assert torch.equal(loss[2:], one)


def test_tokens_whose_channels_lie_side_by_side() -> None:
    values = torch.randn(2, 50, 24).transpose(1, 2)
    profiles, owner = torch.randn(1, 24, 50).sort(-1).values, torch.tensor([0, 0])
    weight = torch.rand(2, 24, 1)
    pull, loss = matched_rows(values, profiles, owner, weight)
    expected, summed = matched_by_sorting(values, profiles, owner, weight)
    torch.testing.assert_close(pull, expected)
    torch.testing.assert_close(loss, summed)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_is_told_by_the_loss(bad: float) -> None:
    values = torch.zeros(2, 3, 5)
    values[1, 1, 2] = bad
    _, loss = matched_rows(values, torch.zeros(1, 3, 5), torch.tensor([0, 0]), torch.ones(2, 3, 1))
    assert torch.isfinite(loss).tolist() == [True, False]


def published_loss(values: torch.Tensor, profile: torch.Tensor) -> torch.Tensor:
    """The authors' form: rank each value, gather the reference back into the picture's own order."""
    ranks = values.detach().argsort(-1).argsort(-1)
    return ((values - profile.gather(-1, ranks)) ** 2).mean((1, 2))


@pytest.mark.parametrize("shape", [(1, 4, 49), (3, 8, 196), (2, 5, 1)])
def test_equals_the_published_form_in_value_and_gradient(shape: tuple[int, ...]) -> None:
    values = torch.randn(shape, dtype=torch.float32)
    profile = torch.randn(shape).sort(-1).values
    owner = torch.arange(shape[0])
    weight = torch.full((shape[0], shape[1], 1), 1 / (shape[1] * shape[2]))
    ours, theirs, sorted_form = (values.clone().requires_grad_() for _ in range(3))
    a, b = matching_loss(ours, profile, owner, weight), published_loss(theirs, profile)
    c = ((sorted_form.sort(-1).values - profile) ** 2).mean((1, 2))
    torch.testing.assert_close(a, b)
    torch.testing.assert_close(a, c)
    grads = [torch.autograd.grad(loss.sum(), x)[0] for loss, x in ((a, ours), (b, theirs), (c, sorted_form))]
    torch.testing.assert_close(grads[0], grads[1])
    torch.testing.assert_close(grads[0], grads[2])


def test_loss_is_zero_where_the_picture_is_its_own_reference() -> None:
    values = torch.randn(1, 6, 30)
    profile = values.sort(-1).values
    assert matching_loss(values, profile, torch.tensor([0]), torch.ones(1, 6, 1)).item() == 0.0


def test_each_picture_follows_its_own_profile() -> None:
    values, profiles = torch.zeros(3, 1, 2), torch.tensor([[[1.0, 1.0]], [[2.0, 2.0]]])
    loss = matching_loss(values, profiles, torch.tensor([1, 0, 1]), torch.ones(3, 1, 1))
    assert loss.tolist() == [8.0, 2.0, 8.0]


@pytest.mark.parametrize("weighted", [1.0, 0.25])
def test_a_weighted_loss_has_a_weighted_gradient(weighted: float) -> None:
    values = torch.randn(2, 3, 7, requires_grad=True)
    profile = torch.randn(1, 3, 7).sort(-1).values
    loss = matching_loss(values, profile, torch.tensor([0, 0]), torch.ones(2, 3, 1))
    (gradient,) = torch.autograd.grad((weighted * loss).sum(), values)
    by_sorting, _ = matched_by_sorting(values.detach(), profile, torch.tensor([0, 0]), torch.ones(2, 3, 1))
    torch.testing.assert_close(gradient, weighted * by_sorting)


@given(st.integers(2, 60), st.integers(1, 80))
@settings(deadline=None, max_examples=60)
def test_expanding_a_straight_profile_gives_a_straight_profile(known: int, positions: int) -> None:
    ranks = np.arange(known)
    profile = np.linspace(-1, 3, known, dtype=np.float32)[None]
    got = expand(ranks, profile, positions)
    np.testing.assert_allclose(got[0], np.linspace(-1, 3, positions) if positions > 1 else got[0], atol=1e-5)
    assert got.shape == (1, positions)


def test_expanding_keeps_what_is_known_and_both_ends() -> None:
    ranks = np.array([0, 1, 5, 9])
    profile = np.array([[0.0, 4.0, 5.0, 9.0]], np.float32)
    got = expand(ranks, profile, 10)[0]
    assert got[[0, 1, 5, 9]].tolist() == [0.0, 4.0, 5.0, 9.0]
    assert np.all(np.diff(got) >= 0)


def test_a_profile_of_another_length_is_refused() -> None:
    with pytest.raises(ShapeError, match="7 ranks for 5 positions"):
        matching_loss(torch.zeros(1, 2, 5), torch.zeros(1, 2, 7), torch.tensor([0]), torch.ones(1, 2, 1))
