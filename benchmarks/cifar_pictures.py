"""A CIFAR-10 network that is looked into, pictures of its outputs, and real images that made none of them."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch.utils.data import TensorDataset
from trained import load_networks

import fvhooks as fv

CLASSES = 10
LAYERS = ["bn1", "layer1", "layer2", "layer3"]


@dataclass(frozen=True)
class Set:
    """Pictures or real images (class, seed, rgb, y, x) in [0, 1]."""

    name: str
    images: torch.Tensor

    @property
    def flat(self) -> torch.Tensor:
        """All pictures, class by class."""
        return self.images.flatten(0, 1)

    @property
    def labels(self) -> np.ndarray:
        """What each of them is of."""
        return np.repeat(np.arange(CLASSES), self.images.shape[1])


@dataclass(frozen=True)
class World:
    """The network that is looked into, its store, and real images that no picture was made from."""

    networks: ModuleType
    hooked: fv.HookedModel
    store: fv.Store
    real: torch.Tensor
    labels: np.ndarray


def attach(networks: ModuleType, name: str) -> fv.HookedModel:
    model, mean, std = networks.load(name)
    return fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))


def build_world(cache: Path) -> World:
    networks = load_networks()
    hooked = attach(networks, "cifar10_resnet20")
    images, labels = networks.cifar10("train")
    store = fv.collect(hooked, TensorDataset(images, labels), cache / "stats.zarr", layers=LAYERS)
    table = store.images_table
    held = table["index"].values[table.split.values == "report"]
    test, test_labels = networks.cifar10("test")
    real = torch.cat([images[held], test]).float() / 255
    return World(networks, hooked, store, real, np.concatenate([labels.numpy()[held], test_labels.numpy()]))


def split_real(world: World, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `count` fresh images a class, in label order, and of the rest."""
    rng = np.random.default_rng(seed)
    fresh = [rng.permutation(np.flatnonzero(world.labels == label))[:count] for label in range(CLASSES)]
    chosen = np.concatenate(fresh)
    return chosen, np.setdiff1d(np.arange(len(world.labels)), chosen)
