"""What later steps keep in a store: statistics made for one unit; pictures are in `pictures.py`.

They are written by one process at a time, and count only once their last mark is there.
"""

from typing import Any

import numpy as np
import xarray as xr
import zarr
from jaxtyping import Shaped

from fvhooks.errors import ShapeError
from fvhooks.store import schema
from fvhooks.store.ledgers import array_of

_DONE = "done"


class KeptResults:
    """The writable part of a store."""

    path: str

    def read_unit(self, layer: str, channel: int, key: str) -> xr.Dataset | None:
        """What `write_unit` kept for one channel under a key; None where there is nothing.

        Args:
            layer: the unit's layer.
            channel: the unit's channel.
            key: names the settings that the statistics were made with.
        """
        group = _group(self.path, f"units/{schema.encode_name(layer)}/{schema.encode_name(key)}")
        if group is None or not bool(np.asarray(array_of(group, _DONE)[channel])):
            return None
        variables = {}
        for name, array in group.arrays():
            dimensions = [str(dimension) for dimension in array.metadata.dimension_names or ()]  # type: ignore[union-attr]
            if name == _DONE:
                continue
            if dimensions[:1] == ["channel"]:
                variables[name] = (dimensions[1:], _text_as_objects(np.asarray(array[channel])))
            else:
                variables[name] = (dimensions, _text_as_objects(np.asarray(array[...])))
        attributes = {str(name): value for name, value in group.attrs.items()}
        return xr.Dataset(variables, attrs=attributes)

    def write_unit(self, layer: str, channel: int, key: str, data: xr.Dataset) -> None:
        """Keep statistics of one channel: numbers or text, of the same shapes for every channel of a key.

        A variable named after its own dimension is shared by all channels; others get one chunk a channel.

        Args:
            layer: the unit's layer.
            channel: the unit's channel.
            key: names the settings that the statistics were made with.
            data: what to keep; no dimension may be called "channel".

        Raises:
            ShapeError: other names or shapes than an earlier channel of the key has.
        """
        if "channel" in data.dims:
            raise ShapeError(
                "Statistics of one unit cannot have a dimension 'channel'; call it 'node_channel'."
            )
        root = schema.open_root(self.path, "r+")
        path = f"units/{schema.encode_name(layer)}/{schema.encode_name(key)}"
        if path not in root or _DONE not in root[path]:  # type: ignore[operator]
            channels = schema.layout_from(dict(root[schema.layer_path(layer)].attrs)).channels
            _create_unit_group(root, path, channels, data)
            schema.consolidate(self.path)
        group = root[path]
        assert isinstance(group, zarr.Group)  # noqa: S101 - for the type checker
        _check_same_shapes(group, data)
        for name, variable in data.variables.items():
            if str(name) not in data.dims:
                array_of(group, str(name))[channel, ...] = _plain(variable)
        array_of(group, _DONE)[channel] = True


def _group(path: str, inside: str) -> zarr.Group | None:
    try:
        found = schema.open_root(path)[inside]
    except KeyError:
        return None
    return found if isinstance(found, zarr.Group) else None


def _plain(variable: xr.Variable) -> Shaped[np.ndarray, "..."]:
    values = variable.values
    return values.astype(object) if values.dtype.kind in "UOT" else values


def _text_as_objects(values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    return values.astype(object) if values.dtype.kind in "UT" else values


def _create_unit_group(root: zarr.Group, path: str, channels: int, data: xr.Dataset) -> None:
    group = root.create_group(
        path, attributes={str(name): value for name, value in data.attrs.items()}, overwrite=True
    )
    for name, variable in data.variables.items():
        values = _plain(variable)
        if str(name) in data.dims:
            schema.write_array(group, str(name), values, [str(name)])
            continue
        is_text = values.dtype.kind == "O"
        group.create_array(
            str(name),
            shape=(channels, *values.shape),
            dtype=str if is_text else values.dtype,
            chunks=(1, *(max(1, size) for size in values.shape)),
            fill_value="" if is_text else np.nan if values.dtype.kind == "f" else 0,
            dimension_names=("channel", *map(str, variable.dims)),
        )
    group.create_array(
        _DONE, shape=(channels,), dtype=bool, chunks=(1,), fill_value=False, dimension_names=("channel",)
    )


def _check_same_shapes(group: zarr.Group, data: xr.Dataset) -> None:
    stored = {
        name: array.shape[1:] for name, array in group.arrays() if name != _DONE and _per_channel(array)
    }
    here = {
        str(name): variable.shape for name, variable in data.variables.items() if str(name) not in data.dims
    }
    if stored != here:
        raise ShapeError(
            f"Expected the arrays of earlier channels {stored}, got {here}; use another key for other shapes."
        )


def _per_channel(array: "zarr.Array[Any]") -> bool:
    names = getattr(array.metadata, "dimension_names", None) or ("",)
    return bool(names[0] == "channel")
