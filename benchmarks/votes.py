"""What activation votes know of a class: do two halves of its images agree, and does chance agree as well?

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/votes.py --cache CACHE

On a CIFAR-10 ResNet-20, its untrained twin (random weights, batch-norm statistics of real images) and with
shuffled labels: how many classes are nearest to themselves in the other half of the images, how much larger
the cosine between halves is for a class itself than for others. All 4,000 training images, each half once.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from cifar_pictures import CLASSES, attach
from torch.utils.data import TensorDataset
from trained import load_networks

import fvhooks as fv
from fvhooks.circuits.class_maps import cosines
from fvhooks.circuits.voting import choose_rule
from fvhooks.store.plans import draws

BLOCKS = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3)]
RULES = (("count", None), ("count", 5), ("mass", 0.25), ("mass", 0.03))


def untrained(hooked: fv.HookedModel, images: torch.Tensor) -> fv.HookedModel:
    """The same architecture with weights drawn anew, and batch-norm statistics of real images."""
    torch.manual_seed(0)
    net = type(hooked.model)(20)
    net.train()
    with torch.no_grad():
        for batch in hooked.normalize(images[:2048]).split(256):
            net(batch)
    known = hooked.preprocessing
    return fv.attach(net.eval(), mean=known.mean, std=known.std, input_shape=(3, 32, 32))


def halves(store: fv.Store, layer: str, labels: np.ndarray, rule: fv.circuits.Rule) -> np.ndarray:
    """The share of votes of each class in each half (half, label, channel)."""
    half = draws([str(name) for name in store.images_table.id.values], "half") >= 0.5
    votes = rule(store[layer].peak.values)
    return np.stack(
        [[votes[(labels == label) & (half == which)].mean(0) for label in range(CLASSES)] for which in (0, 1)]
    )


def rows(stores: dict[str, fv.Store]) -> Iterator[str]:
    for kind, size in RULES:
        for layer in BLOCKS:
            for name, store in stores.items():
                labels = store.labels
                if name == "shuffled labels":
                    labels = np.random.default_rng(0).permutation(labels)
                rule = choose_rule(store, layer, kind, size)
                first, second = halves(store, layer, labels, rule)
                alike = cosines(np.concatenate([first, second]))[:CLASSES, CLASSES:]
                own = (alike.argmax(1) == np.arange(CLASSES)).sum()
                gap = np.diag(alike).mean() - alike[~np.eye(CLASSES, dtype=bool)].mean()
                yield f"{kind} {rule.size:<5} {layer:9} {name:16} {own:2d} of 10, gap {gap:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, required=True)
    given = parser.parse_args()
    networks = load_networks()
    images, labels = networks.cifar10("train")
    data = TensorDataset(images, labels)
    trained = attach(networks, "cifar10_resnet20")
    twin = untrained(trained, images)
    store = fv.collect(trained, data, given.cache / "votes.zarr", layers=BLOCKS)
    other = fv.collect(twin, data, given.cache / "votes-untrained.zarr", layers=BLOCKS)
    for row in rows({"trained": store, "untrained": other, "shuffled labels": store}):
        print(row, flush=True)


if __name__ == "__main__":
    main()
