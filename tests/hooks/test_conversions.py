"""What hook points show and what passes them."""

import torch
from torch import nn

from fvhooks.hooks.addresses import Address
from fvhooks.hooks.conversions import passed, shown
from fvhooks.hooks.taps import rewritten, tap


class Cut:
    def convert(self, value: torch.Tensor) -> torch.Tensor:
        return value.unflatten(-1, (2, -1))

    def revert(self, value: torch.Tensor) -> torch.Tensor:
        return value.flatten(-2)


class Point(nn.Identity):
    hook_conversion = Cut()


X = torch.randn(3, 5, 8)


def test_a_hook_point_shows_its_heads() -> None:
    assert shown(Point(), X).shape == (3, 5, 2, 4)
    assert torch.equal(passed(Point(), shown(Point(), X)), X)


def test_other_modules_show_what_passes() -> None:
    assert shown(nn.Identity(), X) is X
    assert passed(nn.Identity(), X) is X


def test_a_tap_keeps_what_is_shown_and_a_rewrite_passes_it_on_whole() -> None:
    point = Point()
    names = {"hook_z[1]": Address.parse("hook_z[1]")}
    with tap({"hook_z": point}, names, stop=False) as record:
        point(X)
    assert torch.equal(record.kept["hook_z[1]"], X[..., 4:])
    with rewritten({"hook_z": point}, names, lambda name, head: head * 0):
        changed = point(X)
    assert torch.equal(changed[..., :4], X[..., :4])
    assert not changed[..., 4:].any()
