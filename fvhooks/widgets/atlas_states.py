"""An atlas as the browser takes it: facts, and one buffer of columns and tiles, within a budget."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from fvhooks.atlases.results import Atlas
from fvhooks.atlases.tiles import Tiles
from fvhooks.widgets.atlas_columns import columns_of, more_of
from fvhooks.widgets.atlas_facts import SIDE, facts_of, pictures_of
from fvhooks.widgets.encodings import Packer

PAGE_BYTES = 16_000_000
"""How many bytes of tiles a page takes along that works without a kernel."""

_COLUMNS, _MORE = 0.75, 0.4  # of what is left of the budget, at most
_SPARE = 4_000  # bytes that a message takes beside what is counted
_PLACE = 40  # bytes that the place of one tile takes

Place = tuple[int, int, int]  # level, row, column of a tile


def tiles_of(atlas: Atlas) -> Tiles | None:
    """The painter of the map's tiles; None where cells have no pictures."""
    found = pictures_of(atlas.data)
    data = atlas.data.drop_vars("size", errors="ignore")  # the browser draws items larger or smaller
    return None if found is None else Tiles(data, cell=found["cell"], side=SIDE)


def places_of(tiles: Tiles) -> Iterator[Place]:
    """All tiles that hold any item, the coarsest level first."""
    per = tiles.edge // tiles.cell
    for level in reversed(range(tiles.levels)):
        for row, col in np.ndindex(tiles.shape(level)):
            if (tiles.items[level][row * per : (row + 1) * per, col * per : (col + 1) * per] >= 0).any():
                yield level, row, col


def has_place(tiles: Tiles, place: Any) -> bool:  # noqa: ANN401 - whatever a browser sends
    """Whether a map has a tile: of three whole numbers, within its levels."""
    if not isinstance(place, list) or [type(one) for one in place] != [int, int, int]:
        return False
    level, row, col = place
    if not 0 <= level < tiles.levels:
        return False
    rows, columns = tiles.shape(level)
    return bool(0 <= row < rows and 0 <= col < columns)


def state_of(atlas: Atlas, budget: int, tiles: Tiles | None = None) -> dict[str, Any]:
    """The traits of a live view, which asks for what is left out.

    Args:
        atlas: what to show.
        budget: how many bytes all of it may take. Columns of too many items stay behind; coarse tiles come
            with it for as long as there is room.
        tiles: the painter of its tiles.
    """
    facts, packer = facts_of(atlas), Packer()
    left = budget - len(json.dumps(facts)) - _SPARE
    for name, share, pack in (("columns", _COLUMNS, columns_of), ("more", _MORE, more_of)):
        trial = Packer()
        found = pack(atlas, trial)
        if trial.size > share * left:
            break  # the browser asks for them
        start, _ = packer.add(trial.packed)
        facts[name] = {key: (kind, start + a, start + b) for key, (kind, a, b) in found.items()}
        left -= trial.size
    facts["tiles"] = pictures_of(atlas.data)
    tiles = tiles or tiles_of(atlas)
    if tiles is not None:
        facts["tiles"] |= {"kept": _kept(tiles, packer, left), "whole": True}
    return {"atlas": facts, "blobs": packer.packed}


def page_state(atlas: Atlas, budget: int = PAGE_BYTES) -> dict[str, Any]:
    """The state of a page without a kernel: all columns, and as many tiles as the budget allows.

    Args:
        atlas: what to show.
        budget: how many bytes its tiles may take; what is left out is told.
    """
    facts, packer = facts_of(atlas), Packer()
    facts["columns"], facts["more"] = columns_of(atlas, packer), more_of(atlas, packer)
    facts["tiles"] = pictures_of(atlas.data)
    tiles = tiles_of(atlas)
    if tiles is not None:
        kept = _kept(tiles, packer, budget)
        facts["tiles"] |= {"kept": kept, "whole": False}
        facts["notes"] += _dropped(tiles, kept, budget)
    return {"atlas": facts, "blobs": packer.packed}


def _kept(tiles: Tiles, packer: Packer, budget: int) -> list[list[int]]:
    """Tiles for as long as there is room, with where each is in the buffer."""
    kept: list[list[int]] = []
    for place in places_of(tiles):
        encoded = tiles.encoded(*place)
        if encoded is None:
            continue
        budget -= len(encoded[0]) + _PLACE
        if budget < 0:
            break
        kept.append([*place, *packer.add(encoded[0])])
    return kept


def _dropped(tiles: Tiles, kept: list[list[int]], budget: int) -> list[str]:
    """What the page leaves out, in words."""
    every = sum(1 for _ in places_of(tiles))
    if every == len(kept):
        return []
    finest = min((place[0] for place in kept), default=tiles.levels)
    side = 2 ** max(1, finest)
    fact = f"This page holds {len(kept):,} of {every:,} tiles, {budget / 1e6:.3g} MB at the most"
    stand = f"where one is missing, pictures stand that are each for {side} × {side} cells or more"
    return [f"{fact}: {stand if kept else 'no pictures are shown'}."]
