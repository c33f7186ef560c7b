"""What taps keep, where they stop, and that nothing of them stays."""

from contextlib import suppress

import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.hooks.addresses import Address
from fvhooks.hooks.taps import borrowed, observed, rewritten, run, tap


def tapped(net: nn.Module, *names: str, **options):
    return tap(dict(net.named_modules()), {name: Address.parse(name) for name in names}, **options)


class Bomb(nn.Module):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise self.error


def chain(*more: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), *more)


X = torch.rand(2, 3, 8, 8)


def test_the_pass_ends_at_the_deepest_layer() -> None:
    net = chain(Bomb(AssertionError("ran past the deepest layer")))
    with borrowed(net), tapped(net, "2", "0") as record:
        assert run(net, X) is None
    assert set(record.kept) == {"0", "2"}


def test_a_pass_that_must_not_stop_runs_to_its_end() -> None:
    net = chain()
    with borrowed(net), tapped(net, "0", stop=False):
        assert run(net, X).shape == (2, 4, 6, 6)


def test_a_models_own_except_clause_cannot_swallow_the_stop() -> None:
    class Careless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with suppress(Exception):
                self.inner(x)
            raise AssertionError("ran on")

    net = Careless()
    with tapped(net, "inner") as record:
        assert run(net, X) is None
    assert torch.equal(record.kept["inner"], X)


@pytest.mark.parametrize("error", [ValueError("inside"), KeyboardInterrupt()])
def test_nothing_stays_after_an_error_inside_the_model(error, untouched) -> None:
    net = chain(Bomb(error), nn.ReLU()).train()
    hooked = fv.attach(net)
    with untouched(net), pytest.raises(type(error)):
        hooked.read(X, ["0", "4"])
    with untouched(net), pytest.raises(type(error)):
        hooked.probe(X)
    with untouched(net), pytest.raises(type(error)):
        hooked.module(X)


@pytest.mark.parametrize("error", [RuntimeError("no more hooks"), KeyboardInterrupt()])
def test_nothing_stays_after_an_error_half_way_through_registration(error, untouched, monkeypatch) -> None:
    net = chain()
    monkeypatch.setattr(net[2], "register_forward_hook", lambda hook: (_ for _ in ()).throw(error))
    with untouched(net), pytest.raises(type(error)), tapped(net, "0", "1", "2"):
        raise AssertionError("the block must not run")
    with untouched(net), pytest.raises(type(error)), observed(dict(net.named_modules()), print):
        raise AssertionError("the block must not run")


def test_nothing_stays_after_an_error_in_the_callers_block(untouched) -> None:
    net = chain()
    with untouched(net), pytest.raises(ZeroDivisionError), borrowed(net), tapped(net, "0"):
        _ = 1 / 0


def test_an_overwritten_tensor_is_noticed_and_a_copy_is_not() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Identity())
    with torch.no_grad():
        with tapped(net, "0", "2") as record:
            run(net, X)
        with tapped(net, "0", "2", copies=frozenset({"0"})) as copied:
            run(net, X)
        assert record.overwritten == ["0"]
        assert copied.overwritten == []
        assert torch.equal(copied.kept["0"], net[0](X))


@pytest.mark.parametrize(
    "call",
    [lambda net, x: net(x), lambda net, x: net(input=x), lambda net, x: net(None, scale=2.0, input=x)],
    ids=["position", "keyword", "behind others"],
)
def test_the_first_tensor_that_a_module_is_given_is_rewritten(call, untouched) -> None:
    class Inner(nn.Module):
        def forward(self, *given: object, scale: float = 1.0, **named: torch.Tensor) -> torch.Tensor:
            (x,) = [value for value in (*given, *named.values()) if isinstance(value, torch.Tensor)]
            return scale * x

    net = Inner()
    plain = call(net, X)
    with untouched(net), rewritten({"a": net}, {"a": Address("a")}, lambda _, x: 3 * x, inputs=True):
        assert torch.allclose(call(net, X), 3 * plain)


def test_what_did_not_run_is_named() -> None:
    net = nn.ModuleDict({"used": nn.Identity(), "unused": nn.Identity()})
    with tapped(net, "used", "unused") as record:
        run(net["used"], X)
    assert record.missing == ["unused"]


def test_each_modules_own_mode_and_each_parameters_own_flag_come_back() -> None:
    net = chain(nn.Dropout())
    net.train()
    net[1].eval()
    net[0].weight.requires_grad = False
    with borrowed(net):
        assert not any(module.training for module in net.modules())
        assert not any(parameter.requires_grad for parameter in net.parameters())
    assert [module.training for module in net] == [True, False, True, True]
    assert [p.requires_grad for p in net.parameters()] == [False, True, True, True]


def test_mode_is_set_without_the_models_own_eval() -> None:
    class Merging(nn.Linear):
        def train(self, mode: bool = True) -> "Merging":
            raise AssertionError("eval() of an adapter merges its weights")

    net = Merging(2, 2)
    with borrowed(net):
        assert not net.training
    assert net.training


def test_batch_statistics_do_not_move() -> None:
    net = chain().train()
    before = net[1].running_mean.clone()
    fv.attach(net).read(X, ["2"])
    assert torch.equal(net[1].running_mean, before)
