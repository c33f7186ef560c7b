"""Attribution graphs of GoogLeNet (Inception V1, Summit's own architecture) for groups of ImageNet classes.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/googlenet_graph.py --work CACHE --groups birds dogs

The 1,750 real images are put into about twenty groups (`superclasses.py`). A group's graph becomes a page and
a PNG, with real crops on its nodes.
"""

import argparse
import time
from pathlib import Path
from types import ModuleType

from PIL import Image
from superclasses import NAMES, group_of_class
from torch.utils.data import Dataset
from trained import load_networks

import fvhooks as fv

MODULES = ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]
LAYERS = [f"inception_{name}" for name in MODULES]


class Photographs(Dataset[tuple[Image.Image, int]]):
    """All images at 224 pixels, each with the group of its class."""

    def __init__(self, networks: ModuleType) -> None:
        group = group_of_class()
        sample = networks.imagenet_sample()
        listed = [*sample.samples, *networks.imagenet_five()]
        self.files = [(str(path), group[label]) for path, label in listed]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        path, label = self.files[index]
        return Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR), label


def attached(networks: ModuleType) -> fv.HookedModel:
    model, mean, std = networks.load("imagenet_googlenet")
    return fv.attach(model, mean=mean, std=std, input_shape=(3, 224, 224))


def build(work: Path) -> tuple[fv.HookedModel, fv.Store]:
    """The network and its store, with influence."""
    networks = load_networks()
    hooked, photographs = attached(networks), Photographs(networks)
    started = time.perf_counter()
    store = fv.collect(
        hooked,
        photographs,
        work / "googlenet.zarr",
        layers=LAYERS,
        label_of_logit=group_of_class(),
        influence=True,
        shard_size=256,
    )
    print(f"store ready after {time.perf_counter() - started:.0f} s")
    return hooked, store


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--groups", nargs="+", default=["birds"], choices=NAMES)
    given = parser.parse_args()
    _, store = build(given.work)
    names = dict(enumerate(NAMES))
    classes = fv.circuits.class_map(store, names=names)
    for group in given.groups:
        started = time.perf_counter()
        graph = fv.attribution_graph(store, label=NAMES.index(group), names=names)
        print(f"{group}: {graph}, {time.perf_counter() - started:.2f} s")
        shown = classes.beside(graph).illustrated(store=store)
        shown.save(given.work / f"googlenet-{group}.zarr")
        shown.to_html(given.work / f"googlenet-{group}.html")
        shown.to_png(given.work / f"googlenet-{group}.png")


if __name__ == "__main__":
    main()
