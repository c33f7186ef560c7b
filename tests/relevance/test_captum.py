"""Relevance of inner channels through Captum attributors."""

import pytest
import torch
from captum.attr import InternalInfluence, LayerGradientXActivation, LayerIntegratedGradients
from torch import nn

import fvhooks as fv
from fvhooks.errors import LayerNotFoundError, NonFiniteError, UnsupportedModelError
from fvhooks.relevance.captum import channel_relevance


@pytest.fixture
def hooked() -> fv.HookedModel:
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3, bias=False), nn.ReLU(), nn.Conv2d(4, 2, 3)
    )
    return fv.attach(net, mean=[0.5] * 3, std=[0.5] * 3, input_shape=(3, 10, 10))


def test_gradient_times_activation_by_hand(hooked: fv.HookedModel) -> None:
    images = torch.rand(3, 3, 10, 10)
    got = channel_relevance(hooked, images, "2", 1, ["1"])["1"]
    inner = hooked.read(images, ["1"])["1"].requires_grad_()
    outputs = hooked.model[2](inner)[:, 1].mean((1, 2))
    (gradient,) = torch.autograd.grad(outputs.sum(), inner)
    torch.testing.assert_close(got, (gradient * inner).detach().flatten(2))
    torch.testing.assert_close(got.sum((1, 2)), outputs.detach())  # without a bias it is complete


def test_several_layers_and_the_targets_own(hooked: fv.HookedModel) -> None:
    images = torch.rand(2, 3, 10, 10)
    got = channel_relevance(hooked, images, "3", 0, ["0", "1", "3"])
    assert {node: tuple(values.shape) for node, values in got.items()} == {
        "0": (2, 6, 64),
        "1": (2, 6, 64),
        "3": (2, 4, 36),
    }
    assert got["3"][:, 1:].abs().max() == 0
    assert not any(values.requires_grad for values in got.values())


@pytest.mark.parametrize(
    "attributor", [LayerGradientXActivation, LayerIntegratedGradients, InternalInfluence]
)
def test_any_layer_attributor(attributor: type, hooked: fv.HookedModel) -> None:
    got = channel_relevance(hooked, torch.rand(2, 3, 10, 10), "2", 1, ["1"], attributor=attributor)
    assert got["1"].shape == (2, 6, 64)
    assert got["1"].abs().max() > 0


def test_an_attributor_that_refuses_the_model_is_named(hooked: fv.HookedModel) -> None:
    class Refusing:
        def __init__(self, model: nn.Module, layer: nn.Module) -> None:
            raise TypeError("no rule for Conv2d")

    with pytest.raises(
        UnsupportedModelError, match="Refusing does not work on Sequential at '1': no rule for Conv2d"
    ):
        channel_relevance(hooked, torch.rand(1, 3, 10, 10), "2", 1, ["1"], attributor=Refusing)


def test_nan_is_named_by_image(hooked: fv.HookedModel) -> None:
    class Broken:
        def __init__(self, model: nn.Module, layer: nn.Module) -> None:
            pass

        def attribute(self, images: torch.Tensor, target: int) -> torch.Tensor:
            values = torch.zeros(len(images), 6, 8, 8)
            values[1, 0, 0, 0] = float("nan")
            return values

    with pytest.raises(NonFiniteError, match=r"layer '1' is NaN or infinite for images \[1\]"):
        channel_relevance(hooked, torch.rand(2, 3, 10, 10), "2", 1, ["1"], attributor=Broken)


def test_an_unknown_layer(hooked: fv.HookedModel) -> None:
    with pytest.raises(LayerNotFoundError, match="no layer '7'"):
        channel_relevance(hooked, torch.rand(1, 3, 10, 10), "2", 1, ["7"])


def test_several_layers_in_one_call_equal_one_call_each(hooked: fv.HookedModel) -> None:
    images = torch.rand(2, 3, 10, 10)
    together = channel_relevance(hooked, images, "3", 0, ["0", "1", "2"])
    for node, values in together.items():
        torch.testing.assert_close(values, channel_relevance(hooked, images, "3", 0, [node])[node])


def test_an_earlier_call_of_a_reused_module_is_refused() -> None:
    class Reusing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.relu = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.relu(self.second(self.relu(self.first(x))))

    hooked = fv.attach(Reusing(), input_shape=(3, 10, 10))
    images = torch.rand(2, 3, 10, 10)
    with pytest.raises(UnsupportedModelError, match=r"'relu' is call 0 of 2 calls"):
        channel_relevance(hooked, images, "relu#1", 1, ["relu"])
    up_to_second = channel_relevance(hooked, images, "second", 1, ["relu"])["relu"]  # here it is the last
    inner = hooked.read(images, ["relu"])["relu"].requires_grad_()
    (gradient,) = torch.autograd.grad(hooked.model.second(inner)[:, 1].mean((1, 2)).sum(), inner)
    torch.testing.assert_close(up_to_second, (gradient * inner).detach().flatten(2))
