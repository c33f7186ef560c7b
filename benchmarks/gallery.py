"""A gallery: every recipe on several trained networks, outputs and inner units side by side.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/gallery.py --work CACHE --out docs/pictures/gallery

Writes one sheet a network and recipe: a column a unit, a row a seed. Those in `--out` hold synthetic pictures
only; in `--work` lie the same sheets with real images on top, the stores, the pictures as Zarr, and
`gallery.json`. What is there already is not made again, so the command goes on where it was stopped. Inner
units are drawn at random among those that fire for at least 1 % of the images; outputs are ones with a plain
name. A second network, which took no part, judges the pictures of outputs.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch.utils.data import TensorDataset
from trained import load_networks

import fvhooks as fv
from fvhooks.errors import FVHooksError
from fvhooks.synthesis.recipes import RECIPES
from fvhooks.synthesis.references.crops import reference_crops

CIFAR = {1: "automobile", 2: "bird", 7: "horse", 8: "ship"}
IMAGENET = {1: "goldfish", 301: "ladybug", 340: "zebra", 954: "banana"}
FROM_REAL = {32: ("accentuate",), 224: ("accentuate", "minds_eye", "portrait")}
"""By the side of pictures: real images with some changes, which are not ours to hand on."""
GAP, TEXT, REAL_ROWS = 6, 16, 2


@dataclass(frozen=True)
class Network:
    """What is shown of a network, and how long that may take.

    Args:
        layers: of the store; the last is the inner units' own.
        judge: another network that says what pictures of outputs show.
        seeds: pictures a unit.
        steps: instead of each recipe's own number, where that would take hours on a CPU.
    """

    layers: tuple[str, ...]
    judge: str
    seeds: int = 1
    steps: int | None = 128

    @property
    def side(self) -> int:
        return 32 if self.judge.startswith("cifar") else 224

    @property
    def names(self) -> dict[int, str]:
        return CIFAR if self.side == 32 else IMAGENET


NETWORKS = {
    "cifar10_resnet20": Network(("bn1", "layer1", "layer2", "layer3"), "cifar10_resnet56", 2, None),
    "cifar10_vit": Network(
        ("transformer.layers.0", "transformer.layers.2", "transformer.layers.4"), "cifar10_resnet56", 2, None
    ),
    "imagenet_squeezenet1_1": Network(
        ("features.2", "features.5", "features.8", "features.10", "features.12"),
        "imagenet_googlenet",
        steps=None,
    ),
    "imagenet_googlenet": Network(
        ("conv2", "inception_3b", "inception_4c", "inception_4e"), "imagenet_squeezenet1_1"
    ),
    "imagenet_vit_tiny": Network(
        ("vit.layers.1", "vit.layers.4", "vit.layers.7", "vit.layers.8.mlp.activation_fn"),
        "imagenet_googlenet",
    ),
}


class Pictures:
    """Six real images of each of 150 ImageNet classes, as a map-style data set of (picture, label)."""

    def __init__(self, networks: ModuleType) -> None:
        five = networks.imagenet_five()
        wanted = {label for _, label in five}
        self.files = [*five, *(one for one in networks.imagenet_sample().samples if one[1] in wanted)]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        path, label = self.files[index]
        return Image.open(path).convert("RGB"), label


@dataclass(frozen=True)
class Room:
    """A network with its store and the units that are shown of it."""

    name: str
    hooked: fv.HookedModel
    judge: fv.HookedModel
    store: fv.Store
    units: list[fv.Unit]

    @property
    def shown(self) -> Network:
        return NETWORKS[self.name]

    def titles(self) -> list[str]:
        return [
            self.shown.names[unit.channel] if unit.is_logit else f"channel {unit.channel}"
            for unit in self.units
        ]

    def real(self) -> torch.Tensor:
        """Reference images of each unit (unit, row, rgb, y, x): of its label, or crops of its top images."""
        table, rows = self.store.images_table, []
        for unit in self.units:
            if unit.is_logit:
                known = (table.label.values == unit.channel) & (table.split.values == "reference")
                rows.append(self.store.images([str(name) for name in table.id.values[known][:REAL_ROWS]]))
            else:
                rows.append(reference_crops(self.hooked, self.store, unit, REAL_ROWS))
        return torch.stack([row[torch.arange(REAL_ROWS) % len(row)] for row in rows])


def attach(networks: ModuleType, name: str, side: int) -> fv.HookedModel:
    model, mean, std = networks.load(name)
    return fv.attach(model, mean=mean, std=std, input_shape=(3, side, side))


def open_room(name: str, networks: ModuleType, work: Path, seed: int) -> Room:
    shown = NETWORKS[name]
    hooked = attach(networks, name, shown.side)
    data: Any = TensorDataset(*networks.cifar10("train")) if shown.side == 32 else Pictures(networks)
    store = fv.collect(hooked, data, work / f"{name}.zarr", layers=list(shown.layers))
    late = shown.layers[-1]
    firing = np.flatnonzero(store[late].active_fraction.values >= 0.01)
    drawn = np.sort(np.random.default_rng(seed).choice(firing, 4, replace=False))
    units = [fv.Unit.logit(index) for index in shown.names] + [fv.Unit(late, int(c)) for c in drawn]
    return Room(name, hooked, attach(networks, shown.judge, shown.side), store, units)


def make(room: Room, recipe: str, work: Path, steps: int | None) -> fv.Visualizations:
    path = work / f"{room.name}-{recipe}.zarr"
    if path.exists():
        found = fv.load(path)
        assert isinstance(found, fv.Visualizations)
        return found
    start = time.perf_counter()
    vis = fv.visualize(
        room.hooked,
        room.units,
        recipe,
        room.store,
        seeds=room.shown.seeds,
        steps=steps or room.shown.steps,
        show_progress=False,
    )
    print(f"  made in {time.perf_counter() - start:.0f} s")
    vis.save(path)
    return vis


def facts(room: Room, vis: fv.Visualizations) -> dict[str, Any]:
    """What the judge takes pictures of outputs for, and how pictures of inner units stand among images."""
    outputs = [place for place, unit in enumerate(room.units) if unit.is_logit]
    images = torch.from_numpy(vis.images.values)[outputs]
    wanted = torch.tensor([[room.units[place].channel] for place in outputs])
    found: dict[str, Any] = {}
    for who, network in (("itself", room.hooked), ("judge", room.judge)):
        with torch.no_grad():
            logits = network.read(images.flatten(0, 1), ["logits"])["logits"]
        best = logits.topk(5).indices.unflatten(0, images.shape[:2])
        found[f"{who} top-1"] = (best[..., 0] == wanted).float().mean(1).tolist()
        found[f"{who} top-5"] = (best == wanted[..., None]).any(-1).float().mean(1).tolist()
    found["peak over the highest of all images"] = peaks(room, vis)
    return found


def peaks(room: Room, vis: fv.Visualizations) -> list[float]:
    """The largest value of each inner unit for the first of its pictures, over the largest for any image."""
    layer = room.shown.layers[-1]
    layout, highest, found = room.hooked.layout(layer), room.store[layer].peak.values.max(0), []
    for place, unit in enumerate(room.units):
        if not unit.is_logit:
            image = torch.from_numpy(vis.images.values[place, :1])
            with torch.no_grad():
                values = layout.to_channels(room.hooked.read(image, [layer])[layer])
            found.append(round(float(values[0, unit.channel].max() / highest[unit.channel]), 2))
    return found


def sheet(rows: torch.Tensor, titles: Sequence[str], side: int) -> Image.Image:
    """Pictures (unit, row, rgb, y, x) as columns under their titles."""
    count, deep, _, height, _ = rows.shape
    canvas = Image.new("RGB", (count * (side + GAP) - GAP, TEXT + deep * (side + GAP) - GAP), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(11)
    how = Image.Resampling.NEAREST if height <= 64 else Image.Resampling.LANCZOS
    for column, title in enumerate(titles):
        draw.text((column * (side + GAP), 1), title, fill=(40, 44, 50), font=font)
        for row in range(deep):
            array = (rows[column, row].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
            corner = (column * (side + GAP), TEXT + row * (side + GAP))
            canvas.paste(Image.fromarray(array).resize((side, side), how), corner)
    return canvas


def hang(room: Room, recipe: str, given: argparse.Namespace) -> dict[str, Any]:
    """Both sheets of a recipe, and what is to be said of it; or why there is none."""
    try:
        vis = make(room, recipe, given.work, given.steps)
    except FVHooksError as error:
        return {"refused": str(error)}
    pictures, side = torch.from_numpy(vis.images.values), 96 if room.shown.side == 32 else 112
    if recipe not in FROM_REAL[room.shown.side]:
        sheet(pictures, room.titles(), side).save(given.out / f"{room.name}_{recipe}.webp", quality=80)
    both = torch.cat([room.real(), pictures], 1)
    sheet(both, room.titles(), 2 * side).save(given.work / f"{room.name}_{recipe}.png")
    return {"steps": vis.data.sizes["step"], **facts(room, vis)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--steps", type=int, default=None, help="for every network and recipe")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of inner units")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    given.work.mkdir(parents=True, exist_ok=True)
    networks = load_networks()
    told = given.work / "gallery.json"
    found = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
    for name in given.networks:
        room = open_room(name, networks, given.work, given.seed)
        print(name, ", ".join(unit.id for unit in room.units))
        for recipe in given.recipes:
            found.setdefault(name, {})[recipe] = hang(room, recipe, given)
            print(f"  {recipe}: {json.dumps(found[name][recipe])}", flush=True)
            told.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
