"""The layout of a store: one Zarr v3 group, one sub-group a layer, written down in one place.

`/` attributes · `/images` · `/layers/<name>` · `/influence/<node>` · `/spectrum` · `/units` ·
`/visualizations` · `/ledger`, and `/partials` while a store is being written. Only the process that called
`collect` writes attributes; every other object has exactly one writer, the owner of its shard.
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
from zarr.errors import ContainsArrayError, ZarrUserWarning

from fvhooks.errors import SchemaError, StoreError
from fvhooks.store import places
from fvhooks.store.checksums import checksum, checksum_of
from fvhooks.units import Layout

VERSION = 2
"""1 had one pass, and its ledger knew partial sums."""
QUANTILES = (0.0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1.0)
CREATING, COLLECTING, FOLDED, COMPLETE = "creating", "collecting", "folded", "complete"
NOT_DONE = -1
"""A ledger entry of work that is not done; checksums are never negative."""

NO_OBJECT = ""
"""The one column of the ledger of a pass that writes no array of its own."""

STATISTICS, SAMPLE, RELEVANCE, INFLUENCE = ASPECTS = ("statistics", "sample", "relevance", "influence")
"""What can be kept of a layer; each may be added to a store later."""

ALL, TOP = KEEPS = ("all", "top")
"""What a store keeps of the statistics of each image: everything, or the strongest of each channel alone."""

TOP_IMAGES = 64
"""How many images of each channel and split a store keeps where it does not keep all."""

_LABEL_ROWS = 65536


@dataclass(frozen=True, eq=False)
class LayerSpec:
    """One layer as a store keeps it.

    Args:
        name: its name in the model.
        layout: which axis is the channel, and where the positions lie.
        signed: whether it has negative values.
        ranks: which places of the sorted order its profile keeps.
        aspects: what is kept of it, of `ASPECTS`.
        facts: what else its group says about it.
        keep: what is kept of its statistics of each image, of `KEEPS`.
    """

    name: str
    layout: Layout
    signed: bool
    ranks: Int[np.ndarray, " rank"]
    aspects: frozenset[str] = frozenset({STATISTICS})
    facts: Mapping[str, Any] = field(default_factory=dict)
    keep: str = ALL

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
        """Type and fill value of each array (image, channel) that the store has."""
        arrays = self.statistics_arrays if self.keep == ALL else {}
        if SAMPLE in self.aspects:
            arrays |= {"sample": ("float32", np.nan)}
        return arrays | ({"relevance": ("float32", np.nan)} if RELEVANCE in self.aspects else {})

    @property
    def statistics_arrays(self) -> dict[str, tuple[str, float]]:
        """Type and fill value of each statistic (image, channel) that is measured, kept or not."""
        if STATISTICS not in self.aspects:
            return {}
        arrays = {"peak": ("float32", np.nan), "average": ("float32", np.nan), "position": ("int32", -1)}
        return arrays | ({"trough": ("float32", np.nan)} if self.has_trough else {})

    def attributes(self) -> dict[str, Any]:
        """What the layer's group says about it."""
        layout = asdict(self.layout) | {"grid": list(self.layout.grid), "positions": self.layout.positions}
        return {"name": self.name, **layout, "signed": self.signed, **self.facts}


def encode_name(name: str) -> str:
    """A layer name as one segment of a path.

    Examples:
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
    if int(said["schema"]) < VERSION:
        found = f"layout version {said['schema']}, this fvhooks reads {VERSION}"
        raise SchemaError(
            f"The store {path} was written by an older fvhooks ({found}). Collect into another path."
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


def is_consolidated(path: str) -> bool:
    """Whether all metadata are in one object; a crash may come between the last word of a store and that."""
    found = zarr.open_group(path, mode="r").metadata
    return getattr(found, "consolidated_metadata", None) is not None


def consolidate(path: str) -> None:
    """Put all metadata into one object, so that plain xarray opens the store at once."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ZarrUserWarning
        )  # consolidated metadata is not in the v3 specification
        zarr.consolidate_metadata(path)


def write_text(group: zarr.Group, name: str, values: Sequence[str], dimension: str) -> None:
    """An array of strings of any length, with its checksum; left alone where the same is there."""
    texts = np.array([*values], dtype=object)
    chunk = max(1, min(len(values), _LABEL_ROWS))
    total, there = checksum_of(texts, chunk), group.get(name)
    if isinstance(there, zarr.Array) and there.attrs.get("checksum") == total and there.shape == texts.shape:
        return
    array = array_for(group, name, texts.shape, str, chunks=(chunk,), dimensions=(dimension,))
    array[:] = texts
    array.update_attributes({"checksum": total})  # last, since it says that the texts are there


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


def _is_like(
    there: "zarr.Array[Any]", shape: Sequence[int], chunks: Sequence[int], dtype: npt.DTypeLike
) -> bool:
    same_type = there.dtype == dtype or (np.dtype(dtype).kind in "UT" and there.dtype.kind in "OUT")
    return (there.shape, there.chunks) == (tuple(shape), tuple(chunks)) and same_type


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
    is_text = np.dtype(dtype).kind in "UT"
    for overwrite in (False, True):
        if isinstance(there, zarr.Array) and _is_like(there, shape, chunks, dtype):
            return there
        try:
            return group.create_array(
                name,
                shape=tuple(shape),
                dtype=dtype,
                chunks=tuple(chunks),
                fill_value="" if is_text else np.nan if np.dtype(dtype).kind == "f" else -1,
                dimension_names=tuple(dimensions),
                overwrite=overwrite,
            )
        except ContainsArrayError:  # of another shape, or made by another process just now
            there = group.get(name)
    raise StoreError(f"Another process writes {group.path}/{name} at the same time. Collect again.")
