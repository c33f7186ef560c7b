"""How good class pictures are: a frozen protocol, the same for every recipe and for pictures from elsewhere.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/quality.py --cache FOLDER --entries vital fourier vital@swapped
    FVHOOKS_TEST_DATA=FOLDER python benchmarks/quality.py --cache FOLDER --submit MY_PICTURES

An entry is any registered recipe, "vital/5" with five facets, or a control: "vital@untrained" is made of
random weights, "vital@permuted" of a network whose outputs have each other's weights, "vital@swapped" from
another class's references. A submitted folder holds UNIT/SEED.png; a released sheet may be submitted,
too. Real images and trivial entries are always judged beside them. Pictures and scores are kept in the
cache: one more entry costs its own time only.
Writes `quality.md`, `quality.json` (a score for each picture), `quality.png` and, without anyone's
photographs, `recipes.png` into the track's folder. `--release FOLDER` writes sheets of the pictures of
`--entries` there, with the scores of each picture.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from quality_columns import Jury, Own, clip_scores
from quality_entries import Entry, kept_scores, made, real_entry, submitted, trivial
from quality_protocol import load_protocol
from quality_release import release
from quality_table import columns, front, report, winners
from quality_world import World

from fvhooks.errors import FVHooksError, MissingInputError

COLUMNS = 10
"""How many pictures stand side by side on a contact sheet, where there are fewer units."""


def scores_of(world: World, entries: list[Entry]) -> dict[str, Any]:
    """All scores of each entry."""
    own, juries = Own(world), [Jury(world, judge) for judge in world.track.judges]

    def score(entry: Entry) -> dict[str, Any]:
        return own.score(entry) | {jury.judge.name: jury.score(entry) for jury in juries}

    names = names_of(world)
    return {
        entry.name: kept_scores(world.folder, world.track.digest, entry, score)
        | {"clip": clip_scores(entry, names)}
        for entry in entries
    }


def names_of(world: World) -> list[str]:
    """What the units are called."""
    return [world.data.names[output] for output in world.track.outputs]


def sheet(entries: list[Entry], each: int = 2, scale: int = 2) -> Image.Image:
    """The first pictures of every unit (columns), `each` rows an entry, one where all are the same.

    Few units get one row an entry and several pictures side by side.
    """
    across = max(1, COLUMNS // len(entries[0].images))
    side, label = entries[0].images.shape[-1] * scale + 2, 150
    rows = [(e, seed) for e in entries for seed in range(1 if across > 1 or _is_one(e) else each)]
    page = Image.new("RGB", (label + side * across * len(entries[0].images), side * len(rows)), "white")
    draw = ImageDraw.Draw(page)
    for row, (entry, seed) in enumerate(rows):
        if seed == 0:
            draw.text((4, row * side + side // 2 - 6), entry.name, fill="black")
        for column, picture in enumerate(entry.images[:, seed : seed + across].flatten(0, 1)):
            pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
            shown = Image.fromarray(pixels).resize((side - 2, side - 2), Image.Resampling.NEAREST)
            page.paste(shown, (label + column * side + 1, row * side + 1))
    return page


def _is_one(entry: Entry) -> bool:
    return bool((entry.images[:, :1] == entry.images).all())


def write(world: World, entries: list[Entry], results: dict[str, Any]) -> str:
    """Tables, scores and contact sheets, into the track's folder; the tables once more."""
    track, kinds = world.track, {entry.name: entry.kind for entry in entries}
    known = columns(track)
    found = {
        "protocol": {
            "version": world.protocol.version,
            "digest": track.digest,
            "track": track.network,
            "names": names_of(world),
        },
        "winners": winners(results, kinds, known),
        "front": front(results, kinds, known),
        "entries": results,
    }
    text = report(results, kinds, track)
    (world.folder / "quality.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (world.folder / "quality.md").write_text(text, encoding="utf-8")
    sheet(entries).save(world.folder / "quality.png")
    made_here = [entry for entry in entries if entry.kind in ("recipe", "control")]
    sheet(sorted(made_here, key=lambda entry: entry.name)).save(world.folder / "recipes.png")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, required=True, help="folder for stores, pictures and scores")
    parser.add_argument("--track", default="cifar10_resnet20", help="the pictured network")
    parser.add_argument("--entries", nargs="*", default=["vital", "fourier"])
    parser.add_argument(
        "--submit", type=Path, nargs="*", default=[], help="folders of UNIT/SEED.png, or sheets"
    )
    parser.add_argument("--release", type=Path, help="folder for sheets and scores of the pictures")
    parser.add_argument("--make-only", action="store_true", help="make pictures, judge nothing")
    options = parser.parse_args()
    protocol = load_protocol()
    world = World(protocol, protocol.tracks[options.track], options.cache / options.track)
    world.folder.mkdir(parents=True, exist_ok=True)
    entries = [made(world, name) for name in options.entries]
    if options.make_only:
        return
    entries = [
        real_entry(world),
        *entries,
        *(submitted(world, path) for path in options.submit),
        *trivial(world),
    ]
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MissingInputError(f"Two entries are called {twice[0]!r}; name the folder otherwise.")
    results = scores_of(world, entries)
    text = write(world, entries, results)
    if options.release:
        ours = [entry for entry in entries if entry.name in options.entries]
        release(options.release, ours, results, protocol, world.track)
    print(text)


if __name__ == "__main__":
    try:
        main()
    except FVHooksError as error:
        sys.exit(f"quality: {error}")
