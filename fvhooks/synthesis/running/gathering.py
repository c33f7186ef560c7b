"""From single pictures to one data set, whether they were just made or lie in a store."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from fvhooks.errors import FVHooksError
from fvhooks.synthesis.running.jobs import Call, Picture, Place
from fvhooks.synthesis.running.shelves import Shelf, values_of
from fvhooks.synthesis.visualizations import unit_coordinates

_AT_ONCE = 2**30  # bytes of kept pictures that are read; more stay in the store until they are used
_DIMENSIONS = {"images": ("rgb", "y", "x"), "alpha": ("y", "x"), "loss": ("step",)}


def gather(call: Call, made: Mapping[Place, Picture], shelf: Shelf | None) -> xr.Dataset:
    """The pictures of a call, (unit, seed, …).

    Args:
        call: what was asked for.
        made: pictures in memory.
        shelf: where the others are.

    Returns:
        All of it; of a call that was stopped the units of which every picture was begun, or, where there is
        none, the pictures of the first unit that were.

    Raises:
        FVHooksError: not a single one was begun.
    """
    units, seeds = range(len(call.units)), range(len(call.seeds))
    if shelf is None:
        gone = {(unit, seed) for unit in units for seed in seeds} - set(made)
    else:
        gone = {place for group in call.by_layer() for place in shelf.missing(group)} - set(made)
    begun, columns = [unit for unit in units if not any((unit, seed) in gone for seed in seeds)], list(seeds)
    if not begun:
        begun = [
            _first_begun(made, [unit for unit in units if any((unit, seed) not in gone for seed in seeds)])
        ]
        columns = [seed for seed in seeds if (begun[0], seed) not in gone]
    fresh = [unit for unit in begun if any((unit, seed) in made for seed in columns)]
    kept = [unit for unit in begun if unit not in set(fresh)]
    parts = []
    if shelf is not None and kept:
        parts.append(shelf.read(kept).isel(seed=columns).drop_vars("seed"))
    if fresh:
        rows = [[_picture(made, shelf, (unit, seed)) for seed in columns] for unit in fresh]
        parts.append(_stacked(rows))
    data = xr.concat(parts, "unit", join="outer") if len(parts) > 1 else parts[0]
    data = data.isel(unit=np.argsort([*kept, *fresh]))
    names = unit_coordinates([call.units[unit] for unit in begun])
    data = data.assign_coords(**names, seed=[call.seeds[seed] for seed in columns])
    return data.load() if data.nbytes <= _AT_ONCE else data


def _first_begun(made: Mapping[Place, Picture], units: Sequence[int]) -> int:
    """The first unit that was just begun, or else the first of which anything is kept."""
    first = next((unit for unit, _ in made), None)
    if first is None and not units:
        raise FVHooksError(
            "Expected at least one picture of the call, and there is none: it was stopped before the first "
            "one was begun. Call visualize again and let it make a step."
        )
    return units[0] if first is None else first


def _picture(made: Mapping[Place, Picture], shelf: Shelf | None, place: Place) -> Picture:
    found = made.get(place)
    if found is None:
        assert shelf is not None  # noqa: S101 - for the type checker: what was not made is kept
        found = shelf.picture(place)
    return found


def _stacked(rows: Sequence[Sequence[Picture]]) -> xr.Dataset:
    longest = max(len(picture.loss) for row in rows for picture in row)
    values = [[dict(values_of(picture)) for picture in row] for row in rows]
    for row in values:
        for one in row:
            one["loss"] = np.pad(one["loss"], (0, longest - len(one["loss"])), constant_values=np.nan)
    arrays = {}
    for name in values[0][0]:
        stack = np.array([[one[name] for one in row] for row in values], object if name == "flag" else None)
        arrays[name] = (("unit", "seed", *_DIMENSIONS.get(name, ())), stack)
    return xr.Dataset(arrays)
