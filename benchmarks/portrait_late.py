"""Would `portrait` gain from channels that go together in late layers, at 224 pixels? Trust only large gaps.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/portrait_late.py --cache FOLDER --sheet FILE.png

Eight inner units of a SqueezeNet, two pictures each, beside real crops. To what `portrait` matches is added,
in the deeper half of its layers, the covariance of channels, or the sliced Wasserstein distance of places
along random mixtures of channels, the latter also without nearest places, which keep channels together
in another way. Prints a row a trial; what is scored here decides nothing.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from portrait_variants import Late
from quality_entries import Entry
from quality_inner import sheet
from quality_inner_columns import Jury, Own
from quality_inner_world import World, load_tracks, trivial

import fvhooks as fv
from fvhooks.synthesis.recipes.portrait import Portrait

TRACK, SEEDS = "imagenet_squeezenet1_1", 2
TRIALS: dict[str, Portrait] = {
    "the default": Portrait(),
    "… and covariances": Late(),
    "… and sliced distances": Late(sliced=True),
    "no nearest places": Portrait(nearest=0),
    "no nearest places, sliced distances": Late(nearest=0, sliced=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, required=True, help="folder for the store")
    parser.add_argument("--sheet", type=Path, required=True, help="where the pictures are drawn")
    parser.add_argument("--trials", nargs="*", default=list(TRIALS), choices=list(TRIALS))
    options = parser.parse_args()
    world = World(load_tracks()[TRACK], options.cache / TRACK)
    world.folder.mkdir(parents=True, exist_ok=True)
    own, juries = Own(world), [Jury(world, judge) for judge in world.track.judges]
    entries = [entry for entry in trivial(world) if entry.kind in ("real", "shown")]
    print(row(entries[0], own, juries), flush=True)
    for name in options.trials:
        made = fv.visualize(
            world.hooked, world.units, TRIALS[name], world.store, seeds=SEEDS, show_progress=False
        )
        entries.append(Entry(name, "recipe", torch.from_numpy(made.images.values)))
        print(row(entries[-1], own, juries), flush=True)
        sheet(entries).save(options.sheet)


def row(entry: Entry, own: Own, juries: Sequence[Jury]) -> str:
    """Mean term and own crops nearest by judge, activation inside, contrast by depth, diversity, novelty."""
    judged, found = [jury.score(entry) for jury in juries], own.score(entry)
    cells = [f"{one['mean']['value']:.2f}" for one in judged]
    cells += [f"{one['nearest']['value']:.0%}" for one in judged]
    cells += [f"{found['activation']['inside']:.0%}"]
    cells += [f"{path['value']:.2f}" for path in found["paths"].values()]
    cells += [f"{judged[-1]['diversity']:.2f}", f"{judged[-1]['novelty']['median']:.2f}"]
    return " | ".join(["", entry.name, *cells, ""]).strip()


if __name__ == "__main__":
    main()
