"""Making the arrays of a store: all of them at first, later those that a pass adds, or longer ones.

Whatever is here may be called again after a crash, or by two processes at once: an array that is there as it
should be is left alone.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.errors import ContainsArrayError, ContainsGroupError

from fvhooks.store import places, schema
from fvhooks.store.passes import Pass
from fvhooks.store.plans import SPLITS, Plan, draws
from fvhooks.store.schema import LayerSpec, write_array, write_text

_CHANNELS = 16  # of one inner chunk at least: what one channel costs to read
_VALUES = 2**16  # of one inner chunk about: each costs as much to write as a hundred kilobytes do
_COORDINATES = {"coordinates": "id label split"}


def create_store(path: str, said: dict[str, Any], *, overwrite: bool) -> zarr.Group:
    """An empty store that says what it will be; nothing is in it yet.

    Args:
        path: where.
        said: its attributes.
        overwrite: take the place of one that was never finished being made.
    """
    attributes = {"fvhooks": said | {"state": schema.CREATING}}
    with places.explained(path, "write to"):
        try:
            root = zarr.create_group(path, overwrite=overwrite, attributes=attributes)
        except ContainsGroupError:  # another process has made it just now
            root = schema.open_root(path, "r+")
    for name in ("images", "layers", "units", "visualizations", "spectrum", "ledger"):
        root.require_group(name)
    return root


def forget_units(root: zarr.Group) -> None:
    """Drop what was kept of single units: their references were the strongest of fewer images."""
    group = root.require_group("units")
    for name in list(group):
        with suppress(KeyError, FileNotFoundError):  # another process does so at the same time
            del group[name]


def create_rows(root: zarr.Group, plan: Plan, ids: Sequence[str]) -> None:
    """The table of images, as long as the plan: what is known of each row beforehand is written.

    Args:
        root: the store.
        plan: which image is which row.
        ids: of the data set's items.
    """
    group = _group(root, "images", _COORDINATES)
    _write_coordinates(group, plan, ids)
    write_array(group, "index", plan.index, ["image"])
    for name, kind, fill in (("prediction", "int64", -1), ("logit", "float32", np.nan), ("error", str, "")):
        _long_enough(group, name, (plan.images,), kind, chunks=(plan.shard_size,), fill=fill)


def create_layer(root: zarr.Group, plan: Plan, spec: LayerSpec, ids: Sequence[str]) -> None:
    """The arrays of a layer that its aspects ask for, as long as the plan.

    Args:
        root: the store.
        plan: which image is which row.
        spec: the layer, and what is kept of it.
        ids: of the data set's items.
    """
    group = _group(root, schema.layer_path(spec.name), spec.attributes() | _COORDINATES)
    _write_coordinates(group, plan, ids)
    write_array(group, "group", plan.groups, ["group"])
    write_array(group, "rank", spec.ranks, ["rank"])
    write_array(group, "quantile", np.array(schema.QUANTILES), ["quantile"])
    if schema.SAMPLE in spec.aspects:
        write_array(group, "sample_position", sample_positions(plan, spec, ids), ["image"])
    channels = spec.layout.channels
    inner = min(max(_CHANNELS, _VALUES // plan.shard_size), channels)
    for name, (kind, fill) in spec.image_arrays.items():
        _long_enough(
            group,
            name,
            (plan.images, channels),
            kind,
            chunks=(plan.shard_size, inner),
            shards=(plan.shard_size, -(-channels // inner) * inner),
            fill=fill,
        )


def sample_positions(plan: Plan, spec: LayerSpec, ids: Sequence[str]) -> Any:  # noqa: ANN401
    """The position that is kept of each image: the same place of the picture in every layer.

    Args:
        plan: which image is which row.
        spec: the layer.
        ids: of the data set's items.
    """
    return (draws([ids[item] for item in plan.index], "sample") * spec.layout.positions).astype(np.int32)


def create_ledger(root: zarr.Group, one: Pass, plan: Plan, names: Sequence[str]) -> None:
    """An empty ledger of a pass: one row a shard, one object on disk each.

    Args:
        root: the store.
        one: the pass.
        plan: which shards there are.
        names: the objects that each shard writes.
    """
    group, columns = root.require_group(f"ledger/{one.path}"), [*names] or [schema.NO_OBJECT]
    write_text(group, "object", columns, "object")
    with suppress(ContainsArrayError):
        group.create_array(
            "checksum",
            shape=(len(one.shards(plan)), len(columns)),
            dtype="int64",
            chunks=(1, len(columns)),
            fill_value=schema.NOT_DONE,
            dimension_names=("shard", "object"),
        )


def _group(root: zarr.Group, path: str, attributes: dict[str, Any]) -> zarr.Group:
    group = root.require_group(path)
    group.update_attributes(attributes)
    return group


def _write_coordinates(group: zarr.Group, plan: Plan, ids: Sequence[str]) -> None:
    write_text(group, "id", [ids[index] for index in plan.index], "image")
    write_array(group, "label", plan.labels, ["image"])
    write_text(group, "split", [SPLITS[code] for code in plan.split], "image")


def _long_enough(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    kind: npt.DTypeLike,
    *,
    chunks: tuple[int, ...],
    fill: float | str,
    shards: tuple[int, ...] | None = None,
) -> None:
    """A row array of that shape: new, or the one that is there, made longer."""
    there = group.get(name)
    if isinstance(there, zarr.Array):
        if there.shape != shape:
            there.resize(shape)
        return
    with suppress(ContainsArrayError):  # another process has made it just now
        group.create_array(
            name,
            shape=shape,
            dtype=kind,
            chunks=chunks,
            shards=shards,
            fill_value=fill,
            dimension_names=("image", "channel")[: len(shape)],
        )
