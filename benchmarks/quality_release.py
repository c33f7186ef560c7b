"""Pictures and scores of the quality benchmark as files for others; called by `quality.py --release`.

A sheet an entry (lossless WebP; rows seeds, columns units, exact 8-bit pixels, no margins), `scores.csv` with
a row a picture, and `about.json`. Real photographs are not released, nor what begins from one.
"""

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from quality_entries import Entry, cut
from quality_protocol import Protocol, Track

BEGIN_FROM_PHOTOGRAPHS = ("accentuate", "minds_eye")
LICENCE = "BSD-3-Clause, as the project"

Scores = dict[str, Any]


def release(
    folder: Path, entries: list[Entry], results: dict[str, Scores], protocol: Protocol, track: Track
) -> list[str]:
    """Write sheets, scores and what they are; returns the entries that were left out."""
    begun = [entry.name for entry in entries if entry.name.split("@")[0] in BEGIN_FROM_PHOTOGRAPHS]
    released = [entry for entry in entries if entry.name not in begun]
    folder.mkdir(parents=True, exist_ok=True)
    for entry in released:
        write_sheet(folder / sheet_name(entry.name), entry)
    write_scores(folder / "scores.csv", released, results)
    about = {
        "protocol": {"version": protocol.version, "digest": track.digest},
        "network": track.network,
        "judges": [judge.name for judge in track.judges],
        "sheets": {entry.name: sheet_name(entry.name) for entry in released},
        "left_out": dict.fromkeys(begun, "begins from photographs"),
        "licence": LICENCE,
        **(_layout(released[0]) if released else {}),
        "scores": "scores.csv has a row a picture; they are of the pictures before rounding to 8 bits, "
        "percentiles among real images of the class. Empty: nothing to say.",
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")
    return begun


def sheet_name(entry: str) -> str:
    return f"{entry.replace('/', '-')}.webp"


def _layout(entry: Entry) -> dict[str, Any]:
    units, seeds, _, height, width = entry.images.shape
    shape = f"{seeds}, {height}, {units}, {width}, 3"
    return {
        "units": units,
        "seeds": seeds,
        "picture": {"height": height, "width": width},
        "rows": "seeds",
        "columns": "units",
        "how_to_cut": [
            "import numpy as np; from PIL import Image",
            f'pixels = np.asarray(Image.open("{sheet_name(entry.name)}").convert("RGB"))',
            f"pictures = pixels.reshape({shape}).transpose(2, 0, 4, 1, 3)  # unit, seed, rgb, y, x",
        ],
    }


def as_bytes(entry: Entry) -> np.ndarray:
    """(unit, seed, rgb, y, x) as `uint8`."""
    return (entry.images * 255).round().byte().numpy()


def write_sheet(path: Path, entry: Entry) -> None:
    """The sheet of an entry, read back and compared bit by bit."""
    pictures = as_bytes(entry)
    units, seeds, rgb, height, width = pictures.shape
    page = pictures.transpose(1, 3, 0, 4, 2).reshape(seeds * height, units * width, rgb)
    Image.fromarray(np.ascontiguousarray(page)).save(path, lossless=True, quality=100, method=6)
    if not np.array_equal(cut(path, units, (height, width)), pictures):
        raise OSError(f"{path} does not hold the pictures that were written; is its WebP lossless?")


def write_scores(path: Path, entries: list[Entry], results: dict[str, Scores]) -> None:
    """A row a picture, unit by unit and seed by seed as in the sheet's columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for number, entry in enumerate(entries):
            columns = dict(per_picture(results[entry.name]))
            if number == 0:
                writer.writerow(["entry", "unit", "seed", *columns])
            units, seeds = entry.images.shape[:2]
            for row, values in enumerate(zip(*columns.values(), strict=True)):
                place = divmod(row, seeds)
                writer.writerow([entry.name, *place, *map(_cell, values)])
            if row + 1 != units * seeds:
                raise ValueError(f"Expected {units * seeds} scores of {entry.name!r}, got {row + 1}.")


def per_picture(scores: Scores) -> Iterator[tuple[str, list[float]]]:
    """The columns of what was measured of each picture alone."""
    yield "identity_z", scores["identity"]["each"]
    yield "activation_percentile", scores["activation"]["percentile"]
    for layer, found in scores["percentiles"].items():
        yield f"path_percentile:{layer}", found["percentile"]
    for judge, found in scores.items():
        if isinstance(found, dict) and "family" in found:
            yield f"log_odds:{judge}", found["log_odds"]["each"]
            yield f"log_odds_percentile:{judge}", found["log_odds"]["percentile"]
            yield f"novelty:{judge}", found["novelty"]["each"]


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"
