"""What is left of a recipe's pictures as a network is randomised layer by layer, from the output down?

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/quality_layers.py --work CACHE --picture FILE

The sanity check for saliency maps, for feature visualizations: a CIFAR-10 ResNet-20 loses its trained weights
stage by stage, and each time pictures of all ten outputs are made anew from it and its own statistics of real
images. Printed for each recipe and stage: the rank correlation of pixels with the pictures of the intact
network of the same output and of the other outputs, and how many of the pictures another network (ResNet-56)
takes for the class. The intact rows compare seeds with other seeds.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch.utils.data import TensorDataset
from trained import load_networks

import fvhooks as fv
from fvhooks.metrics.groups import group_interval
from fvhooks.metrics.paths import spearman

STAGES = ("logits", "layer3", "layer2", "layer1", "stem")
PREFIXES = {"logits": ("linear.",), "stem": ("conv1.", "bn1.")}
LAYERS = ["bn1", "layer1", "layer2", "layer3"]
OUTPUTS, PHOTOGRAPHS = 10, 1_000


def damaged(networks: ModuleType, stages: tuple[str, ...]) -> fv.HookedModel:
    """The network with fresh weights and running statistics in some stages."""
    model, mean, std = networks.load("cifar10_resnet20")
    torch.manual_seed(0)
    build: Any = networks.NETWORKS["cifar10_resnet20"][0]
    fresh, state = build().state_dict(), model.state_dict()
    prefixes = tuple(part for stage in stages for part in PREFIXES.get(stage, (f"{stage}.",)))
    taken = {name: value for name, value in fresh.items() if name.startswith(prefixes)}
    model.load_state_dict(state | taken)
    return fv.attach(model.eval(), mean=mean, std=std, input_shape=(3, 32, 32))


def pictures(networks: ModuleType, recipe: str, depth: int, work: Path, seeds: int) -> np.ndarray:
    """Of every output, (unit, seed, rgb, y, x), of the network without its last `depth` stages."""
    path = work / f"{recipe}-{depth}-{seeds}.zarr"
    if not path.exists():
        hooked, (images, labels) = damaged(networks, STAGES[:depth]), networks.cifar10("train")
        data = TensorDataset(images[:PHOTOGRAPHS], labels[:PHOTOGRAPHS])
        store = fv.collect(hooked, data, work / f"stats-{depth}.zarr", layers=LAYERS, show_progress=False)
        units = [fv.Unit.logit(unit) for unit in range(OUTPUTS)]
        fv.visualize(hooked, units, recipe, store, seeds=seeds, show_progress=False).save(path)
    return fv.load(path).data["images"].transpose("unit", "seed", "rgb", "y", "x").values


def likeness(made: np.ndarray, intact: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each picture: rank correlation with the intact ones of its output, and of others; other seeds."""
    units, seeds = made.shape[:2]
    found = spearman(made.reshape(units * seeds, -1), intact.reshape(units * seeds, -1))
    unit, seed = np.divmod(np.arange(units * seeds), seeds)
    same, apart = unit[:, None] == unit, seed[:, None] != seed
    return _mean(found, same & apart), _mean(found, ~same & apart)


def _mean(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.where(chosen, values, 0).sum(1) / chosen.sum(1)


def rows(networks: ModuleType, recipe: str, work: Path, seeds: int) -> Iterator[tuple[str, np.ndarray]]:
    model, mean, std = networks.load("cifar10_resnet56")
    judge = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    intact = pictures(networks, recipe, 0, work, seeds)
    for depth in range(len(STAGES) + 1):
        made = pictures(networks, recipe, depth, work, seeds)
        own, other = likeness(made, intact)
        with torch.no_grad():
            guessed = judge.module(torch.from_numpy(made).flatten(0, 1)).argmax(1).numpy()
        right = (guessed == np.repeat(np.arange(OUTPUTS), seeds)).astype(float)
        cells = [interval(values, seeds) for values in (own, other, own - other)]
        name = "intact" if depth == 0 else f"… {STAGES[depth - 1]}"
        print(f"| `{recipe}` | {name} | {' | '.join(cells)} | {right.mean():.0%} |", flush=True)
        yield f"{recipe} {name}", made


def interval(values: np.ndarray, seeds: int) -> str:
    """The mean and its 95 % interval, drawing outputs, then pictures."""
    found = group_interval(values, np.repeat(np.arange(OUTPUTS), seeds), draws=2_000, seed=0)
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def sheet(named: list[tuple[str, np.ndarray]], scale: int = 2) -> Image.Image:
    """The first seed of every output, a row for each recipe and stage."""
    side, label = 32 * scale + 2, 150
    page = Image.new("RGB", (label + side * OUTPUTS, side * len(named)), "white")
    draw = ImageDraw.Draw(page)
    for row, (name, made) in enumerate(named):
        draw.text((4, row * side + side // 2 - 6), name, fill="black")
        for unit, picture in enumerate(made[:, 0]):
            pixels = (picture.transpose(1, 2, 0) * 255).round().astype(np.uint8)
            shown = Image.fromarray(pixels).resize((side - 2, side - 2), Image.Resampling.NEAREST)
            page.paste(shown, (label + unit * side + 1, row * side + 1))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for stores and pictures")
    parser.add_argument("--recipes", nargs="+", default=["vital", "fourier", "portrait"])
    parser.add_argument("--seeds", type=int, default=2, help="two at least: seeds are compared with others")
    parser.add_argument("--picture", type=Path, help="write a sheet here")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    networks = load_networks()
    print("| recipe | random down to | own output | other outputs | own less other | ResNet-56 |")
    print("|---|---|---|---|---|---|")
    named = [row for recipe in given.recipes for row in rows(networks, recipe, given.work, given.seeds)]
    if given.picture:
        sheet(named).save(given.picture)


if __name__ == "__main__":
    main()
