"""Sixteen inner units of a late layer of two ImageNet networks, beside their own references.

    FVHOOKS_TEST_DATA=… python benchmarks/imagenet_units.py --out docs/pictures --work /tmp/imagenet-units

Writes one contact sheet a network: a row holds four units, each as the picture and, to its right, its four
strongest reference crops. Units are drawn at random among those that fire for at least 1 % of the images.
"""

import argparse
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from trained import load_networks

import fvhooks as fv
from fvhooks.synthesis.references.crops import reference_crops

NETWORKS: dict[str, tuple[list[str], str]] = {
    "imagenet_googlenet": (["conv2", "inception_3b", "inception_4c", "inception_4e"], "inception_4e"),
    "imagenet_vit_tiny": (
        ["vit.layers.1", "vit.layers.4", "vit.layers.7", "vit.layers.8.mlp.activation_fn"],
        "vit.layers.8.mlp.activation_fn",
    ),
}


class Pictures:
    """The 1,750 real images, as a map-style data set of (picture, label)."""

    def __init__(self, networks: ModuleType) -> None:
        self.files = [*networks.imagenet_sample().samples, *networks.imagenet_five()]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        path, label = self.files[index]
        return Image.open(path).convert("RGB"), label


def choose(store: fv.Store, layer: str, count: int, seed: int) -> list[fv.Unit]:
    firing = np.flatnonzero(store[layer].active_fraction.values >= 0.01)
    return [
        fv.Unit(layer, int(c))
        for c in np.sort(np.random.default_rng(seed).choice(firing, count, replace=False))
    ]


def sheet(vis: fv.Visualizations, crops: list[torch.Tensor], across: int = 4, side: int = 192) -> Image.Image:
    wide, high = 2 * side + 14, side + 10
    canvas = Image.new("RGB", (across * wide, -(-len(crops) // across) * high), "white")
    for place, references in enumerate(crops):
        left, top = place % across * wide, place // across * high
        canvas.paste(_scaled(torch.from_numpy(vis.images.values[place, 0]), side), (left, top))
        for number, reference in enumerate(references[:4]):
            corner = (
                left + side + 4 + number % 2 * (side // 2),
                top + number // 2 * (side // 2),
            )
            canvas.paste(_scaled(reference, side // 2 - 1), corner)
    return canvas


def _scaled(picture: torch.Tensor, side: int) -> Image.Image:
    array = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    return Image.fromarray(array).resize((side, side), Image.Resampling.LANCZOS)


def run(name: str, networks: ModuleType, given: argparse.Namespace) -> None:
    layers, late = NETWORKS[name]
    model, mean, std = networks.load(name)
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 224, 224))
    start = time.perf_counter()
    data: Any = Pictures(networks)
    store = fv.collect(hooked, data, given.work / f"{name}.zarr", layers=layers)
    collected = time.perf_counter() - start
    units = choose(store, late, given.units, given.seed)
    vis = fv.visualize(hooked, units, recipe=given.recipe, store=store, seeds=1, steps=given.steps)
    made = time.perf_counter() - start - collected
    crops = [reference_crops(hooked, store, unit) for unit in units]
    given.out.mkdir(parents=True, exist_ok=True)
    vis.save(given.work / f"{name}_{given.recipe}.zarr")
    sheet(vis, crops).save(given.out / f"{name}_{given.recipe}.jpg", quality=88)
    peaks = store[late].peak.values[:, [unit.channel for unit in units]]
    share = (vis.data.activation.values[:, 0][None] > peaks).mean(0)
    print(f"{name}: collect {collected:.0f} s, {len(units)} pictures {made:.0f} s; {late}")
    print(f"share of {len(peaks)} images whose peak each picture exceeds: {np.round(share, 2).tolist()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--units", type=int, default=16)
    parser.add_argument("--recipe", default="vital")
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    networks = load_networks()
    for name in given.networks:
        run(name, networks, given)


if __name__ == "__main__":
    main()
