"""The recipes on a trained network and real images: pictures of classes are taken for them."""

from types import ModuleType

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.synthesis.sets import find_clusters, mean_activations

CLASSES = (1, 7, 8)  # automobile, horse, ship

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def hooked(shared: ModuleType) -> fv.HookedModel:
    model, mean, std = shared.load("cifar10_resnet20")
    return fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))


@pytest.fixture(scope="module")
def store(shared: ModuleType, hooked: fv.HookedModel, tmp_path_factory: pytest.TempPathFactory) -> fv.Store:
    images, labels = shared.cifar10("train")
    dataset = TensorDataset(images[:600], labels[:600])
    path = tmp_path_factory.mktemp("recipes") / "s.zarr"
    return fv.collect(hooked, dataset, path, layers=["layer1", "layer2", "layer3"], show_progress=False)


@pytest.mark.parametrize(
    "recipe", ["maco", "deep_inversion", "accentuate", "minds_eye", "portrait", "prototype"]
)
def test_pictures_of_classes_are_taken_for_them(recipe: str, hooked: fv.HookedModel, store: fv.Store) -> None:
    units = [fv.Unit.logit(index) for index in CLASSES]
    vis = fv.visualize(hooked, units, recipe, store, seeds=2, steps=60, show_progress=False)
    logits = hooked.read(torch.from_numpy(vis.images.values).flatten(0, 1), ["logits"])["logits"]
    assert logits.argmax(1).tolist() == np.repeat(CLASSES, 2).tolist()
    assert (vis.data.flag == "").all()


def test_accentuated_pictures_stay_themselves(hooked: fv.HookedModel, store: fv.Store) -> None:
    unit = fv.Unit("layer3", 40)
    vis = fv.visualize(hooked, unit, "accentuate", store, seeds=3, show_progress=False)
    top = store.top_images(unit, k=3, split="reference")
    begun = store.images([str(name) for name in top.id.values])
    assert (vis.data.activation.values[0] > 1.5 * top.value.values).all()
    shown = torch.from_numpy(vis.images.values[0])
    distance = (shown.flatten(1)[:, None] - begun.flatten(1)[None]).norm(dim=-1)
    assert distance.argmin(1).tolist() == [0, 1, 2]


def test_each_group_of_a_mixed_set_is_recovered(
    shared: ModuleType, hooked: fv.HookedModel, store: fv.Store
) -> None:
    """In the network, and in another one that was trained from other random numbers."""
    images, labels = shared.cifar10("test")
    mixed = torch.cat([images[labels == index][:30] for index in CLASSES]).float() / 255
    mine = fv.ImageSet("layer3", mixed, name="three classes")
    vis = fv.visualize(hooked, mine, "minds_eye", store, facets=3, seeds=3, steps=100, show_progress=False)
    groups = find_clusters(hooked, "layer3", mixed, 3)
    model, mean, std = shared.load("cifar10_resnet56")
    other = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    for judge in (hooked, other):
        means = mean_activations(judge, "layer3", mixed)
        targets = np.stack([means[members].mean(0) for members in groups.members]) - means.mean(0)
        shown = mean_activations(judge, "layer3", torch.from_numpy(vis.images.values[0])) - means.mean(0)
        likeness = np.corrcoef(shown, targets)[:3, 3:]
        assert likeness.argmax(1).tolist() == [0, 1, 2]
