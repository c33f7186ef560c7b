"""Latents in a store: collected like any layer, with what they miss; bound to their autoencoder."""

import numpy as np
import pytest
import torch

import fvhooks as fv
from fvhooks.datasets.inspection import INSPECTED
from fvhooks.datasets.sources import spread
from fvhooks.demo import TopK
from fvhooks.errors import LayerNotFoundError, StoreError

LAYER = "1/sae"


def coder(seed: int = 0, k: int = 4) -> TopK:
    torch.manual_seed(seed)
    return TopK(20, 32, k=k)


@pytest.fixture(scope="module")
def with_sae(hooked: fv.HookedModel) -> fv.HookedModel:
    return hooked.with_sae("1", coder())


@pytest.fixture(scope="module")
def where(with_sae, data, collect, tmp_path_factory):
    path = tmp_path_factory.mktemp("latents") / "stats.zarr"
    collect(with_sae, data, path, layers=["3", LAYER, "1"])
    return path


def test_latents_are_collected_behind_their_site(where, with_sae, data) -> None:
    store = fv.open_store(where, data)
    assert store.layers == ["1", LAYER, "3", "logits"]
    images = store.images(store.images_table.id.values.astype(str))
    latents = with_sae.read(images, [LAYER])[LAYER]
    assert np.allclose(store[LAYER].peak.values, latents.detach().amax((2, 3)).numpy(), atol=1e-5)
    top = store.top_images(fv.Unit(LAYER, int(latents.sum((0, 2, 3)).argmax())), k=3)
    assert top.value.values[0] > 0


def test_a_store_says_what_its_latents_miss(where, with_sae, data) -> None:
    attributes = fv.open_store(where, data)[LAYER].attrs
    few = torch.stack([data[index][0] for index in spread(90, INSPECTED)])
    expected = with_sae.reconstruction_error(few, LAYER)
    assert attributes["reconstruction_error"] == pytest.approx(expected, rel=1e-6)
    assert attributes["reconstruction_images"] == INSPECTED
    assert "reconstruction_error" not in fv.open_store(where)["1"].attrs


@pytest.mark.parametrize("other", [coder(seed=1), coder(k=5)], ids=["weights", "k"])
def test_another_autoencoder_of_the_same_name_is_refused(where, hooked, data, collect, other) -> None:
    there = hooked.with_sae("1", other)
    with pytest.raises(StoreError, match="another model .autoencoders"):
        fv.open_store(where).require(there)
    with pytest.raises(StoreError, match="another model .autoencoders"):
        collect(there, data, where, layers=["3", LAYER, "1"])


def test_the_same_autoencoder_is_not_refused_nor_a_model_without_it(where, hooked, data, collect) -> None:
    store = collect(hooked.with_sae("1", coder()), data, where, layers=["3", LAYER, "1"])
    store.require(hooked.with_sae("1", coder()), [LAYER])
    store.require(hooked, ["1"])
    store.require(hooked.with_sae("1", coder(seed=1), name="other"))
    with pytest.raises(LayerNotFoundError):
        collect(hooked, data, where, layers=["3", LAYER, "1"])


def test_a_store_without_latents_serves_a_model_with_them(store, with_sae) -> None:
    store.require(with_sae, ["1"])
    with pytest.raises(LayerNotFoundError, match=LAYER):
        store.require(with_sae, [LAYER])
