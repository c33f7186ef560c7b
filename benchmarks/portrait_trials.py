"""What each part of the recipe `portrait` does: short runs on a CIFAR-10 ResNet-20, trust only large gaps.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/portrait_trials.py --cache FOLDER

Ten outputs, three pictures each, 120 steps. Prints the debiased Fréchet mean term in class distances to
judges of two families, the path contrast at four depths, diversity and novelty. What is scored here decides
nothing: the frozen protocol (`quality.py`) judges the settings that were chosen.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from quality_columns import Jury, Own
from quality_entries import Entry
from quality_protocol import load_protocol
from quality_world import World

import fvhooks as fv
from fvhooks.synthesis.recipes.portrait import Portrait
from fvhooks.synthesis.recipes.vital import Vital

STEPS, SEEDS = 120, 3


def portrait(**changed: Any) -> Portrait:
    return Portrait(steps=STEPS, **changed)


TRIALS: dict[str, Any] = {
    "`vital`": Vital(steps=STEPS),
    "eight neighbours alone": portrait(neighbours=8, cells=1, nearest=0),
    "… and 2 × 2 cells": portrait(neighbours=8, cells=2, nearest=0),
    "… and 4 × 4 cells": portrait(neighbours=8, nearest=0),
    "… and nearest places": portrait(neighbours=8),
    "the same with four neighbours (the default)": portrait(),
    "default, nearest places × 3": portrait(nearest=3),
    "default, patches of pixels": portrait(patches=1),
    "default, 8 × 8 cells": portrait(cells=8),
    "default, 16 neighbours": portrait(neighbours=16),
    "default, chosen from 150 references": portrait(references=150),
    "default, 240 steps": Portrait(steps=240),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--trials", nargs="*", default=list(TRIALS), choices=list(TRIALS))
    options = parser.parse_args()
    protocol = load_protocol()
    track = protocol.tracks["cifar10_resnet20"]
    world = World(protocol, track, options.cache / "cifar10_resnet20")
    world.folder.mkdir(parents=True, exist_ok=True)
    units = [fv.Unit.logit(index) for index in range(track.units)]
    own, juries = Own(world), [Jury(world, judge) for judge in track.judges]
    for name in options.trials:
        made = fv.visualize(world.hooked, units, TRIALS[name], world.store, seeds=SEEDS, show_progress=False)
        entry = Entry(name, "recipe", torch.from_numpy(made.images.values))
        print(row(name, own.contrasts(entry), [jury.score(entry) for jury in juries]), flush=True)


def row(name: str, contrasts: dict[str, Any], judged: list[dict[str, Any]]) -> str:
    """Mean terms by judge, contrasts by depth, diversity and novelty to the last judge."""
    means = [f"{found['mean']['value']:.2f}" for found in judged]
    paths = [f"{contrast['value']:.2f}" for contrast in contrasts.values()]
    others = [f"{judged[-1]['diversity']:.2f}", f"{judged[-1]['novelty']['median']:.2f}"]
    return " | ".join(["", name, *means, *paths, *others, ""]).strip()


if __name__ == "__main__":
    main()
