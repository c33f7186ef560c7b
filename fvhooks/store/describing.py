"""A store in words, a half-written one too."""

from pathlib import Path
from typing import Any

import numpy as np
import zarr

from fvhooks.store import schema
from fvhooks.store.contents import some
from fvhooks.store.ledgers import array_of
from fvhooks.store.sizes import total_bytes
from fvhooks.store.verification import lost, missing_shards, runs


def describe_store(path: str | Path) -> str:
    """What is in a store and what is still missing, a line a fact; its values are not read, only looked at.

    Examples:
        >>> print(describe_store("stats.zarr"))  # doctest: +SKIP

    Args:
        path: the folder or URL.

    Raises:
        StoreError: no store of fvhooks is there.
    """
    where = schema.normalised(path)
    root = schema.open_root(where)
    about = schema.about(root)
    lines = [f"store    {where}, {_state(root)}"]
    lines += _images(root, about)
    lines += [f"model    {_short(about['model'])}", f"settings {_short(about['settings'])}"]
    lines += [
        f"layer    {name}: {schema.layout_from(dict(root[path].attrs)).channels:,} channels"
        for name, path in ((name, schema.layer_path(name)) for name in about["layers"])
    ]
    lines.append(f"size     {total_bytes(root) / 1e6:,.1f} MB")
    return "\n".join(lines)


def _state(root: zarr.Group) -> str:
    state = schema.state_of(root)
    return "complete" if state in (schema.FOLDED, schema.COMPLETE) else "half-written"


def _images(root: zarr.Group, about: dict[str, Any]) -> list[str]:
    """How many images there are, in which shards, and what is missing of them."""
    images, rows = int(about["data"]["images"]), int(about["settings"]["shard_size"])
    shards = -(-images // rows)
    count = f"{images:,}"
    if schema.state_of(root) == schema.CREATING:
        return [f"images   {count}", f"shards   {shards:,} of {rows:,} images; none is done"]
    failed = int((np.asarray(array_of(root, "images/error")[:]) != "").sum())
    if failed:
        count += f", {failed:,} of them could not be used"
    missing, gone = missing_shards(root), lost(root)
    done = f"{len(missing):,} are not done ({runs(missing)})" if missing else "all are done"
    lines = [f"images   {count}", f"shards   {shards:,} of {rows:,} images; {done}"]
    if gone:
        lines.append(f"lost     {len(gone):,} objects: {some(gone)}")
    return lines


def _short(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {str(value)[:40]}" for name, value in facts.items() if value is not None)
