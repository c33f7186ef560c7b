"""Sort matching: the same value and gradient as the published form, from ranks alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fvhooks.errors import ShapeError
from fvhooks.synthesis.matching import expand, matching_loss, order, targets

FLOATS = st.floats(-1e6, 1e6, width=32)


@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 30)), elements=FLOATS
    )
)
@settings(deadline=None, max_examples=60)
def test_order_is_a_stable_argsort(values: np.ndarray) -> None:
    expected = np.argsort(values, axis=-1, kind="stable")
    assert np.array_equal(order(torch.from_numpy(values)).numpy(), expected)


def test_order_treats_both_zeros_alike() -> None:
    assert order(torch.tensor([[[0.0, -0.0, 0.0, -1.0]]])).tolist() == [[[3, 0, 1, 2]]]


def test_order_of_relu_maps_on_several_threads() -> None:
    values = torch.randn(2, 64, 500).relu()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert torch.equal(order(values), torch.argsort(values, dim=-1, stable=True))
    finally:
        torch.set_num_threads(before)


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


def test_targets_carry_no_gradient() -> None:
    values = torch.randn(1, 2, 5, requires_grad=True)
    assert not targets(values.detach(), torch.zeros(1, 2, 5), torch.tensor([0])).requires_grad


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
        targets(torch.zeros(1, 2, 5), torch.zeros(1, 2, 7), torch.tensor([0]))
