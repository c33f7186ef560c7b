"""The modules that are handed to Captum."""

import pytest
import torch
from captum.attr import IntegratedGradients, LayerGradientXActivation, NoiseTunnel, Saliency
from torch import nn

import fvhooks as fv
from fvhooks.errors import LayerNotFoundError, NonFiniteError

X = torch.rand(2, 3, 8, 8)


@pytest.fixture
def net() -> nn.Sequential:
    layers = (
        nn.Conv2d(3, 4, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 5, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(80, 6),
    )
    return nn.Sequential(*layers).train()


@pytest.fixture
def hooked(net: nn.Sequential) -> fv.HookedModel:
    return fv.attach(net, mean=[0.4] * 3, std=[0.3] * 3, input_shape=(3, 8, 8))


def test_the_module_gives_logits_of_images_in_unit_range(hooked, net) -> None:
    assert torch.allclose(hooked.module(X), net((X - 0.4) / 0.3))
    assert hooked.module is hooked.module


def test_the_trunk_gives_the_mean_of_each_channel(hooked, net) -> None:
    expected = net[:4]((X - 0.4) / 0.3).mean((2, 3))
    assert torch.allclose(hooked.trunk("3")(X), expected)


def test_a_trunk_of_a_layer_without_channels_says_so() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Unflatten(1, (2, 2)))
    trunk = fv.attach(net, input_shape=(3, 8, 8)).trunk("1")
    with pytest.raises(LayerNotFoundError, match=r"no channel axis: it gives \(2, 2, 6, 6\) for one image"):
        trunk(X)


def test_the_trunk_computes_nothing_behind_its_layer(hooked, net) -> None:
    net[5].forward = lambda _x: pytest.fail("ran past the layer")
    hooked.trunk("3")(X)


def test_the_trunk_of_the_logits_is_the_module(hooked) -> None:
    assert torch.equal(hooked.trunk("logits")(X), hooked.module(X))


def test_integrated_gradients_are_complete_on_both(hooked) -> None:
    for module in (hooked.module, hooked.trunk("2")):
        found = IntegratedGradients(module).attribute(X, target=1, n_steps=200)
        gap = module(X)[:, 1] - module(torch.zeros_like(X))[:, 1]
        assert torch.allclose(found.sum((1, 2, 3)), gap, atol=5e-3)


def test_a_layer_attributor_takes_the_trunk_and_a_channel(hooked, net, untouched) -> None:
    with untouched(net):
        found = LayerGradientXActivation(hooked.trunk("2"), net[0]).attribute(X, target=3)
    middle = net[0]((X - 0.4) / 0.3)
    (gradient,) = torch.autograd.grad(net[2](net[1](middle.clone())).mean((2, 3))[:, 3].sum(), middle)
    assert torch.allclose(found, gradient * middle, atol=1e-6)


def test_a_layer_attributor_takes_the_module_and_a_class(hooked, net) -> None:
    found = LayerGradientXActivation(hooked.module, [net[0], net[2]]).attribute(X, target=5)
    assert [tuple(f.shape) for f in found] == [(2, 4, 6, 6), (2, 5, 4, 4)]
    assert found[0].sum((1, 2, 3)).shape == (2,)


def test_noise_outside_the_unit_range_is_a_warning_not_an_error(hooked) -> None:
    tunnel = NoiseTunnel(Saliency(hooked.module))
    with pytest.warns(
        UserWarning, match="Images outside .0, 1. reach the model. That is right for the noise"
    ):
        found = tunnel.attribute(X, target=0, nt_samples=2, stdevs=0.5)
    assert found.shape == X.shape


def test_images_that_are_not_finite_are_an_error(hooked) -> None:
    for module in (hooked.module, hooked.trunk("2")):
        with pytest.raises(NonFiniteError, match="NaN or infinity in images"):
            module(X / 0)


def test_attribution_leaves_the_model_in_training_mode_and_without_gradients(hooked, net, untouched) -> None:
    with untouched(net):
        IntegratedGradients(hooked.module).attribute(X, target=0, n_steps=3)
        Saliency(hooked.trunk("2")).attribute(X.clone().requires_grad_(), target=0)


def test_a_captum_run_in_inference_mode_fails_instead_of_giving_zeros(hooked) -> None:
    with torch.inference_mode(), pytest.raises(RuntimeError):
        LayerGradientXActivation(hooked.trunk("2"), hooked.model[0]).attribute(
            torch.rand(1, 3, 8, 8), target=0
        )
