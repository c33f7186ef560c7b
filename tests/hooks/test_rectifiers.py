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
