"""Prototype generation: where it begins, and what it pays for."""

from dataclasses import replace
from types import ModuleType

import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.errors import MissingInputError
from fvhooks.synthesis.parametrisations.images import PixelImages
from fvhooks.synthesis.recipes import Request
from fvhooks.synthesis.recipes.prototype import Prototype

SIZE = (3, 12, 12)


def request(outputs: int = 3, layer: str = "logits") -> Request:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(800, outputs)).eval()
    hooked = fv.attach(net, mean=[0.4] * 3, std=[0.1] * 3, input_shape=SIZE)
    return Request(hooked, [fv.Unit(layer, 0)], None, 20, 2, 1, SIZE)


def begun(recipe: Prototype, asked: Request) -> torch.Tensor:
    generators = [torch.Generator().manual_seed(number) for number in range(2)]
    return recipe.plan(asked).start(generators, [0, 0]).images().detach()


def test_it_begins_where_every_output_is_as_likely() -> None:
    asked, recipe = request(), Prototype(baseline=8.0)
    noise, even = begun(replace(recipe, baseline=0.0), asked), begun(recipe, asked)
    spread = [asked.hooked.read(x, ["logits"])["logits"].softmax(1).std(1) for x in (noise, even)]
    assert (spread[1] < 1e-3).all()
    assert (spread[0] > 1e-2).all()
    assert even.min() >= 0
    assert even.max() <= 1
    assert (even[0] - even[1]).abs().mean() > 0.1  # seeds stay apart


@pytest.mark.real
def test_a_trained_network_that_is_sure_of_noise_is_sure_of_nothing_then(shared: ModuleType) -> None:
    model, mean, std = shared.load("cifar10_resnet20")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    asked = Request(hooked, [fv.Unit.logit(0)], None, 256, 2, 1, (3, 32, 32))
    likely = [
        hooked.read(begun(Prototype(baseline=share), asked), ["logits"])["logits"].softmax(1)
        for share in (0.0, Prototype().baseline)
    ]
    assert likely[0].max() > 0.5
    assert likely[1].max() < 0.11


def test_the_baseline_is_the_models_not_the_units() -> None:
    outputs, inner = (begun(Prototype(), request(layer=layer)) for layer in ("logits", "0"))
    torch.testing.assert_close(outputs, inner, rtol=0, atol=0)


def test_a_single_output_has_no_baseline() -> None:
    generators = [torch.Generator().manual_seed(number) for number in range(2)]
    noise = PixelImages(SIZE, generators, torch.device("cpu")).images().detach()
    torch.testing.assert_close(begun(Prototype(), request(outputs=1)), noise, rtol=0, atol=0)


def test_roughness_has_its_price() -> None:
    asked = request()
    steps: list[torch.Tensor] = []
    for price in (0.0, 3000.0):
        vis = fv.visualize(
            asked.hooked, asked.units, Prototype(roughness=price), seeds=2, steps=40, show_progress=False
        )
        pictures = torch.from_numpy(vis.images.values)
        steps.append((pictures[..., 1:] - pictures[..., :-1]).abs().mean())
    assert steps[1] < 0.5 * steps[0]


def test_a_baseline_of_less_than_no_steps() -> None:
    with pytest.raises(MissingInputError, match="Prototype needs baseline of at least 0, got -1"):
        Prototype(baseline=-1).plan(request())


def test_it_has_no_references_to_split() -> None:
    asked = replace(request(), facets=2)
    with pytest.raises(MissingInputError, match="'prototype' has no references to split into 2 facets"):
        Prototype().plan(asked)
