"""Damage found and mended: shards that no longer read as they were written are collected again."""

import logging
from dataclasses import replace

import zarr
from zarr.core.sync import sync

from fvhooks.errors import StoreError
from fvhooks.store import schema
from fvhooks.store.contents import some
from fvhooks.store.creation import create_layer, create_rows
from fvhooks.store.folding import fold_peaks
from fvhooks.store.ledgers import array_of, entries, forget
from fvhooks.store.passes import Pass, passes_of
from fvhooks.store.preparation import plan_of, specs_of, work_of
from fvhooks.store.requests import Request
from fvhooks.store.shards import mend_shard
from fvhooks.store.verification import damaged_statistics, is_damaged, object_key

_log = logging.getLogger("fvhooks")
_BEFOREHAND = frozenset({"id", "label", "split", "index", "group", "rank", "quantile", "sample_position"})
_OF_PEAKS = frozenset({"active_fraction", "quantiles"})


def repair(request: Request, path: str) -> None:
    """Read everything that is done, and write again what is damaged; values are as if nothing had been.

    Args:
        request: the model and data set that the store was made of.
        path: the store.

    Raises:
        StoreError: statistics over several shards are damaged, whose sums are gone.
    """
    root = schema.open_root(path, "r+")
    if schema.state_of(root) == schema.CREATING:
        return
    mendable = _BEFOREHAND | _OF_PEAKS
    lost = [name for name in damaged_statistics(root) if name.rpartition("/")[2] not in mendable]
    if lost:
        raise StoreError(
            f"The store {path} is damaged where no shard can mend it: {some(lost)} were made of all images. "
            "Collect into another path."
        )
    _write_what_is_known(request, root)
    for number, shard in sorted(_broken(root)):
        _log.info("Shard %d is damaged and is collected again.", shard)
        _mend(request, root, path, passes_of(root)[number], shard)
    layers = {name.split("/")[1] for name in damaged_statistics(root)}
    for one in passes_of(root):
        for spec in specs_of(request, root, one):
            if spec.key in layers and schema.STATISTICS in spec.aspects:
                fold_peaks(root, plan_of(request, root), spec)
    schema.consolidate(path)


def _broken(root: zarr.Group) -> set[tuple[int, int]]:
    """The pass and shard of each damaged object, which is removed: Zarr reads what it writes a part of."""
    owners: dict[tuple[int, str], set[int]] = {}
    gone: set[tuple[int, str]] = set()
    for number in range(len(passes_of(root))):
        for shard, part, name, expected in entries(root, only=number):
            owners.setdefault((shard, name), set()).add(number)
            if is_damaged(root, name, part, expected):
                gone.add((shard, name))
    for shard, name in gone:
        array = array_of(root, name)
        sync(array.store_path.store.delete(object_key(array, shard)))
    return {(number, shard) for shard, name in gone for number in owners[shard, name]}


def _mend(request: Request, root: zarr.Group, path: str, one: Pass, shard: int) -> None:
    plan = plan_of(request, root)
    if one.state == schema.COLLECTING:  # its partial sums are still there: it is an ordinary task
        forget(root, one, plan, shard)
        return
    work = work_of(request, path, plan, one, specs_of(request, root, one))
    mend_shard(replace(work, threads=request.settings.threads), shard)


def _write_what_is_known(request: Request, root: zarr.Group) -> None:
    """Coordinates that are damaged, from the data set."""
    broken = {name for name in damaged_statistics(root) if name.rpartition("/")[2] in _BEFOREHAND}
    if not broken:
        return
    for name in broken:
        there = root.get(name)
        if there is not None:
            there.attrs.pop("checksum", None)
    plan = plan_of(request, root)
    create_rows(root, plan, request.source.ids)
    for one in passes_of(root):
        for spec in specs_of(request, root, one):
            create_layer(root, plan, spec, request.source.ids)
