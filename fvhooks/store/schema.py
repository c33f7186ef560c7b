"""The layout of a store: one Zarr v3 group, one sub-group a layer, written down in one place.

`/` attributes · `/images` · `/layers/<name>` · `/spectrum` · `/units` · `/visualizations` · `/ledger`, and
`/partials` while a store is being written. Only the process that called `collect` writes attributes; every
other object has exactly one writer, the owner of its shard.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import zarr
from jaxtyping import Int, Shaped
from zarr.core.common import JSON
from zarr.errors import ZarrUserWarning

from fvhooks.errors import SchemaError, StoreError
from fvhooks.store import places
from fvhooks.store.checksums import checksum, checksum_of
from fvhooks.store.plans import SPLITS, Plan
from fvhooks.units import Layout

VERSION = 1
QUANTILES = (0.0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1.0)
CREATING, COLLECTING, FOLDED, COMPLETE = "creating", "collecting", "folded", "complete"
NOT_DONE = -1
"""A ledger entry of work that is not done; checksums are never negative."""

_CHANNELS = 16  # of one inner chunk: what one channel costs to read against how many chunks there are
_CHUNK_BYTES = 2**20
GROUP_BLOCK = 16
"""Groups whose profiles are folded at once."""
_LABEL_ROWS = 65536


@dataclass(frozen=True, eq=False)
class LayerSpec:
    """One layer as a store keeps it.

    Args:
        name: its name in the model.
        layout: which axis is the channel, and where the positions lie.
        signed: whether it has negative values.
        ranks: which places of the sorted order its profile keeps.
        facts: what else its group says about it.
    """

    name: str
    layout: Layout
    signed: bool
    ranks: Int[np.ndarray, " rank"]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name of its group: `/`, `#` and `[` would nest or clash."""
        return encode_name(self.name)

    @property
    def has_trough(self) -> bool:
        """Whether the lowest value is kept too; with one position it is the peak."""
        return self.signed and self.layout.positions > 1

    @property
    def image_arrays(self) -> dict[str, tuple[str, float]]:
        """Type and fill value of each array (image, channel)."""
        arrays = {"peak": ("float32", np.nan), "average": ("float32", np.nan), "position": ("int32", -1)}
        return arrays | ({"trough": ("float32", np.nan)} if self.has_trough else {})

    def attributes(self) -> dict[str, Any]:
        """What the layer's group says about it."""
        layout = asdict(self.layout) | {"grid": list(self.layout.grid), "positions": self.layout.positions}
        return {"name": self.name, **layout, "signed": self.signed, **self.facts}


def encode_name(name: str) -> str:
    """A layer name as one segment of a path.

    Example:
        >>> encode_name("layer4/sae#1[0]")
        'layer4%2Fsae%231%5B0%5D'
    """
    return quote(name, safe="")


def layer_path(name: str) -> str:
    """Where a layer's arrays are."""
    return f"layers/{encode_name(name)}"


def layout_from(attributes: dict[str, Any]) -> Layout:
    """The layout that a layer's group says."""
    rows, columns = attributes["grid"]
    return Layout(
        attributes["kind"],
        int(attributes["channels"]),
        (int(rows), int(columns)),
        int(attributes["prefix"]),
        int(attributes.get("heads", 1)),
    )


def groups_per_chunk(spec: LayerSpec, groups: int) -> int:
    """How many groups share a chunk of profiles, about a megabyte."""
    fitting = _CHUNK_BYTES // (spec.layout.channels * len(spec.ranks) * 4)
    return 1 << int(np.log2(np.clip(fitting, 1, min(GROUP_BLOCK, groups))))


def create(
    path: str,
    plan: Plan,
    specs: Sequence[LayerSpec],
    ids: Sequence[str],
    said: dict[str, Any],
    *,
    overwrite: bool,
) -> zarr.Group:
    """Write every group and array of an empty store; the state in its attributes says when that is done."""
    with places.explained(path, "write to"):
        root = zarr.create_group(
            path, overwrite=overwrite, attributes={"fvhooks": said | {"state": CREATING}}
        )
    _create_images(root, plan, ids)
    for spec in specs:
        _create_layer(root, plan, spec, ids)
    root.create_group("units")
    root.create_group("visualizations")
    root.create_group("spectrum")
    root.create_group("partials")
    root.create_group("ledger")
    return root


def open_root(path: str, mode: str = "r") -> zarr.Group:
    """The group of a store, attributes and version checked.

    Raises:
        StoreError: nothing there, or something else.
        SchemaError: a newer version.
    """
    try:
        with places.explained(path, "read"):
            root = zarr.open_group(path, mode=mode, use_consolidated=False)  # type: ignore[arg-type]
    except (FileNotFoundError, ValueError) as error:
        with places.explained(path, "read"):
            there = "something else is there" if places.is_taken(path) else "nothing is there"
        raise StoreError(f"No store at {path}: {there} ({error}). fvhooks.collect(…) makes one.") from error
    said = root.attrs.get("fvhooks")
    if not isinstance(said, dict) or "schema" not in said:
        raise StoreError(
            f"{path} is a Zarr group, but no store of fvhooks; it has attributes {sorted(root.attrs)}."
        )
    if int(said["schema"]) > VERSION:
        found = f"layout version {said['schema']}, this fvhooks reads up to {VERSION}"
        raise SchemaError(
            f"The store {path} was written by a newer fvhooks ({found}). Upgrade fvhooks to read it."
        )
    return root


def about(root: zarr.Group) -> dict[str, Any]:
    """What a store says about itself."""
    return dict(root.attrs["fvhooks"])  # type: ignore[arg-type]


def state_of(root: zarr.Group) -> str:
    """How far a store has come."""
    return str(about(root)["state"])


def normalised(path: str | Path) -> str:
    """A path that means the same in every process."""
    return places.normalised(path)


def set_state(root: zarr.Group, state: str) -> None:
    """Say how far a store has come."""
    root.update_attributes({"fvhooks": about(root) | {"state": state}})


def consolidate(path: str) -> None:
    """Put all metadata into one object, so that plain xarray opens the store at once."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ZarrUserWarning
        )  # consolidated metadata is not in the v3 specification
        zarr.consolidate_metadata(path)


def write_text(group: zarr.Group, name: str, values: Sequence[str], dimension: str) -> None:
    """An array of strings of any length, with its checksum."""
    texts = np.array([*values], dtype=object)
    chunk = max(1, min(len(values), _LABEL_ROWS))
    array = group.create_array(
        name,
        shape=texts.shape,
        dtype=str,
        chunks=(chunk,),
        dimension_names=(dimension,),
        attributes={"checksum": checksum_of(texts, chunk)},
    )
    array[:] = texts


def write_array(
    group: zarr.Group,
    name: str,
    values: Shaped[np.ndarray, "..."],
    dimensions: Sequence[str],
    **attributes: JSON,
) -> None:
    """A small array in one chunk, with its checksum."""
    chunks = tuple(max(1, size) for size in values.shape)
    array = array_for(group, name, values.shape, values.dtype, chunks=chunks, dimensions=dimensions)
    array[...] = values
    array.update_attributes({"checksum": checksum(values), **attributes})


def array_for(
    group: zarr.Group,
    name: str,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    *,
    chunks: Sequence[int],
    dimensions: Sequence[str],
) -> zarr.Array[Any]:
    """An array to write into: the one that is there where it is the same, else a new one.

    Two processes may end a collection at the same time with the same values; making an array anew would
    take away for a moment, or for good, what the other has written.
    """
    there = group.get(name)
    if (
        isinstance(there, zarr.Array)
        and (there.shape, there.chunks) == (tuple(shape), tuple(chunks))
        and there.dtype == dtype
    ):
        return there
    return group.create_array(
        name,
        shape=tuple(shape),
        dtype=dtype,
        chunks=tuple(chunks),
        fill_value=np.nan if np.dtype(dtype).kind == "f" else -1,
        dimension_names=tuple(dimensions),
        overwrite=True,
    )


def _create_images(root: zarr.Group, plan: Plan, ids: Sequence[str]) -> None:
    group = root.create_group("images", attributes={"coordinates": "id label split"})
    _write_row_coordinates(group, plan, ids)
    write_array(group, "index", plan.index, ["image"])
    for name, kind, fill in (("prediction", "int64", -1), ("logit", "float32", np.nan), ("error", str, "")):
        group.create_array(
            name,
            shape=(plan.images,),
            dtype=kind,
            chunks=(plan.shard_size,),
            fill_value=fill,
            dimension_names=("image",),
        )


def _write_row_coordinates(group: zarr.Group, plan: Plan, ids: Sequence[str]) -> None:
    write_text(group, "id", [ids[index] for index in plan.index], "image")
    write_array(group, "label", plan.labels, ["image"])
    write_text(group, "split", [SPLITS[code] for code in plan.split], "image")


def _create_layer(root: zarr.Group, plan: Plan, spec: LayerSpec, ids: Sequence[str]) -> None:
    group = root.create_group(
        f"layers/{spec.key}", attributes=spec.attributes() | {"coordinates": "id label split"}
    )
    _write_row_coordinates(group, plan, ids)
    write_array(group, "group", plan.groups, ["group"])
    write_array(group, "rank", spec.ranks, ["rank"])
    write_array(group, "quantile", np.array(QUANTILES), ["quantile"])
    channels = spec.layout.channels
    inner = min(_CHANNELS, channels)
    for name, (kind, fill) in spec.image_arrays.items():
        group.create_array(
            name,
            shape=(plan.images, channels),
            dtype=kind,
            chunks=(plan.shard_size, inner),
            shards=(plan.shard_size, -(-channels // inner) * inner),
            fill_value=fill,
            dimension_names=("image", "channel"),
        )
