"""Pictures kept in a store: one group for each layer, recipe and choice of settings, a chunk a picture.

A picture counts once `done` says so, which is written last. Several processes may write: each touches no
more than the chunks of its own pictures, and what two write of one picture is the same. Only the size of
batches that is remembered may be that of another process.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import xarray as xr
import zarr
from jaxtyping import Bool, Shaped
from zarr.errors import ContainsArrayError

from fvhooks.store import schema
from fvhooks.store.ledgers import array_of

_DONE = "done"
_AXES = ("channel", "seed")

Values = Mapping[str, Any]
"""What there is of a picture, by the name of its array: numbers, text, or arrays."""


class KeptPictures:
    """The pictures of one layer that one recipe made with one choice of settings.

    Args:
        path: of the store.
        names: of the group, from the layer to the recipe, below `/visualizations`.
        channels: how many units there may be.
        seeds: of each unit.
        about: what the pictures were made with; it is kept beside them.
    """

    def __init__(
        self,
        path: str,
        names: Sequence[str],
        channels: int,
        seeds: Sequence[int],
        about: Mapping[str, Any],
    ) -> None:
        self.path, self.channels, self.seeds, self.about = path, channels, list(seeds), dict(about)
        self.inside = "/".join(["visualizations", *map(schema.encode_name, names)])

    def done(self, channels: Sequence[int] | None = None) -> Bool[np.ndarray, "channel seed"]:
        """Which pictures there are, of some channels or of all."""
        group, rows = (
            self._group("r"),
            np.arange(self.channels) if channels is None else np.array(channels, int),
        )
        if group is None or _DONE not in group:
            return np.zeros((len(rows), len(self.seeds)), bool)
        return np.asarray(array_of(group, _DONE).oindex[rows, slice(None)])

    def size_of(self, call: str) -> int | None:
        """How many pictures at a time a call made last; None for a call that was never begun."""
        group = self._group("r")
        sizes: Any = {} if group is None else group.attrs.get("batch_sizes", {})
        return int(sizes[call]) if call in sizes else None

    def write(self, pictures: Mapping[tuple[int, int], Values], call: str, size: int) -> None:
        """Keep a finished batch; of a picture in it a process that is killed in here keeps all or nothing.

        Args:
            pictures: by channel and place among the seeds.
            call: names the call that made them.
            size: how many it made at a time.
        """
        group = self._group("r+")
        if group is None or _DONE not in group:
            group = self._created(next(iter(pictures.values())))
        if group.attrs.get("batch_sizes", {}).get(call) != size:  # type: ignore[union-attr]
            sizes: Any = group.attrs.get("batch_sizes", {})
            group.update_attributes({"batch_sizes": {**sizes, call: size}})
        for name in next(iter(pictures.values())):
            array = array_of(group, name)
            for place, values in pictures.items():
                array[place] = values[name]
        marks = array_of(group, _DONE)
        for place in pictures:
            marks[place] = True

    def read(self, channels: Sequence[int]) -> xr.Dataset:
        """The pictures of some channels, (unit, seed, …); large arrays lazily."""
        opened = xr.open_zarr(self.path, group=self.inside, consolidated=False, chunks={})
        found = opened.drop_vars(_DONE).isel(channel=list(channels)).rename(channel="unit")
        found = found.assign({name: found[name].load() for name in found if found[name].ndim == 2})
        texts = {name: found[name].astype(object) for name in found if found[name].dtype.kind in "UT"}
        plain: xr.Dataset = found.assign(texts).drop_attrs().drop_encoding()
        return plain

    def consolidate(self) -> None:
        """Let plain xarray see the pictures at once."""
        schema.consolidate(self.path)

    def is_consolidated(self) -> bool:
        """Whether plain xarray sees them already; so it does where there are none."""
        return self._group("r") is None or self.inside in zarr.open_group(self.path, mode="r")

    def _group(self, mode: str) -> zarr.Group | None:
        try:
            found = schema.open_root(self.path, mode)[self.inside]
        except KeyError:
            return None
        return found if isinstance(found, zarr.Group) else None

    def _created(self, example: Values) -> zarr.Group:
        root = schema.open_root(self.path, "r+")
        group = root.require_group(self.inside)  # another process may make it, and write, at the same time
        group.update_attributes(self.about)
        schema.write_array(group, "seed", np.array(self.seeds, np.int64), ["seed"])
        for name, values in example.items():
            self._create(group, name, np.asarray(values))
        self._create(group, _DONE, np.zeros((), bool))
        return group

    def _create(self, group: zarr.Group, name: str, whole: Shaped[np.ndarray, "..."]) -> None:
        is_text = whole.dtype.kind in "UO"
        with suppress(ContainsArrayError):
            group.create_array(
                name,
                shape=(self.channels, len(self.seeds), *whole.shape),
                dtype=str if is_text else whole.dtype,
                chunks=(1, 1, *whole.shape),
                fill_value="" if is_text else False if whole.dtype == bool else np.nan,
                dimension_names=(*_AXES, *_DIMENSIONS[name]),
            )


_DIMENSIONS: dict[str, tuple[str, ...]] = {
    "images": ("rgb", "y", "x"),
    "alpha": ("y", "x"),
    "loss": ("step",),
    "activation": (),
    "flag": (),
    _DONE: (),
}
