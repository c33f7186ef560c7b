"""What the parts of a map of 100,000 items cost: its grid, its levels, its tiles and its neighbours.

    python benchmarks/atlas.py [--items 100000] [--images cifar10_train.npz] [--only grid pyramid …]

Items are 64 features around random centres; their pictures, of 32 pixels, are those of the file in turn (made
up where none is given). Each part runs in a process of its own, whose largest resident memory (`ru_maxrss`,
libraries and what the part is given included) is told beside its time. Times are of one run on whatever else
the machine does.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from fvhooks.atlases.grids import displacement, grid_shape, snap, snap_exactly
from fvhooks.atlases.neighbourhoods import gain, nearest, query_rows
from fvhooks.atlases.projections import principal
from fvhooks.atlases.pyramids import pyramid
from fvhooks.atlases.tiles import Tiles

FEATURES, CLUSTERS, SIDE = 64, 50, 32


def items(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Features, and a layout of them."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CLUSTERS, FEATURES))
    features = centres[rng.integers(CLUSTERS, size=count)] + 0.5 * rng.normal(size=(count, FEATURES))
    features = features.astype(np.float32)
    return features, principal(features)


def sprites(path: str) -> np.ndarray:
    if path:
        with np.load(path) as file:
            return np.ascontiguousarray(file["images"].transpose(0, 3, 1, 2))
    return np.random.default_rng(0).integers(0, 256, (4000, 3, SIDE, SIDE), np.uint8)


def time_grid(count: int, _: str) -> list[tuple[str, str]]:
    _, places = items(count)
    start = time.perf_counter()
    cells = snap(places)
    seconds = time.perf_counter() - start
    moved = displacement(places, cells, grid_shape(count)).mean()
    return [("grid", f"{seconds:.2f} s"), ("mean displacement", f"{moved:.1f} cells")]


def time_exact(_: int, __: str) -> list[tuple[str, str]]:
    """Mean squared displacement over the number of cells, and neighbours kept, of both assignments."""
    places = np.random.default_rng(0).random((1024, 2))
    near = nearest(places, 8, metric="euclidean")
    told = []
    for name, find in (("halving", snap), ("exact", snap_exactly)):
        start = time.perf_counter()
        cells = find(places)
        seconds = time.perf_counter() - start
        squared = (displacement(places, cells, (32, 32)) ** 2).mean()
        share = gain(near, nearest(cells, 8, metric="euclidean"), 1024)
        value = f"{seconds:.3f} s, mean squared displacement {squared:.2f} cells², gain at k = 8 {share:.3f}"
        told.append((f"1,024 items, {name}", value))
    return told


def time_pyramid(count: int, _: str) -> list[tuple[str, str]]:
    features, places = items(count)
    cells = snap(places)
    start = time.perf_counter()
    levels = pyramid(cells, grid_shape(count), features)
    return [(f"{len(levels)} levels of medoids", f"{time.perf_counter() - start:.2f} s")]


def time_tiles(count: int, images: str) -> list[tuple[str, str]]:
    features, places = items(count)
    pictures, cells, shape = sprites(images), snap(places), grid_shape(count)
    data = xr.Dataset({"row": ("cell", cells[:, 0]), "col": ("cell", cells[:, 1])}, attrs={"grid": shape})
    for level, (medoid, standing) in enumerate(pyramid(cells, shape, features), 1):
        dims = (f"row_{level}", f"col_{level}")
        data[f"medoid_{level}"], data[f"count_{level}"] = (dims, medoid), (dims, standing)
    tiles = Tiles(data, cell=SIDE, sprites=lambda chosen: pictures[chosen % len(pictures)])
    start, sizes, painting = time.perf_counter(), [], 0.0
    for level in range(tiles.levels):
        for place in np.ndindex(tiles.shape(level)):
            moment = time.perf_counter()
            tiles.paint(level, *place)
            painting += time.perf_counter() - moment
            tile = tiles.encoded(level, *place)
            sizes.append(len(tile[0]) if tile else 0)
    seconds = time.perf_counter() - start - painting  # `encoded` paints again
    amount = f"{np.median(sizes) / 1024:.0f} kB at the median, {sum(sizes) / 2**20:.0f} MB in all"
    return [
        (f"{len(sizes)} tiles of {tiles.edge} px, {tiles.levels} levels", f"{seconds:.1f} s, {amount}"),
        ("painting among it", f"{painting:.1f} s"),
    ]


def time_neighbours(count: int, _: str) -> list[tuple[str, str]]:
    features, places = items(count)
    cells, queries = snap(places), query_rows(count)
    start = time.perf_counter()
    near = nearest(features, 10, queries=queries)
    seconds = time.perf_counter() - start
    told = [(f"10 neighbours of {len(queries):,} items in all", f"{seconds:.1f} s")]
    for name, where in (("layout (two components)", places), ("grid", cells)):
        start = time.perf_counter()
        value = gain(near, nearest(where, 10, metric="euclidean", queries=queries), count)
        told.append((f"gain of the {name}", f"{value:.4f} in {time.perf_counter() - start:.1f} s"))
    return told


PARTS: dict[str, Callable[[int, str], list[tuple[str, str]]]] = {
    "grid": time_grid,
    "exact": time_exact,
    "pyramid": time_pyramid,
    "tiles": time_tiles,
    "neighbours": time_neighbours,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--images", type=Path, help="holds `images` (image, y, x, rgb) of 32 px")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--one", choices=list(PARTS), help="this part, here")
    options = parser.parse_args()
    images = str(options.images or "")
    if options.one:
        told = PARTS[options.one](options.items, images)
        print(json.dumps([told, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
        return
    print(f"| {options.items:,} items | | most memory |\n|---|---|---|", flush=True)
    for part in options.only:
        command = [sys.executable, __file__, "--one", part, "--items", str(options.items)]
        command += ["--images", images] if images else []
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this file
        told, memory = json.loads(done.stdout.splitlines()[-1])
        for index, (name, value) in enumerate(told):
            print(f"| {name} | {value} | {f'{memory:,.0f} MB' if not index else ''} |", flush=True)


if __name__ == "__main__":
    main()
