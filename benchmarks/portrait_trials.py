"""What each part of the recipe `portrait` does: few pictures of two CIFAR-10 networks, trust only large gaps.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/portrait_trials.py --cache FOLDER --track cifar10_resnet20

Ten outputs, three pictures each. Prints the debiased Fréchet mean term in class distances to each judge, the
path contrast at four depths, diversity, novelty, and how far pixels repeat a photograph: the median over
pictures of the highest correlation with a reference of the class. What is scored here decides nothing: the
frozen protocol (`quality.py`) judges the settings that were chosen.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from portrait_variants import Averaged, DeepFirst, Late, Pixels, Tagged
from quality_columns import Jury, Own
from quality_entries import Entry
from quality_protocol import load_protocol
from quality_world import World
from torch import nn

import fvhooks as fv
from fvhooks.synthesis.recipes.portrait import Portrait
from fvhooks.synthesis.recipes.vital import Vital

SEEDS = 3
TRIALS: dict[str, Any] = {
    "`vital`": Vital(),
    "eight neighbours alone": Portrait(neighbours=8, cells=1, nearest=0),
    "… and 2 × 2 cells": Portrait(neighbours=8, cells=2, nearest=0),
    "… and 4 × 4 cells": Portrait(neighbours=8, nearest=0),
    "… and nearest places": Portrait(neighbours=8),
    "the same with four neighbours (the default)": Portrait(),
    "default, 16 neighbours": Portrait(neighbours=16),
    "default, two neighbours": Portrait(neighbours=2),
    "default, one neighbour": Portrait(neighbours=1),
    "default, nearest places × 3": Portrait(nearest=3),
    "default, patches of pixels": Portrait(patches=1),
    "default, 8 × 8 cells": Portrait(cells=8),
    "default, chosen from 150 references": Portrait(references=150),
    "default, rate 0.2": Portrait(rate=0.2),
    "default, 120 steps": Portrait(steps=120),
    "default, values sorted image by image": Averaged(),
    "default, tags instead of cells": Tagged(),
    "default, deep layers first": DeepFirst(),
    "default, covariances in late layers": Late(),
    "default, sliced distances in late layers": Late(sliced=True),
    "default, raw pixels": Pixels(),
    "default, blurred pixels": Pixels(blur=4),
    "blurred pixels, one cell": Pixels(blur=4, cells=1),
    "blurred pixels, one cell, all 50 references, no nearest places": Pixels(
        blur=4, cells=1, neighbours=50, nearest=0, steps=400, jitter=0.125
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--track", default="cifar10_resnet20", choices=["cifar10_resnet20", "cifar10_vit"])
    parser.add_argument("--trials", nargs="*", default=list(TRIALS), choices=list(TRIALS))
    options = parser.parse_args()
    protocol = load_protocol()
    track = protocol.tracks[options.track]
    world = World(protocol, track, options.cache / options.track)
    world.folder.mkdir(parents=True, exist_ok=True)
    units = [fv.Unit.logit(index) for index in range(track.units)]
    own, juries = Own(world), [Jury(world, judge) for judge in track.judges]
    shown = [world.reference_images(unit) for unit in range(track.units)]
    real, classes = world.real
    fresh = torch.stack([real[classes == unit][:100] for unit in range(track.units)])
    print(f"Pixels of fresh photographs: {repeated(fresh, shown):.2f}", flush=True)
    for name in options.trials:
        made = fv.visualize(world.hooked, units, TRIALS[name], world.store, seeds=SEEDS, show_progress=False)
        entry = Entry(name, "recipe", torch.from_numpy(made.images.values))
        judged = [jury.score(entry) for jury in juries]
        print(row(name, own.contrasts(entry), judged, repeated(entry.images, shown)), flush=True)


def repeated(pictures: torch.Tensor, references: list[torch.Tensor]) -> float:
    """Median over pictures of the highest correlation of pixels with a reference of their class."""
    highest = [
        (standardized(own) @ standardized(images).T).amax(1)
        for own, images in zip(pictures, references, strict=True)
    ]
    return torch.cat(highest).median().item()


def standardized(images: torch.Tensor) -> torch.Tensor:
    """One row an image, of mean 0 and length 1."""
    flat = images.flatten(1).float()
    return nn.functional.normalize(flat - flat.mean(1, keepdim=True))


def row(name: str, contrasts: dict[str, Any], judged: list[dict[str, Any]], pixels: float) -> str:
    """Mean terms by judge, contrasts by depth, diversity and novelty to the last judge, pixels."""
    means = [f"{found['mean']['value']:.2f}" for found in judged]
    paths = [f"{contrast['value']:.2f}" for contrast in contrasts.values()]
    others = [f"{judged[-1]['diversity']:.2f}", f"{judged[-1]['novelty']['median']:.2f}", f"{pixels:.2f}"]
    return " | ".join(["", name, *means, *paths, *others, ""]).strip()


if __name__ == "__main__":
    main()
