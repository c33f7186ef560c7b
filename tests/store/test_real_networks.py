"""Collections over real images with trained networks."""

import numpy as np
import pytest
import torch
from torch.utils.data import Subset, TensorDataset

import fvhooks as fv

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def cifar(shared, tmp_path_factory):
    model, mean, std = shared.load("cifar10_resnet20")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    images, labels = shared.cifar10("test")
    where = tmp_path_factory.mktemp("cifar") / "stats.zarr"
    layers = ["bn1", "layer1", "layer2", "layer3"]
    return fv.collect(hooked, TensorDataset(images, labels), where, layers=layers, show_progress=False)


def test_accuracy_is_the_networks(cifar) -> None:
    assert cifar.accuracy() == pytest.approx(0.91, abs=0.005)


def test_a_class_unit_prefers_its_class(cifar) -> None:
    for label in range(10):
        top = cifar.top_images(fv.Unit.logit(label), k=9)
        assert (top.label.values == label).mean() >= 0.8
        assert (np.diff(top.value.values) <= 0).all()


def test_profiles_of_a_streamed_store_equal_one_batch(cifar, shared) -> None:
    """Also the group's images in one batch, sorted at once."""
    table = cifar.images_table
    images, _ = shared.cifar10("test")
    rows = np.flatnonzero((table.label.values == 3) & (table.split.values == "reference"))
    assert int(cifar["layer2"].group_count.sel(group=3)) == min(50, len(rows))
    model, mean, std = shared.load("cifar10_resnet20")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    with torch.no_grad():
        read = hooked.read(images[table["index"].values[rows]], ["layer2"])["layer2"]
    exact = read.flatten(2).sort(-1).values.double().mean(0)
    ranks, found = cifar.profile("layer2", 3)
    np.testing.assert_allclose(found, exact[:, ranks], rtol=1e-4, atol=1e-5)


def test_folders_of_photographs(shared, tmp_path) -> None:
    model, mean, std = shared.load("imagenet_squeezenet1_1")
    hooked = fv.attach(model, fv.Preprocessing(tuple(mean), tuple(std), (3, 224, 224), 224))
    photos = Subset(shared.imagenet_sample(), range(0, 1000, 25))
    store = fv.collect(hooked, photos, tmp_path / "s.zarr", layers=["features.9"], show_progress=False)
    assert store.accuracy() > 0.5
    table = store.images_table
    assert table.id.values[0].startswith("n01440764/")
    assert table.label.values.tolist() == list(range(0, 1000, 25))
    top = store.top_images(fv.Unit("features.9", 5), k=3)
    pictures = store.images(top.id.values)
    read = hooked.read(pictures, ["features.9"])["features.9"][:, 5].flatten(1).detach()
    np.testing.assert_allclose(read.max(1).values, top.value, rtol=1e-3)
    assert read.argmax(1).tolist() == top.position.values.tolist()
