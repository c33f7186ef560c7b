"""A CIFAR-10 network that is looked into, pictures of its outputs, and real images that made none of them."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image
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


def make_pictures(world: World, cache: Path, recipe: str, seeds: int) -> Set:
    """Pictures from the cache, or made now; "vital/5" follows five groups of references."""
    path = cache / f"{recipe.replace('/', '-')}-{seeds}.zarr"
    if not path.exists():
        name, _, facets = recipe.partition("/")
        units = [fv.Unit.logit(label) for label in range(CLASSES)]
        made = fv.visualize(world.hooked, units, name, world.store, seeds=seeds, facets=int(facets or 1))
        made.save(path)
        fv.contact_sheet(made).save(path.with_suffix(".png"))
    loaded = fv.load(path)
    return Set(recipe, torch.from_numpy(loaded.data["images"].values))


def floors(world: World, seeds: int) -> list[Set]:
    """Pictures that say nothing about the network, from images that its store makes pictures of."""
    store, table = world.store, world.store.images_table
    means, copies = [], []
    for label in range(CLASSES):
        chosen = table.id.values[(table.label.values == label) & (table.split.values == "reference")]
        images = store.images(chosen)
        means.append(images.mean(0).expand(seeds, -1, -1, -1))
        copies.append(images[:1].expand(seeds, -1, -1, -1))
    shape = (CLASSES, seeds, *means[0].shape[1:])
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    grey = torch.full(shape, 0.5)
    named = {"one reference, copied": torch.stack(copies), "class mean": torch.stack(means), "grey": grey}
    return [Set(name, images) for name, images in (named | {"noise": noise}).items()]


def split_real(world: World, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `count` fresh images a class, in label order, and of the rest."""
    rng = np.random.default_rng(seed)
    fresh = [rng.permutation(np.flatnonzero(world.labels == label))[:count] for label in range(CLASSES)]
    chosen = np.concatenate(fresh)
    return chosen, np.setdiff1d(np.arange(len(world.labels)), chosen)


def contact_sheet(sets: list[Set], scale: int = 3, each: int = 2) -> Image.Image:
    """The first pictures of each class (columns), `each` rows a set."""
    rows = [pictures.images[:, seed] for pictures in sets for seed in range(each)]
    padded = torch.nn.functional.pad(torch.stack(rows), (1, 1, 1, 1), value=1.0)
    sheet = padded.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    image = Image.fromarray((sheet * 255).round().to(torch.uint8).numpy())
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
