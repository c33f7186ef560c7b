"""What each part of the recipe `portrait` does: short runs on a CIFAR-10 ResNet-20, trust only large gaps.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/portrait_trials.py --cache FOLDER

Ten outputs, three pictures each, 96 steps. Prints the debiased Fréchet mean term in class distances to judges
of two families, and the path contrast at four depths. What is scored here decides nothing: the frozen
protocol (`quality.py`) judges the settings that were chosen.
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

STEPS, SEEDS = 96, 3
TRIALS: dict[str, Any] = {
    "`vital`": Vital(steps=STEPS),
    "neighbours alone": Portrait(steps=STEPS, cells=1, patches=0),
    "2 × 2 cells": Portrait(steps=STEPS, cells=2, patches=0),
    "2 × 2 cells, patches": Portrait(steps=STEPS, cells=2),
    "4 × 4 cells": Portrait(steps=STEPS, cells=4, patches=0),
    "4 × 4 cells, patches (the default)": Portrait(steps=STEPS),
    "8 × 8 cells, patches": Portrait(steps=STEPS, cells=8),
    "default, 4 neighbours": Portrait(steps=STEPS, neighbours=4),
    "default, 16 neighbours": Portrait(steps=STEPS, neighbours=16),
    "default, 200 steps": Portrait(steps=200),
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
    """Mean terms by judge, contrasts by depth, novelty to the last judge."""
    means = [f"{found['mean']['value']:.2f}" for found in judged]
    paths = [f"{contrast['value']:.2f}" for contrast in contrasts.values()]
    return " | ".join(["", name, *means, *paths, f"{judged[-1]['novelty']['median']:.2f}", ""]).strip()


if __name__ == "__main__":
    main()
