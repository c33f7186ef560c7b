"""Reading everything again, to see what is damaged."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import zarr

from fvhooks.statistics import STATISTICS
from fvhooks.store import schema
from fvhooks.store.checksums import checksum, checksum_of
from fvhooks.store.ledgers import array_of, entries

_ROWS = ("id", "label", "split")
_OF_LAYERS = ("group", "rank", "quantile", "group_count", "active_fraction", "quantiles")


def damaged(root: zarr.Group) -> list[str]:
    """The objects whose values are not those that were written.

    Args:
        root: a finished store.

    Returns:
        Their paths, with the shard's number where an object is one shard of an array.
    """
    broken = []
    for shard, part, name, expected in entries(root):
        if _value(root, name, part) != expected:
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
    """Every array that must carry its own checksum, with None where it has none or is not there."""
    names = {"images": [*_ROWS, "index"]}
    names |= {name: [*kind.dimensions] for name, kind in STATISTICS.items() if kind.of == "images"}
    of_layers = [name for kind in STATISTICS.values() if kind.of == "activations" for name in kind.dimensions]
    for layer in schema.about(root)["layers"]:
        names[schema.layer_path(layer)] = [*_ROWS, *_OF_LAYERS, *of_layers]
    for group, arrays in names.items():
        for name in arrays:
            array = root.get(f"{group}/{name}")
            yield f"{group}/{name}", None if array is None else array.attrs.get("checksum")
