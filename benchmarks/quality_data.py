"""The real images of the quality benchmark's tracks, and what their classes are called."""

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Data:
    """A data set: what a store is collected from, and test images beyond where there are any.

    `images` and `tests` are `uint8`, (image, rgb, y, x). `imagenet`: the ImageNet class of each class, for
    judges that know those; empty where there is none.
    """

    images: torch.Tensor
    labels: torch.Tensor
    tests: torch.Tensor
    test_labels: torch.Tensor
    names: tuple[str, ...]
    imagenet: tuple[int, ...] = ()


def load_data(networks: ModuleType, name: str) -> Data:
    """The data set of a track, "cifar10" or "tiny_imagenet"."""
    return {"cifar10": _cifar10, "tiny_imagenet": _tiny_imagenet}[name](networks)


def _cifar10(networks: ModuleType) -> Data:
    return Data(*networks.cifar10("train"), *networks.cifar10("test"), CIFAR10)


def _tiny_imagenet(networks: ModuleType) -> Data:
    """Its classes are classes of ImageNet: both go by WordNet ids, and outputs follow their order."""
    images, labels = networks.tiny_imagenet()
    with np.load(networks.HERE / "images" / "tiny_imagenet.npz") as file:
        ids = file["wnids"].tolist()
    folders = networks.imagenet_sample()
    first = {label: path for path, label in reversed(folders.samples)}
    imagenet = tuple(folders.class_to_idx[one] for one in ids)
    names = tuple(_name(first[place]) for place in imagenet)
    return Data(images, labels, images[:0], labels[:0], names, imagenet)


def _name(path: str) -> str:
    """A sample's file is called after its class."""
    return path.replace("\\", "/").rpartition("/")[2].partition(".")[0].replace("_", " ")
