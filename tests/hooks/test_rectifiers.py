"""ReLUs with another way back."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from fvhooks.hooks.rectifiers import Rectifiers, Redirected

X = torch.tensor([[-1.0, 2.0, -3.0], [-1.0, -2.0, -3.0], [-1.0, 2.0, -3.0]])
SLOPE = torch.tensor([[-1.0, 1.0, -1.0], [-1.0, 1.0, 0.0], [-1.0, 0.0, 5.0]])
EXPECTED = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    "relu",
    [
        F.relu,
        torch.relu,
        nn.ReLU(),
        nn.ReLU(inplace=True),
        lambda x: x.relu(),
        lambda x: F.relu(input=x),
        F.relu_,
    ],
)
def test_what_is_blocked_altogether_is_let_through_where_it_raises(relu) -> None:
    """An item that passes any gradient keeps its own; of one that passes none the silent may only rise."""
    x = X.clone().requires_grad_()
    with Rectifiers(Redirected) as rectifiers:
        fired = relu(x * 1)
    assert rectifiers.met == 1
    torch.testing.assert_close(fired, X.clamp(min=0))
    (found,) = torch.autograd.grad(fired, x, SLOPE)
    torch.testing.assert_close(found, EXPECTED)


CAPPED = [  # and whether it overwrites its input
    (nn.ReLU6(), False),
    (nn.ReLU6(inplace=True), True),
    (F.relu6, False),
    (lambda x: F.relu6(x, True), True),
    (lambda x: F.hardtanh(x, 0, 6), False),
    (lambda x: F.hardtanh(x, max_val=6.0, min_val=0.0, inplace=True), True),
    (lambda x: F.hardtanh_(x, 0.0, 6.0), True),
]


@pytest.mark.parametrize(("relu", "overwrites"), CAPPED)
def test_a_relu_with_an_upper_bound_is_one_where_it_is_asked_for(relu, overwrites) -> None:
    given = torch.tensor([[-1.0, 2.0, -3.0], [-1.0, -2.0, -3.0], [-1.0, 9.0, -3.0]])
    x = given.clone().requires_grad_()
    with Rectifiers(Redirected, capped=True) as rectifiers:
        before = x * 1
        fired = relu(before)
    assert rectifiers.met == 1
    torch.testing.assert_close(fired, given.clamp(0, 6))
    assert torch.equal(before, fired) == overwrites
    (found,) = torch.autograd.grad(fired, x, SLOPE)
    torch.testing.assert_close(found, EXPECTED)
    with Rectifiers(Redirected) as rectifiers:
        relu(given * 1)
    assert rectifiers.met == 0


def test_bounds_that_are_no_rectifiers_are_left_alone() -> None:
    x = X.clone().requires_grad_()
    with Rectifiers(Redirected, capped=True) as rectifiers:
        found = F.hardtanh(x, -1.0, 1.0) + nn.Hardtanh()(x)
    assert rectifiers.met == 0
    torch.testing.assert_close(found, 2 * X.clamp(-1, 1))


def test_outside_a_relu_is_a_relu() -> None:
    x = X.clone().requires_grad_()
    with Rectifiers(Redirected):
        pass
    (found,) = torch.autograd.grad(F.relu(x), x, SLOPE)
    torch.testing.assert_close(found, torch.where(X > 0, SLOPE, 0.0))


def test_an_overwritten_input_is_seen_overwritten() -> None:
    with Rectifiers(Redirected):
        before = X * 1
        F.relu(before, inplace=True)
    torch.testing.assert_close(before, X.clamp(min=0))
