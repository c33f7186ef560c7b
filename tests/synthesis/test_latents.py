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
    others = torch.arange(latents.shape[0])
    assert found[LAYER].abs().sum() == pytest.approx(float(found[LAYER][others, unit.channel].abs().sum()))
    assert found["stage1"].abs().sum() > 0


def test_what_has_no_rule_for_latents_says_so(hooked) -> None:
    with pytest.raises(UnsupportedModelError, match="Expected modules of the model, got Latents"):
        FlowLRP(hooked.module, hooked.modules[LAYER])
