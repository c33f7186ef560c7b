"""Damage found and mended: shards that no longer read as they were written are collected again."""

import logging
from dataclasses import replace

import zarr
from zarr.core.sync import sync

from fvhooks.collecting.creation import create_layer, create_rows
from fvhooks.collecting.extension import added_items
from fvhooks.collecting.folding import fold_peaks
from fvhooks.collecting.preparation import check_relevance, check_same, plan_of, specs_of, work_of
from fvhooks.collecting.requests import Request
from fvhooks.collecting.shards import mend_shard
from fvhooks.errors import StoreError
from fvhooks.store import schema
from fvhooks.store.contents import some
from fvhooks.store.ledgers import array_of, entries, forget
from fvhooks.store.passes import Pass, passes_of
from fvhooks.store.plans import Plan
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
        StoreError: it is another model's or data set's, or statistics over several shards are damaged, whose
            sums are gone.
    """
    root = schema.open_root(path, "r+")
    stored = schema.about(root)
    if stored["state"] == schema.CREATING:
        return
    check_same(request, stored, path)
    added_items(request, root, stored, path)
    _refuse_what_cannot_be_mended(request, root, path)
    _write_what_is_known(request, root)
    plan, passes, broken = plan_of(request, root), passes_of(root), _broken(root)
    for number in {number for owners in broken.values() for number in _all(owners)}:
        check_relevance(request, stored, passes[number], path)
    for shard, owners in sorted(broken.items()):
        _log.info("Shard %d is damaged and is collected again.", shard)
        for name in owners:  # Zarr reads what it writes a part of
            array = array_of(root, name)
            sync(array.store_path.store.delete(object_key(array, shard)))
        for number in sorted(_all(owners)):
            _mend(request, root, path, plan, passes[number], shard)
    _fold_again(request, root, plan)
    schema.consolidate(path)


def _refuse_what_cannot_be_mended(request: Request, root: zarr.Group, path: str) -> None:
    broken, keeps_all = damaged_statistics(root), request.settings.keep == schema.ALL
    mendable = _BEFOREHAND | (_OF_PEAKS if keeps_all else set())
    lost = [name for name in broken if name.rpartition("/")[2] not in mendable]
    if len(schema.about(root)["blocks"]) > 1 and "images/id" in broken:
        lost.append("images/id, after images were added")
    if lost:
        raise StoreError(
            f"The store {path} is damaged where no shard can mend it: {some(lost)}. "
            "Collect into another path."
        )


def _fold_again(request: Request, root: zarr.Group, plan: Plan) -> None:
    """What is made of all peaks, where that is damaged."""
    layers = {name.split("/")[1] for name in damaged_statistics(root)}
    for one in passes_of(root):
        for spec in specs_of(request, root, one):
            if spec.key in layers and schema.STATISTICS in spec.aspects and spec.keep == schema.ALL:
                fold_peaks(root, plan, spec)


def _all(owners: dict[str, set[int]]) -> set[int]:
    return set().union(*owners.values())


def _broken(root: zarr.Group) -> dict[int, dict[str, set[int]]]:
    """Of each shard with damage the damaged objects, and the passes that have rows in each."""
    owners: dict[tuple[int, str], set[int]] = {}
    broken: set[tuple[int, str]] = set()
    for number in range(len(passes_of(root))):
        for shard, part, name, expected in entries(root, only=number):
            owners.setdefault((shard, name), set()).add(number)
            if is_damaged(root, name, part, expected):
                broken.add((shard, name))
    found: dict[int, dict[str, set[int]]] = {}
    for shard, name in sorted(broken):
        found.setdefault(shard, {})[name] = owners[shard, name]
    return found


def _mend(request: Request, root: zarr.Group, path: str, plan: Plan, one: Pass, shard: int) -> None:
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
