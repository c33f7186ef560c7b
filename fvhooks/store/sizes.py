"""How large a store is, or a part of it, wherever it lies."""

import zarr
from zarr.core.sync import sync


def stored_bytes(root: zarr.Group, shard: int, arrays: list[str]) -> int:
    """How large the objects are that hold one shard of some arrays, in a folder or behind a URL.

    Args:
        root: the store.
        shard: which run of images.
        arrays: paths of arrays whose first dimension is cut into shards. An object that is not there, since
            it holds nothing but fill values, counts for nothing.
    """
    return sum(_size(root, array, shard) for array in arrays)


def _size(root: zarr.Group, path: str, shard: int) -> int:
    array = root[path]
    if not isinstance(array, zarr.Array):
        return 0
    key = array.metadata.encode_chunk_key((shard, *[0] * (array.ndim - 1)))
    prefix = f"{array.store_path.path}/" if array.store_path.path else ""
    try:
        return int(sync(array.store_path.store.getsize(f"{prefix}{key}")))
    except FileNotFoundError:
        return 0


def total_bytes(root: zarr.Group) -> int:
    """How large a whole store is, in a folder or behind a URL."""
    return int(sync(root.store_path.store.getsize_prefix(root.store_path.path)))
