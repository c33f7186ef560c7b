"""Reading everything again, to see what is damaged."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import zarr

from fvhooks.store import schema
from fvhooks.store.folding import checksum_of
from fvhooks.store.ledgers import array_of, checksum, entries


def damaged(root: zarr.Group) -> list[str]:
    """The objects whose values are not those that were written.

    Args:
        root: a finished store.

    Returns:
        Their paths, with the shard's number where an object is one shard of an array.
    """
    rows = int(schema.about(root)["settings"]["shard_size"])
    broken = []
    for shard, name, expected in entries(root):
        part = slice(shard * rows, (shard + 1) * rows)
        if not name.startswith("partials/") and _value(root, name, part) != expected:
            broken.append(f"{name} (shard {shard})")
    broken += [path for path, expected in _statistics(root) if _value(root, path, None) != expected]
    return broken


def _value(root: zarr.Group, path: str, part: slice | None) -> int | str:
    """The checksum of what can be read, or what keeps it from being read."""
    try:
        array = array_of(root, path)
        return checksum_of(array) if part is None else checksum(np.asarray(array[part]))
    except Exception as error:  # noqa: BLE001 - codecs raise whatever they like on damaged bytes
        return f"{type(error).__name__}: {error}"


def _statistics(root: zarr.Group) -> Iterator[tuple[str, Any]]:
    """Every array that carries its own checksum."""
    paths = [schema.layer_path(name) for name in schema.about(root)["layers"]] + ["spectrum"]
    for path in paths:
        group = root[path]
        for name, array in group.arrays() if isinstance(group, zarr.Group) else ():
            if "checksum" in array.attrs:
                yield f"{path}/{name}", array.attrs["checksum"]
