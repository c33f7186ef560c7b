"""Compiled code reads what the model gives, leaves nothing behind, and steps aside where it cannot."""

import logging
from collections.abc import Callable

import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.demo import TopK
from fvhooks.errors import UnsupportedModelError
from fvhooks.hooks.compiled import CompiledReader

X = torch.rand(2, 3, 8, 8)


class Awkward(nn.Module):
    """A rectifier that is used twice and works in place, and a block that returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.act = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.ReLU(inplace=True)
        self.pair, self.head = Pair(), nn.Linear(4 * 16, 5)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        _, x = self.pair(self.act(self.second(self.act(self.first(x)))))
        return {"logits": self.head(x.flatten(1))}


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x * 2, x + 1


class Counting:
    """A backend that runs what it is given, and counts how often it was given something."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: torch.fx.GraphModule, _inputs: list[torch.Tensor]) -> Callable[..., object]:
        self.graphs += 1
        return graph.forward


def attach(model: nn.Module) -> fv.HookedModel:
    return fv.attach(model.eval(), input_shape=(3, 8, 8))


LAYERS = ["first", "second", "act", "act#1", "pair[0]", "pair[1]", "logits"]


def test_values_and_gradients_are_the_models_own(untouched) -> None:
    model = Awkward()
    hooked, backend = attach(model), Counting()
    reader = CompiledReader(hooked, LAYERS, required=True, backend=backend)
    ours, theirs = X.clone().requires_grad_(), X.clone().requires_grad_()
    with untouched(model), reader.attached() as read:
        found = read(ours, LAYERS)
        again = read(ours, ["act#1"])["act#1"]
    expected = hooked.read_normalized(theirs, LAYERS)
    assert list(found) == LAYERS
    for name in LAYERS:
        torch.testing.assert_close(found[name], expected[name])
    torch.testing.assert_close(again, expected["act#1"])
    sums = [sum(values.square().sum() for values in of.values()) for of in (found, expected)]
    torch.testing.assert_close(
        *(torch.autograd.grad(s, x)[0] for s, x in zip(sums, (ours, theirs), strict=True))
    )
    assert reader.is_compiled
    assert backend.graphs == 1


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "size", "layers"),
    [("cifar10_resnet20", 32, ["layer1", "layer3"]), ("cifar10_vit", 32, ["transformer.layers.3", "logits"])],
)
def test_real_networks_are_one_graph(shared, name: str, size: int, layers: list[str]) -> None:
    model, mean, std = shared.load(name)
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, size, size))
    images = hooked.normalize(shared.cifar10("test")[0][:4]).requires_grad_()
    backend = Counting()
    with CompiledReader(hooked, layers, required=True, backend=backend).attached() as read:
        found = read(images, layers)
    expected = hooked.read_normalized(images, layers)
    for layer in layers:
        torch.testing.assert_close(found[layer], expected[layer], rtol=1e-3, atol=1e-3)
    assert backend.graphs == 1


def test_many_layers_in_one_process_are_all_compiled() -> None:
    """`torch.compile` gives up code that it has compiled in eight variants."""
    hooked, backend = attach(nn.Sequential(*[nn.Conv2d(3, 3, 1) for _ in range(12)])), Counting()
    for number in range(12):
        with CompiledReader(hooked, [str(number)], required=True, backend=backend).attached() as read:
            read(X.clone().requires_grad_(), [str(number)])
    assert backend.graphs == 12


def test_batches_of_one_shape_are_compiled_once_and_each_other_shape_once_more() -> None:
    hooked, backend = attach(Awkward()), Counting()
    reader = CompiledReader(hooked, ["act#1"], backend=backend)
    for size in (2, 2, 1, 2, 1):
        with reader.attached() as read:
            found = read(X[:size].clone().requires_grad_(), ["act#1"])["act#1"]
        torch.testing.assert_close(found, hooked.read_normalized(X[:size], ["act#1"])["act#1"])
    assert backend.graphs == 2


def broken(_graph: object, _inputs: object) -> Callable[..., object]:
    raise ValueError("no such instruction")


def test_what_cannot_be_compiled_is_run_as_it_is(caplog, untouched) -> None:
    model = Awkward()
    hooked = attach(model)
    reader = CompiledReader(hooked, ["act#1"], backend=broken)
    with caplog.at_level(logging.WARNING, "fvhooks"), untouched(model), reader.attached() as read:
        found = read(X, ["act#1"])["act#1"]
    assert torch.equal(found, hooked.read_normalized(X, ["act#1"])["act#1"])
    assert not reader.is_compiled
    assert "no such instruction" in caplog.text
    demanding = CompiledReader(hooked, ["act#1"], required=True, backend=broken)
    with (
        pytest.raises(UnsupportedModelError, match="compiled="),
        untouched(model),
        demanding.attached() as read,
    ):
        read(X, ["act#1"])


class Otherwise(nn.Module):
    """Computes something else where it is compiled."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1 if torch.compiler.is_compiling() else x


def test_compiled_code_that_gives_something_else_is_not_used(caplog) -> None:
    hooked = attach(nn.Sequential(Otherwise()))
    reader = CompiledReader(hooked, ["0"], backend="eager")
    with caplog.at_level(logging.WARNING, "fvhooks"), reader.attached() as read:
        assert torch.equal(read(X, ["0"])["0"], X)
    assert "differs by 1 from what the model gives" in caplog.text


def test_a_compiled_model_and_latents_are_left_as_they_are() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    net[1].compile(backend="eager")
    with pytest.raises(UnsupportedModelError, match="compiled already"):
        CompiledReader(attach(net), ["0"], required=True)
    hooked = attach(nn.Sequential(nn.Conv2d(3, 4, 3))).with_sae("0", TopK(4, 8, k=2))
    with pytest.raises(UnsupportedModelError, match="autoencoder"):
        CompiledReader(hooked, ["0/sae"], required=True)
    assert not CompiledReader(hooked, ["0/sae"]).is_compiled
