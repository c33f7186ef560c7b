"""What is done: the shards of each pass, and the checksums of what each of them wrote."""

from collections.abc import Iterator, Sequence

import numpy as np
import zarr

from fvhooks.store.passes import Pass, passes_of
from fvhooks.store.plans import Plan
from fvhooks.store.schema import COMPLETE, CREATING, FOLDED, NO_OBJECT, NOT_DONE, LayerSpec, about

_OF_ROWS = ("images/prediction", "images/logit", "images/error")


def object_names(specs: Sequence[LayerSpec], *, owns_rows: bool) -> list[str]:
    """The objects that every shard of a pass writes, in the order of the ledger's columns."""
    layers = [f"layers/{spec.key}/{name}" for spec in specs for name in spec.image_arrays]
    return [*(_OF_ROWS if owns_rows else ()), *layers]


def enter(root: zarr.Group, one: Pass, plan: Plan, shard: int, checksums: Sequence[int]) -> None:
    """Say that a shard is done; the last thing that its task writes."""
    place = shard - one.shards(plan).start
    array_of(root, f"ledger/{one.path}/checksum")[place, :] = np.array(checksums or [0], np.int64)


def forget(root: zarr.Group, one: Pass, plan: Plan, shard: int) -> None:
    """Say that a shard is to be done again."""
    enter(root, one, plan, shard, [NOT_DONE] * array_of(root, f"ledger/{one.path}/checksum").shape[1])


def is_done(root: zarr.Group, one: Pass, plan: Plan, shard: int) -> bool:
    """Whether a shard of a pass is done."""
    place = shard - one.shards(plan).start
    return not (np.asarray(array_of(root, f"ledger/{one.path}/checksum")[place, :]) == NOT_DONE).any()


def shards_to_do(root: zarr.Group) -> list[int]:
    """The shards that are not done, of the pass that is not."""
    size = int(about(root)["settings"]["shard_size"])
    unfinished = [one for one in passes_of(root) if one.state not in (FOLDED, COMPLETE)]
    if not unfinished:
        return []
    one = unfinished[0]
    if one.state == CREATING:
        return list(range(one.start // size, -(-one.stop // size)))
    rows = np.asarray(array_of(root, f"ledger/{one.path}/checksum")[:, :])
    return [one.start // size + int(place) for place in np.flatnonzero((rows == NOT_DONE).any(axis=1))]


def entries(root: zarr.Group, only: int | None = None) -> Iterator[tuple[int, slice, str, int]]:
    """(shard, its rows, object, checksum) of everything that is done, or of one pass."""
    size = int(about(root)["settings"]["shard_size"])
    for one in passes_of(root):
        if one.state == CREATING or only not in (None, one.number):
            continue
        names = [str(name) for name in np.asarray(array_of(root, f"ledger/{one.path}/object")[:])]
        rows = np.asarray(array_of(root, f"ledger/{one.path}/checksum")[:, :])
        for shard, row in enumerate(rows, one.start // size):
            part = slice(max(shard * size, one.start), min((shard + 1) * size, one.stop))
            for name, value in zip(names, row, strict=True):
                if value == NOT_DONE or name == NO_OBJECT:
                    continue
                yield shard, part, name, int(value)


def array_of(root: zarr.Group, path: str) -> zarr.Array:  # type: ignore[type-arg]
    """The array at a path.

    Raises:
        TypeError: a group is there.
    """
    found = root[path]
    if not isinstance(found, zarr.Array):
        raise TypeError(f"Expected an array at {path!r} in the store, found a group.")
    return found
