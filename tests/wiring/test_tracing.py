"""What the walk from layer to layer goes through, moves, names and refuses."""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import fvhooks as fv
from fvhooks.errors import LayerNotFoundError, MissingInputError, UnsupportedModelError
from fvhooks.wiring import Calls, Node, Wiring, find_wiring
from fvhooks.wiring.plans import NOWHERE

Untouched = Callable[[nn.Module], AbstractContextManager[None]]


class Through(nn.Module):
    """One operation between a convolution and a layer."""

    def __init__(self, operation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.operation, self.layer = operation, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.operation(self.second(F.relu(self.first(x))))).mean((2, 3))


def _through(operation: Callable[[Tensor], Tensor]) -> tuple[Wiring, Node]:
    hooked = fv.attach(Through(operation).eval(), input_shape=(3, 8, 8))
    wiring = find_wiring(hooked, ["first", "layer"])
    return wiring, wiring.nodes[-1]


def _written(x: Tensor) -> Tensor:
    out = torch.zeros(len(x), 12, *x.shape[2:])
    out[:, 2:10] = x
    return out


STRAIGHT: dict[str, tuple[Callable[[Tensor], Tensor], int, float]] = {
    "channels last": (lambda x: x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2), 0, 1),
    "border": (lambda x: F.pad(x, (1, 1, 1, 1)), 0, 1),
    "more channels": (lambda x: F.pad(x, (0, 0, 0, 0, 3, 1)), 3, 1),
    "written": (_written, 2, 1),
    "resized": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), 0, 1),
    "negative": (lambda x: 2 - x, 0, -1),
    "divided": (lambda x: F.silu(x) / -4, 0, -0.25),
    "twice": (lambda x: torch.stack([x, x], 1).sum(1), 0, 2),
    "other type": (lambda x: x.half().float(), 0, 1),
    "mask": (lambda x: torch.where(x > 0, x, torch.zeros(())), 0, 1),
    "swish": (lambda x: x * torch.sigmoid(x), 0, 1),
    "gate": (lambda x: torch.sigmoid(x.mean((2, 3), keepdim=True)) * x, 0, 1),
    "gate over places": (lambda x: x * torch.sigmoid(x[:, :1]), 0, 1),
}


@pytest.mark.parametrize("name", STRAIGHT)
def test_operations_that_keep_channels_apart_are_walked_through(name: str) -> None:
    operation, first, scale = STRAIGHT[name]
    wiring, layer = _through(operation)
    (term,) = layer.filters
    assert (term.module, term.first, term.scale.tolist()) == ("second", first, [scale] * 8)
    assert not layer.skips
    assert not wiring.unexplained
    assert wiring.gated == (("layer",) if "gate" in name else ())


MOVED: dict[str, tuple[Callable[[Tensor], Tensor], list[int]]] = {
    "flip": (lambda x: x.flip(1), [7, 6, 5, 4, 3, 2, 1, 0]),
    "shuffle": (
        lambda x: x.view(len(x), 2, 4, *x.shape[2:]).transpose(1, 2).reshape(x.shape),
        [0, 4, 1, 5, 2, 6, 3, 7],
    ),
    "slice": (lambda x: x[:, 1:4], [1, 2, 3]),
    "twice": (lambda x: torch.cat([x[:, 5:], x[:, 6:]], 1), [5, 6, 7, 6, 7]),
    "roll": (lambda x: torch.roll(x, 2, 1), [6, 7, 0, 1, 2, 3, 4, 5]),
}


@pytest.mark.parametrize("name", MOVED)
def test_channels_that_are_moved_come_from_a_hidden_node(name: str) -> None:
    operation, expected = MOVED[name]
    wiring, layer = _through(operation)
    hidden = wiring.nodes[1]
    assert (hidden.name, hidden.kept, hidden.filters[0].module) == ("second", False, "second")
    assert layer.skips[0].addition == NOWHERE
    assert layer.skips[0].origin.tolist() == [[1, channel] for channel in expected]


MIXED: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "gated linear unit": (lambda x: F.glu(x, 1), "glu"),
    "the same by hand": (lambda x: x[:, :4] * torch.sigmoid(x[:, 4:]), "mul"),
    "softmax": (lambda x: x.softmax(1), "softmax"),
    "group norm": (lambda x: F.group_norm(x, 2), "group_norm"),
    "layer norm": (lambda x: F.layer_norm(x, x.shape[1:]), "layer_norm"),
    "by its length": (lambda x: x / x.norm(dim=1, keepdim=True), "div"),
    "matrix": (lambda x: (x.transpose(1, 3) @ torch.ones(8, 8)).transpose(1, 3), "matmul"),
    "transposed": (lambda x: F.conv_transpose2d(x, torch.ones(8, 8, 1, 1)), "conv_transpose2d"),
    "largest channel": (lambda x: x.max(1, keepdim=True).values.expand(x.shape), "max"),
    "into positions": (lambda x: F.pixel_shuffle(x, 2), "different channels at different positions"),
}


@pytest.mark.parametrize("name", MIXED)
def test_operations_that_mix_channels_are_named(name: str) -> None:
    operation, reason = MIXED[name]
    wiring, layer = _through(operation)
    assert wiring.unexplained == {"layer": reason}
    assert not layer.filters
    assert not layer.skips


@pytest.mark.real
def test_transformers_are_unexplained(shared: ModuleType) -> None:
    hooked = fv.attach(shared.load("cifar10_vit")[0], input_shape=(3, 32, 32))
    wiring = find_wiring(hooked, ["patch_embed", "transformer.layers.0", "logits"])
    assert wiring.unexplained == {"transformer.layers.0": "layer_norm", "logits": "layer_norm"}


class Summed(nn.Module):
    """Additions that are no layer, of three terms, one of them behind a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(n, 4, 1, bias=False) for n in (3, 4, 4, 4))
        self.act, self.out = nn.ReLU(), nn.Flatten()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.convs[0](x))
        y = self.convs[1](x) + F.relu(self.convs[2](x)) + x
        return self.out(self.convs[3](self.act(y)))


def test_additions_that_are_no_layers_are_hidden_nodes() -> None:
    wiring = find_wiring(fv.attach(Summed().eval(), input_shape=(3, 4, 4)), ["act", "convs.3"])
    assert [node.name for node in wiring.nodes] == ["act", "convs.2", "addition 0", "addition 1", "convs.3"]
    first, second = wiring.nodes[2:4]
    assert [term.module for term in first.filters] == ["convs.1"]
    assert [(s.addition, s.operand, s.origin[0, 0]) for s in first.skips] == [(0, 1, 1)]
    assert [(s.addition, s.operand, s.origin[0, 0]) for s in second.skips] == [(1, 0, 2), (1, 1, 0)]
    assert wiring.nodes[4].filters[0].origin[:, 0].tolist() == [3] * 4


def test_calls_of_one_module_are_layers_of_their_own() -> None:
    wiring = find_wiring(fv.attach(Summed().eval(), input_shape=(3, 4, 4)), ["act", "act#1", "convs.3"])
    assert wiring.layers == ["act", "act#1", "convs.3"]
    assert wiring.nodes[-1].filters[0].origin[:, 0].tolist() == [3] * 4
    assert wiring.nodes[3].name == "act#1"


def test_the_model_stays_as_it_is(untouched: Untouched) -> None:
    model = Summed().train()
    hooked = fv.attach(model, input_shape=(3, 4, 4))
    with untouched(model):
        first = find_wiring(hooked, ["act", "logits"])
    assert first.to_dict() == find_wiring(hooked, ["act", "logits"]).to_dict()


def test_calls_count_every_call_whoever_makes_it() -> None:
    class Seen(Calls):
        def on_weighted(self, weighted: Any) -> None:
            found.append((weighted.call, len(weighted.weight), weighted.axis, weighted.groups))

        def on_addition(self, addition: Any) -> None:
            found.append((addition.number, addition.signs))

    found: list[Any] = []
    with Seen(), torch.no_grad():
        x = F.conv2d(torch.ones(1, 4, 5, 5), torch.ones(6, 2, 1, 1), None, 1, 0, 1, 2)
        x = torch.rsub(x, 1) - x.add(x, alpha=3)
        F.linear(x, torch.ones(7, 5))
    assert found == [(0, 6, -3, 2), (0, (-1.0, 1.0)), (1, (1.0, 3.0)), (2, (1.0, -1.0)), (1, 7, -1, 1)]


def test_what_cannot_be_followed_is_refused() -> None:
    hooked = fv.attach(Summed().eval(), input_shape=(3, 4, 4))
    with pytest.raises(MissingInputError, match="Expected a list of one layer or more, got 'act'"):
        find_wiring(hooked, "act")
    with pytest.raises(LayerNotFoundError, match="no layer 'akt'. Did you mean 'act'"):
        find_wiring(hooked, ["akt"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of torch say that it is deprecated
        scripted = nn.Sequential(torch.jit.script(nn.Conv2d(3, 4, 3)), nn.Flatten())
    with pytest.raises(UnsupportedModelError, match="got the scripted '0'.*Attach a model with"):
        find_wiring(fv.attach(scripted, input_shape=(3, 8, 8)), ["1"])
