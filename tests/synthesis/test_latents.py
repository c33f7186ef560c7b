"""Pictures of latents: those of the demo's trained autoencoder, by the recipes `fourier` and `vital`."""

from pathlib import Path

import numpy as np
import pytest
import torch

import fvhooks as fv
from fvhooks.demo import load_autoencoder, load_network, photographs
from fvhooks.demo.autoencoders import SITE
from fvhooks.errors import UnsupportedModelError
from fvhooks.relevance import FlowLRP
from fvhooks.relevance.captum import channel_relevance
from fvhooks.synthesis.objectives import Seen
from fvhooks.synthesis.objectives.latent_activation import LatentActivation
from fvhooks.synthesis.recipes.vital import Vital

LAYER = f"{SITE}/sae"


@pytest.fixture(scope="module")
def hooked() -> fv.HookedModel:
    return load_network().with_sae(SITE, load_autoencoder())


@pytest.fixture(scope="module")
def store(hooked: fv.HookedModel, tmp_path_factory: pytest.TempPathFactory) -> fv.Store:
    path: Path = tmp_path_factory.mktemp("latents") / "stats.zarr"
    crops = photographs("held_out")
    some = torch.utils.data.Subset(crops, range(0, len(crops), 4))
    return fv.collect(hooked, some, path, layers=["stage1", SITE, LAYER], show_progress=False)


@pytest.fixture(scope="module")
def unit(store: fv.Store) -> fv.Unit:
    return fv.Unit(LAYER, int(np.argmax(store[LAYER].peak.mean("image").values)))


def test_the_trained_autoencoder_misses_little_of_held_out_regions(hooked) -> None:
    crops = photographs("held_out")
    images = torch.stack([crops[index][0] for index in range(0, len(crops), 10)])
    assert hooked.reconstruction_error(images, LAYER) < 0.1


@pytest.mark.parametrize("recipe", ["fourier", "vital"])
def test_a_picture_of_a_latent_makes_it_fire_more_than_noise_does(hooked, store, unit, recipe) -> None:
    steps = 24
    vis = fv.visualize(hooked, unit, recipe=recipe, store=store, seeds=1, steps=steps, show_progress=False)
    grey = hooked.read(torch.full((1, 3, 64, 64), 0.5), [LAYER])[LAYER][0, unit.channel].max()
    assert vis.data.flag.values.item() == ""
    assert vis.data.activation.values.item() > 1.5 * float(grey)


def test_latents_that_noise_leaves_silent_are_found_by_the_decoder(hooked, store) -> None:
    units = [fv.Unit(LAYER, channel) for channel in (3, 100, 200, 381)]
    vis = fv.visualize(hooked, units, recipe="fourier", seeds=1, steps=40, show_progress=False)
    assert vis.data.flag.values.ravel().tolist() == [""] * 4
    one = fv.Unit(LAYER, 100, position=(2, 5))
    vis = fv.visualize(hooked, one, recipe="fourier", seeds=1, steps=40, show_progress=False)
    assert vis.data.activation.values.item() > 0


def test_a_silent_latent_is_pulled_along_its_decoder_and_a_firing_one_by_itself() -> None:
    site = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]], requires_grad=True)
    latents = torch.tensor([[[0.0, 5.0]]], requires_grad=True)
    objective = LatentActivation(
        [fv.Unit("a/sae", 0)], fv.Layout("flat", 1), "a", torch.tensor([[10.0, 1.0]])
    )
    seen = Seen({"a/sae": latents, "a": site}, torch.zeros(1, 3, 4, 4), torch.tensor([0]))
    (loss,) = objective(seen)
    on_site, on_latents = torch.autograd.grad(loss, [site, latents])
    assert loss.item() == -(13 + 5) / 2
    assert on_site.tolist() == [[[-5.0, 0.0], [-0.5, 0.0]]]
    assert on_latents.tolist() == [[[0.0, -0.5]]]


def test_latents_are_matched_like_any_layer(hooked, store, unit) -> None:
    plain, both = (
        fv.visualize(hooked, unit, recipe=Vital(nodes, 8), store=store, seeds=1, show_progress=False)
        for nodes in ((SITE,), (SITE, LAYER))
    )
    assert both.data.loss.values[0, 0, 0] > plain.data.loss.values[0, 0, 0]
    assert not np.array_equal(plain.images.values, both.images.values)


def test_the_relevance_of_a_latent_for_itself_is_its_own_mean(hooked, unit) -> None:
    images = torch.stack([photographs("held_out")[index][0] for index in (0, 300)]).float() / 255
    found = channel_relevance(hooked, images, LAYER, unit.channel, ["stage1", LAYER])
    latents = hooked.read(images, [LAYER])[LAYER].flatten(2)[:, unit.channel]
    assert torch.allclose(found[LAYER][:, unit.channel], latents / latents.shape[-1], atol=1e-5)
    others = [channel for channel in range(found[LAYER].shape[1]) if channel != unit.channel]
    assert not found[LAYER][:, others].any()
    assert found["stage1"].abs().sum() > 0


def test_what_has_no_rule_for_latents_says_so(hooked) -> None:
    with pytest.raises(UnsupportedModelError, match="Expected modules of the model, got Latents"):
        FlowLRP(hooked.module, hooked.modules[LAYER])
