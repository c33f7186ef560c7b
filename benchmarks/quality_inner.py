"""How good pictures of inner units are: a frozen protocol, beside crops of real images that drive each unit.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/quality_inner.py --cache FOLDER --track cifar10_resnet20
    FVHOOKS_TEST_DATA=FOLDER python benchmarks/quality_inner.py --cache FOLDER --submit MY_PICTURES

An entry is any registered recipe, or a control: "vital@swapped" is given the next unit's references,
"vital@untrained" sees its own by random weights, and RECIPE@next hands in the pictures of the next unit. A
submitted folder holds UNIT/SEED.png, units counted as they are drawn. Real crops and trivial entries are
always judged beside them. Pictures and scores are kept in the cache: one more entry costs its own time only.
Writes `inner.md`, `inner.json` (a score for each picture), `inner.png` and, without anyone's photographs,
`recipes.png` into the track's folder.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from quality_entries import Entry, kept_scores, submitted
from quality_inner_columns import Jury, Own, columns
from quality_inner_world import Track, World, load_tracks, made, trivial
from quality_table import front, markdown, winners

from fvhooks.errors import FVHooksError, MissingInputError

ENTRIES = ["vital", "fourier", "maco", "portrait", "vital@swapped", "vital@untrained"]
NEXT = ["vital@next", "fourier@next", "maco@next", "portrait@next"]


def report(results: dict[str, Any], kinds: dict[str, str], track: Track) -> str:
    """All tables of a track in Markdown."""
    known, parts = columns(track), [f"## {track.network}, `{track.layer}`"]
    for group in dict.fromkeys(column.group for column in known):
        shown = [column for column in known if column.group == group]
        rows = {name: [column.say(scores) for column in shown] for name, scores in results.items()}
        parts.append(f"{group}\n\n{markdown([column.name for column in shown], rows)}")
    verdicts = {
        row["column"]: [row["best"], *(", ".join(row[kind]) or "—" for kind in ("floor", "control", "shown"))]
        for row in winners(results, kinds, known)
    }
    head = ["best recipe", "trivial entries that do as well", "controls that do", "other real crops"]
    parts.append(f"who wins\n\n{markdown(head, verdicts, 'column')}")
    names = ", ".join(front(results, kinds, known))
    return "\n\n".join([*parts, f"Pareto front of the columns that no trivial entry wins: {names}."]) + "\n"


def sheet(entries: list[Entry], each: int = 2) -> Image.Image:
    """A row a unit: `each` real crops, reference crops and pictures of every recipe, side by side."""
    wanted = [entry for entry in entries if entry.kind in ("real", "shown", "recipe")]
    wanted += [entry for entry in entries if entry.name in ("vital@swapped", "vital@untrained")]
    side = 64 if wanted[0].images.shape[-1] <= 64 else 112
    step, block, top = side + 2, each * (side + 2) + 6, 14
    page = Image.new("RGB", (block * len(wanted), top + step * len(wanted[0].images)), "white")
    draw = ImageDraw.Draw(page)
    for place, entry in enumerate(wanted):
        draw.text((place * block + 2, 1), entry.name, fill="black")
        for unit, pictures in enumerate(entry.images[:, :each]):
            for seed, picture in enumerate(pictures):
                page.paste(_scaled(picture, side), (place * block + seed * step, top + unit * step))
    return page


def _scaled(picture: torch.Tensor, side: int) -> Image.Image:
    pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
    small = len(pixels) < side
    how = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return Image.fromarray(pixels).resize((side, side), how)


def judge(world: World, entries: list[Entry]) -> str:
    """Scores, tables and a contact sheet, into the track's folder."""
    own, juries = Own(world), [Jury(world, one) for one in world.track.judges]

    def score(entry: Entry) -> dict[str, Any]:
        return own.score(entry) | {jury.judge.name: jury.score(entry) for jury in juries}

    results = {entry.name: kept_scores(world.folder, world.track.digest, entry, score) for entry in entries}
    kinds, known = {entry.name: entry.kind for entry in entries}, columns(world.track)
    found = {
        "protocol": world.track.digest,
        "track": world.track.network,
        "units": [unit.id for unit in world.units],
        "winners": winners(results, kinds, known),
        "front": front(results, kinds, known),
        "entries": results,
    }
    text = report(results, kinds, world.track)
    (world.folder / "inner.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (world.folder / "inner.md").write_text(text, encoding="utf-8")
    sheet(entries).save(world.folder / "inner.png")
    sheet([entry for entry in entries if entry.kind in ("recipe", "control")]).save(
        world.folder / "recipes.png"
    )
    return text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tracks = load_tracks()
    parser.add_argument("--cache", type=Path, required=True, help="folder for stores, pictures and scores")
    parser.add_argument("--track", default="cifar10_resnet20", choices=list(tracks), help="what is pictured")
    parser.add_argument("--entries", nargs="*", default=[*ENTRIES, *NEXT])
    parser.add_argument("--submit", type=Path, nargs="*", default=[], help="folders of UNIT/SEED.png")
    parser.add_argument("--make-only", action="store_true", help="make pictures, judge nothing")
    options = parser.parse_args()
    world = World(tracks[options.track], options.cache / options.track)
    world.folder.mkdir(parents=True, exist_ok=True)
    entries = [made(world, name) for name in options.entries]
    if options.make_only:
        return
    real, *others = trivial(world)
    entries = [real, *entries, *(submitted(world, path) for path in options.submit), *others]
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MissingInputError(f"Two entries are called {twice[0]!r}; name the folder otherwise.")
    print(judge(world, entries))


if __name__ == "__main__":
    try:
        main()
    except FVHooksError as error:
        sys.exit(f"quality_inner: {error}")
