"""What of a store is lost or damaged: by a look at what is there, or by reading everything again."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import zarr
from zarr.core.sync import sync

from fvhooks.errors import StoreError
from fvhooks.statistics import STATISTICS
from fvhooks.store import schema
from fvhooks.store.checksums import checksum, checksum_of
from fvhooks.store.contents import some
from fvhooks.store.influence_arrays import influence_names
from fvhooks.store.ledgers import array_of, entries, shards_to_do
from fvhooks.store.passes import passes_of

_ROWS = ("id", "label", "split")
_BEFOREHAND = ("group", "rank", "quantile")
_FOLDED = ("group_count", "active_fraction", "quantiles")
_TOPS = ("top_value", "top_row", "top_position", "top_average")


def verify_store(path: str) -> None:
    """Read everything that the ledger calls done, and compare it with the checksums of its writing.

    Args:
        path: a store, half-written ones too.

    Raises:
        StoreError: shards that are not done, and objects that are damaged or missing; which, and what to do.
    """
    root = schema.open_root(path)
    state = schema.state_of(root)
    if state == schema.CREATING and len(passes_of(root)) == 1:
        raise StoreError(
            f"The store {path} is half-written: no shard is done. Collect with the same arguments to fill it."
        )
    missing, broken = missing_shards(root), damaged(root)
    words = []
    if missing:
        count = f"{len(missing)} shards are not done: {runs(missing)}"
        words.append(f"is half-written ({count}; collect with the same arguments to finish it)")
    if broken:
        shards = sorted({int(name.split("(shard ")[1][:-1]) for name in broken if "(shard " in name})
        whose = f" Damaged shards: {runs(shards)}." if shards else ""
        words.append(f"is damaged in {len(broken)} objects: {some(broken)}.{whose}")
    if words:
        advice = (
            " Nothing else is affected; fvhooks.collect(…, repair=True) collects damaged shards again."
            if broken
            else "."
        )
        raise StoreError(f"The store {path} {' and '.join(words)}{advice}")


def missing_shards(root: zarr.Group) -> list[int]:
    """The shards that the ledger does not call done."""
    return shards_to_do(root)


def damaged(root: zarr.Group) -> list[str]:
    """The objects whose values are not those that were written.

    Args:
        root: a store; of a half-written one, the shards that are done.

    Returns:
        Their paths, with the shard's number where an object is one shard of an array.
    """
    broken = [
        _named(name, shard)
        for shard, part, name, expected in entries(root)
        if is_damaged(root, name, part, expected)
    ]
    return broken + damaged_statistics(root)


def damaged_statistics(root: zarr.Group) -> list[str]:
    """The arrays that belong to no shard whose values are not those that were written."""
    return [path for path, expected in _statistics(root) if is_damaged(root, path, None, expected)]


def is_damaged(root: zarr.Group, path: str, part: slice | None, expected: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether an array, or some rows of it, have another checksum, or cannot be read."""
    return bool(_value(root, path, part) != expected)


def lost(root: zarr.Group) -> list[str]:
    """The objects that are not there, though the ledger knows what they held: what a listing can tell.

    An object that holds nothing but fill values is never written; that it is not there proves nothing.
    """
    there = _keys(root)
    gone = []
    for shard, part, name, expected in entries(root):
        array = root.get(name)
        if not isinstance(array, zarr.Array):
            gone.append(name)
        elif object_key(array, shard) not in there and _empty(array, part) != expected:
            gone.append(_named(name, shard))
    return list(dict.fromkeys(gone))


def runs(numbers: Iterable[int]) -> str:
    """Ascending numbers as text, neighbours joined.

    Examples:
        >>> runs([0, 3, 4, 5, 9])
        '0, 3-5, 9'
    """
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1][1:] = [number]
        else:
            found.append([number])
    return ", ".join("-".join(map(str, run)) for run in found)


def _named(path: str, shard: int) -> str:
    return f"{path} (shard {shard})"


def _keys(root: zarr.Group) -> set[str]:
    """Every object of a store, in a folder or behind a URL."""
    store, path = root.store_path.store, root.store_path.path

    async def listed() -> set[str]:
        return {key async for key in store.list_prefix(f"{path}/" if path else "")}

    return sync(listed())


def object_key(array: "zarr.Array[Any]", shard: int) -> str:
    """Where the object lies that holds a shard of an array."""
    place = (shard, *[0] * (array.ndim - 1))
    return f"{array.store_path.path}/{array.metadata.encode_chunk_key(place)}"


def _empty(array: "zarr.Array[Any]", part: slice) -> int:
    """The checksum of rows that hold nothing but the fill value."""
    count = len(range(*part.indices(array.shape[0])))
    kind = object if array.metadata.fill_value == "" else array.dtype
    return checksum(np.full((count, *array.shape[1:]), array.metadata.fill_value, kind))


def _value(root: zarr.Group, path: str, part: slice | None) -> int | str:
    """The checksum of what can be read, or what keeps it from being read."""
    try:
        array = array_of(root, path)
        return checksum_of(array) if part is None else checksum(np.asarray(array[part]))
    except Exception as error:  # noqa: BLE001 - codecs raise whatever they like on damaged bytes
        return f"{type(error).__name__}: {error}"


def _statistics(root: zarr.Group) -> Iterator[tuple[str, Any]]:
    """Every array that must carry its own checksum, with None where it has none or is not there."""
    folded = schema.state_of(root) in (schema.FOLDED, schema.COMPLETE)
    names: dict[str, list[str]] = {"images": [*_ROWS, "index"]}
    of_layers = [name for kind in STATISTICS.values() if kind.of == "activations" for name in kind.dimensions]
    if schema.about(root)["settings"].get("keep") == schema.TOP:
        of_layers += _TOPS
    for layer in schema.about(root)["layers"]:
        path = schema.layer_path(layer)
        names[path] = [*_ROWS, *_BEFOREHAND, *((*_FOLDED, *of_layers) if folded else ())]
        names[path] += ["sample_position"] if f"{path}/sample_position" in root else []
    if folded:
        names |= {name: [*kind.dimensions] for name, kind in STATISTICS.items() if kind.of == "images"}
    names |= influence_names(root)
    for group, arrays in names.items():
        for name in arrays:
            array = root.get(f"{group}/{name}")
            yield f"{group}/{name}", None if array is None else array.attrs.get("checksum")
