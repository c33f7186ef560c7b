"""How good pictures at 224 pixels are for the time that they take, beside Lucent's.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/peers_imagenet.py --work CACHE --ways vital torch-lucent

Outputs of an ImageNet SqueezeNet, classes drawn at random among those with enough real images; judges are
networks of two other families that took no part. Lucent runs with its defaults. Pictures are kept in the
cache class by class with the processor time that they took, so the command goes on where it was stopped;
`--judge` makes none and prints the tables.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gallery import NETWORKS, Pictures, attach
from peers import lucent
from quality_columns import features
from quality_table import interval
from torch.nn import functional as F  # noqa: N812 - its usual name
from trained import load_networks

import fvhooks as fv
from fvhooks.metrics import accuracy, frechet_distance
from fvhooks.metrics.groups import group_interval
from fvhooks.reliability.checks.transfer import log_odds
from fvhooks.synthesis.recipes import Recipe
from fvhooks.synthesis.recipes.fourier import Fourier
from fvhooks.synthesis.recipes.vital import Vital

NETWORK = "imagenet_squeezenet1_1"
JUDGES = {"imagenet_googlenet": "avgpool", "imagenet_vit_tiny": "vit.layernorm"}
CLASSES, SIDE, SEEDS = 8, 224, 2
OURS: dict[str, Recipe] = {
    "vital": Vital(),
    "vital, 120 steps": Vital(steps=120),
    "vital, 80 steps at 0.4": Vital(steps=80, rate=0.4),
    "fourier": Fourier(),
}


@dataclass(frozen=True)
class World:
    """The network that is looked into, real images, and the classes that are shown."""

    hooked: fv.HookedModel
    store: fv.Store
    classes: list[int]

    def held(self) -> tuple[torch.Tensor, np.ndarray]:
        """The real images of the classes that no picture was made from, and their labels."""
        table = self.store.images_table
        mine = np.isin(table.label.values, self.classes) & (table.split.values != "reference")
        return self.store.images([str(name) for name in table.id.values[mine]]), table.label.values[mine]


def open_world(work: Path) -> World:
    networks = load_networks()
    hooked = attach(networks, NETWORK, SIDE)
    data: Any = Pictures(networks)
    store = fv.collect(hooked, data, work / f"{NETWORK}.zarr", layers=list(NETWORKS[NETWORK].layers))
    table = store.images_table
    labels, reference = table.label.values, table.split.values == "reference"
    enough = [c for c in np.unique(labels) if reference[labels == c].sum() in (3, 4)]  # and so 2 or 3 others
    drawn = np.random.default_rng(0).choice(enough, CLASSES, replace=False)
    return World(hooked, store, sorted(int(c) for c in drawn))


def from_fvhooks(world: World, recipe: Recipe, label: int) -> torch.Tensor:
    units = [fv.Unit.logit(label)]
    vis = fv.visualize(world.hooked, units, recipe, world.store, seeds=SEEDS, show_progress=False)
    return torch.from_numpy(vis.images.values)[0]


def from_lucent(world: World, label: int) -> torch.Tensor:
    way = lucent(world.hooked.model.eval().requires_grad_(requires_grad=False), unit=label)
    if way is None:
        raise SystemExit('Lucent is not installed: pip install torch-lucent "kornia<=0.4.1"')
    made = [torch.from_numpy(way.run(way.steps)[-1][0]) for _ in range(SEEDS)]
    return torch.stack(made).permute(0, 3, 1, 2)


def make(name: str, world: World, given: argparse.Namespace) -> None:
    """The pictures of a way that are not there yet, class by class."""
    ways: dict[str, Callable[[int], torch.Tensor]] = {
        "torch-lucent": lambda label: from_lucent(world, label),
    }
    for label in world.classes:
        path = given.work / f"{name}-{label}.npz"
        if path.exists():
            continue
        torch.manual_seed(label)
        start = time.process_time()
        pictures = ways[name](label) if name in ways else from_fvhooks(world, OURS[name], label)
        took = (time.process_time() - start) / len(pictures)
        np.savez(path, pictures=pictures.numpy(), seconds=took)
        print(f"{name}, class {label}: {took:.1f} s a picture", flush=True)


@dataclass(frozen=True)
class Shown:
    """Pictures at the judges' size, whose label each is, and seconds for each."""

    pictures: torch.Tensor
    labels: np.ndarray
    seconds: float


def sized(pictures: torch.Tensor) -> torch.Tensor:
    return F.interpolate(pictures, size=(SIDE, SIDE), mode="bilinear", antialias=True).clamp(0, 1)


def found(world: World, work: Path) -> dict[str, Shown]:
    """What the cache has of each way, beside real images."""
    shown: dict[str, Shown] = {}
    real, labels = world.held()
    shown["real images, held back"] = Shown(sized(real), labels, float("nan"))
    for name in [*OURS, "torch-lucent"]:
        there = [label for label in world.classes if (work / f"{name}-{label}.npz").exists()]
        if not there:
            continue
        parts = [np.load(work / f"{name}-{label}.npz") for label in there]
        pictures = [torch.from_numpy(part["pictures"]) for part in parts]
        whose = np.repeat(there, [len(part) for part in pictures])
        seconds = float(np.mean([part["seconds"] for part in parts]))
        shown[name] = Shown(sized(torch.cat(pictures)), whose, seconds)
    return shown


def judged(world: World, work: Path) -> None:
    networks, shown = load_networks(), found(world, work)
    real = shown["real images, held back"]
    for name, layer in JUDGES.items():
        judge = attach(networks, name, SIDE)
        others = features(judge, layer, real.pictures)
        print(
            f"\n{name}\n\n| pictures | number | processor time a picture | transfer accuracy | among the ",
            end="",
        )
        print("first five | log-odds | debiased mean term |\n|---|---|---|---|---|---|---|")
        for way, ours in shown.items():
            logits = outputs(judge, ours.pictures)
            first = accuracy(logits.argmax(1), ours.labels, by_class=True)
            five = (np.argsort(-logits, 1)[:, :5] == ours.labels[:, None]).any(1).mean()
            odds = np.array([log_odds(row[None], c)[0] for row, c in zip(logits, ours.labels, strict=True)])
            cells = [
                f"{len(odds)}",
                "" if ours is real else f"{ours.seconds:.1f} s",
                interval(first.to_dict(), 2),
                f"{five:.2f}",
            ]
            cells.append(interval(group_interval(odds, ours.labels, draws=1000, seed=0).to_dict()))
            cells.append(
                "" if ours is real else distance(features(judge, layer, ours.pictures), ours, others, real)
            )
            print(f"| {way} | " + " | ".join(cells) + " |", flush=True)


def outputs(judge: fv.HookedModel, pictures: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        parts = [judge.read(part, ["logits"])["logits"] for part in torch.split(pictures, 16)]
    return torch.cat(parts).numpy()


def distance(rows: np.ndarray, ours: Shown, others: np.ndarray, real: Shown) -> str:
    if len(np.unique(ours.labels)) * SEEDS > len(ours.labels):  # one picture has no variance to take off
        return ""
    of = np.isin(real.labels, ours.labels)
    found = frechet_distance(rows, others[of], labels=ours.labels, reference_labels=real.labels[of])
    return interval(found.debiased_mean.to_dict())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--ways", nargs="*", default=[*OURS, "torch-lucent"])
    parser.add_argument("--classes", type=int, default=CLASSES, help="the first so many of them")
    parser.add_argument("--judge", action="store_true")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    world = open_world(given.work)
    world = replace(world, classes=world.classes[: given.classes])
    print("classes", world.classes, flush=True)
    if given.judge:
        judged(world, given.work)
        return
    for name in given.ways:
        make(name, world, given)


if __name__ == "__main__":
    main()
