"""Where a kept job finds what is there already, and puts what it has finished."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from fvhooks.store.pictures import KeptPictures, Values
from fvhooks.store.reading import Store
from fvhooks.synthesis.running.jobs import Call, Picture, Place
from fvhooks.synthesis.running.settings import describe, describe_target, key_of
from fvhooks.units import Unit


class Shelf:
    """The pictures of a call in a store.

    Channels of a layer share a group; a direction, a set or a unit at one position has its own, since
    nothing but its content tells it from others of its name.

    Args:
        call: what is made.
        store: where it is kept.

    Raises:
        MissingInputError: a setting that cannot be told again by another process.
    """

    def __init__(self, call: Call, store: Store) -> None:
        self._said, self._call, self._path = describe(call, store), call, store.path
        self._wrote = False
        shared: dict[str, KeptPictures] = {}
        self._places: list[tuple[KeptPictures, int]] = []
        for unit in call.units:
            if isinstance(unit, Unit) and unit.position is None:
                channels = call.hooked.layout(unit.layer).channels
                kept = shared.setdefault(unit.layer, self._group([unit.layer], channels, []))
                self._places.append((kept, unit.channel))
            else:
                names = [unit.layer, unit.id]
                self._places.append((self._group(names, 1, describe_target(unit)), 0))

    def _group(self, names: Sequence[str], channels: int, target: Sequence[object]) -> KeptPictures:
        about = {**self._said, "target": list(target)}
        name = f"{self._call.name}-{key_of(about)}"
        return KeptPictures(self._path, [*names, name], channels, self._call.seeds, about)

    def missing(self, group: Sequence[int]) -> list[Place]:
        """The pictures of some units that are not there, in order."""
        rows: dict[int, list[int]] = {}
        for kept, row in self._of(group):
            rows.setdefault(id(kept), []).append(row)
        shelves = {id(kept): kept for kept, _ in self._of(group)}
        done = {
            number: dict(zip(own, shelves[number].done(own), strict=True)) for number, own in rows.items()
        }
        found = []
        for place in group:
            kept, row = self._places[place]
            found += [(place, int(seed)) for seed in np.flatnonzero(~done[id(kept)][row])]
        return found

    def size_of(self, group: Sequence[int]) -> int | None:
        """How many pictures at a time an earlier, equal call made."""
        return self._places[group[0]][0].size_of(self._name(group))

    def write(self, group: Sequence[int], pictures: Mapping[Place, Picture], size: int) -> None:
        """Keep a finished batch."""
        self._wrote = True
        parts: dict[int, dict[Place, Values]] = {}
        shelves: dict[int, KeptPictures] = {}
        for (unit, seed), picture in pictures.items():
            kept, row = self._places[unit]
            shelves[id(kept)] = kept
            parts.setdefault(id(kept), {})[row, seed] = values_of(picture)
        for number, part in parts.items():
            shelves[number].write(part, self._name(group), size)

    def read(self, units: Sequence[int]) -> xr.Dataset:
        """All pictures of some units, which must be there."""
        runs: list[tuple[KeptPictures, list[int], list[int]]] = []
        for place in units:
            kept, row = self._places[place]
            if not runs or runs[-1][0] is not kept:
                runs.append((kept, [], []))
            runs[-1][1].append(row)
            runs[-1][2].append(place)
        found = [kept.read(rows) for kept, rows, _ in runs]
        return xr.concat(found, "unit", join="outer") if len(found) > 1 else found[0]

    def picture(self, place: Place) -> Picture:
        """One picture, which must be there."""
        kept, row = self._places[place[0]]
        one = kept.read([row]).isel(unit=0, seed=place[1]).load()
        alpha = one["alpha"].values if "alpha" in one else None
        activation, flag = float(one["activation"]), str(one["flag"].item())
        return Picture(one["images"].values, alpha, one["loss"].values, activation, flag)

    def finish(self) -> None:
        """Let plain xarray see what was kept, also by a job that was killed before it came to this."""
        if self._wrote or not self._places[-1][0].is_consolidated():
            self._places[-1][0].consolidate()

    def _of(self, group: Sequence[int]) -> list[tuple[KeptPictures, int]]:
        return [self._places[place] for place in group]

    def _name(self, group: Sequence[int]) -> str:
        return key_of([describe_target(self._call.units[place]) for place in group])


def values_of(picture: Picture) -> Values:
    """What is kept of a picture."""
    values: dict[str, object] = {
        "images": picture.image,
        "loss": picture.loss,
        "activation": np.float32(picture.activation),
        "flag": picture.flag,
    }
    return values if picture.alpha is None else {**values, "alpha": picture.alpha}
