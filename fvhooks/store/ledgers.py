"""What is done: the shards, and the checksums of what each of them wrote."""

from collections.abc import Iterator, Sequence

import numpy as np
import zarr

from fvhooks.store.plans import Plan
from fvhooks.store.schema import NOT_DONE, LayerSpec, write_text


def object_names(specs: Sequence[LayerSpec]) -> list[str]:
    """The objects that every shard writes, in the order of the ledger's columns."""
    layers = [f"layers/{spec.key}/{name}" for spec in specs for name in spec.image_arrays]
    partials = ["partials/profile", "partials/moments", "partials/spectrum"]
    return ["images/prediction", "images/logit", "images/error", *layers, *partials]


def create_ledger(root: zarr.Group, plan: Plan, names: Sequence[str]) -> None:
    """An empty ledger: one row a shard, one object on disk each."""
    ledger = root["ledger"]
    assert isinstance(ledger, zarr.Group)  # noqa: S101 - for the type checker
    write_text(ledger, "object", names, "object")
    ledger.create_array(
        "checksum",
        shape=(plan.shards, len(names)),
        dtype="int64",
        chunks=(1, len(names)),
        fill_value=NOT_DONE,
        dimension_names=("shard", "object"),
    )


def enter(root: zarr.Group, shard: int, checksums: Sequence[int]) -> None:
    """Say that a shard is done; the last thing that its task writes."""
    array_of(root, "ledger/checksum")[shard, :] = np.array(checksums, np.int64)


def shards_to_do(root: zarr.Group) -> list[int]:
    """The shards that the ledger does not know as done."""
    rows = np.asarray(array_of(root, "ledger/checksum")[:, :])
    return [int(shard) for shard in np.flatnonzero((rows == NOT_DONE).any(axis=1))]


def array_of(root: zarr.Group, path: str) -> zarr.Array:  # type: ignore[type-arg]
    """The array at a path.

    Raises:
        TypeError: a group is there.
    """
    found = root[path]
    if not isinstance(found, zarr.Array):
        raise TypeError(f"Expected an array at {path!r} in the store, found a group.")
    return found


def entries(root: zarr.Group) -> Iterator[tuple[int, str, int]]:
    """(shard, object, checksum) of everything that the ledger lists."""
    names = [str(name) for name in np.asarray(array_of(root, "ledger/object")[:])]
    rows = np.asarray(array_of(root, "ledger/checksum")[:, :])
    for shard, row in enumerate(rows):
        for name, value in zip(names, row, strict=True):
            yield shard, name, int(value)
