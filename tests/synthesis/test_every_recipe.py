"""Every recipe on a convolutional network and on vision transformers, for an output and an inner unit."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.errors import UnsupportedModelError
from fvhooks.synthesis.recipes import RECIPES

LAYERS = {
    "cifar10_resnet20": ("layer1", "layer3"),
    "cifar10_vit": ("transformer.layers.1", "transformer.layers.4"),
    "imagenet_vit_tiny": ("vit.layers.0", "vit.layers.2.mlp.activation_fn"),
}

FEW = {"vital_faithful": RECIPES["vital_faithful"](count=4, candidates=4)}
"""With fewer reference images than by default."""

pytestmark = pytest.mark.real


class Files:
    """The first images of a list of paths and labels."""

    def __init__(self, files: list[tuple[str, int]]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.open(self.files[index][0]).convert("RGB"), self.files[index][1]


@pytest.fixture(scope="module", params=list(LAYERS))
def looked_into(
    request: pytest.FixtureRequest, shared: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> tuple[fv.HookedModel, fv.Store]:
    model, mean, std = shared.load(request.param)
    small = request.param.startswith("cifar")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32) if small else (3, 224, 224))
    images, labels = shared.cifar10("train")
    data: Any = TensorDataset(images[:150], labels[:150]) if small else Files(shared.imagenet_five()[:20])
    path = tmp_path_factory.mktemp("every") / "s.zarr"
    layers = list(LAYERS[request.param])
    return hooked, fv.collect(hooked, data, path, layers=layers, show_progress=False)


def firing(store: fv.Store) -> fv.Unit:
    """The inner unit that fires for most images."""
    layer = [name for name in store.layers if name != "logits"][-1]
    return fv.Unit(layer, int(store[layer].active_fraction.values.argmax()))


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_outputs_and_inner_units_of_every_network(
    recipe: str, looked_into: tuple[fv.HookedModel, fv.Store]
) -> None:
    hooked, store = looked_into
    units = [fv.Unit.logit(int(store.images_table.label.values[0])), firing(store)]
    steps = 10 if store.image_shape[1] == 32 else 2
    options: dict[str, Any] = {"seeds": 1, "steps": steps, "show_progress": False}
    model: nn.Module = hooked.model
    if recipe == "deep_inversion" and not any(isinstance(m, _BatchNorm) for m in model.modules()):
        with pytest.raises(UnsupportedModelError, match=r"batch normalisation, of which \w+ has none up to"):
            fv.visualize(hooked, units, recipe, store, **options)
        return
    chosen = FEW.get(recipe, recipe)
    vis = fv.visualize(hooked, units, chosen, store, **options)
    assert np.isfinite(vis.images.values).all()
    assert (vis.data.flag == "").all()  # a gradient reached every picture, and its unit fires
    assert (vis.images.values.std((-1, -2)).mean((-1, -2)) > 0.01).all()  # no grey square
    masked = recipe == "vital_faithful"  # of inner units: masks move with the picture, and the loss may rise
    falling = vis.data.loss.values[: 1 if masked else None]
    if steps > 2:
        assert (falling[..., -1] < falling[..., 0]).all()


def test_both_settings_of_the_minds_eye_see_a_set(looked_into: tuple[fv.HookedModel, fv.Store]) -> None:
    hooked, store = looked_into
    first = [str(name) for name in store.images_table.id.values[:8]]
    mine = fv.ImageSet(firing(store).layer, store.images(first), name="eight")
    recipes = [RECIPES["minds_eye"](), RECIPES["minds_eye"].as_coded(penalty_layer=store.layers[0])]
    for recipe in recipes:
        vis = fv.visualize(hooked, mine, recipe, store, seeds=1, steps=3, show_progress=False)
        assert (vis.data.flag == "").all()
        assert (vis.data.loss.values[..., -1] < vis.data.loss.values[..., 0]).all()
