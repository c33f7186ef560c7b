"""One task: run the model over the images of one shard, and write what is kept of them."""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import torch
import zarr

from fvhooks.collecting.ballots import Ballot
from fvhooks.collecting.partials import ShardSums
from fvhooks.collecting.rows import Rows
from fvhooks.collecting.tops import has_tops, write_tops
from fvhooks.collecting.works import Done, Work
from fvhooks.datasets.batches import Batch, read_batches
from fvhooks.store.ledgers import array_of, enter, is_done, object_names
from fvhooks.store.passes import pass_state
from fvhooks.store.plans import halves_of
from fvhooks.store.schema import COLLECTING, open_root
from fvhooks.store.sizes import stored_bytes
from fvhooks.threads import thread_pool

_ONE_MODEL = threading.Lock()  # hooks are not thread-safe: one thread of a process runs the model


def run_shard(work: Work, shard: int, notice: Callable[..., Any] | None = None) -> Done:
    """Collect one shard, unless it is done: a worker that dies takes the answers of finished tasks with it.

    Args:
        work: what to run on what.
        shard: which one.
        notice: told the number of images, and of those that failed, after every batch, and the bytes at last.
    """
    rows = work.one.rows(work.plan, shard)
    count = int(rows.stop - rows.start)
    root = open_root(work.path, "r+")
    if pass_state(root, work.one.number) != COLLECTING:  # another process with the same work has finished it
        return Done(count)
    try:
        if is_done(root, work.one, work.plan, shard):
            return _done(work, shard, root)
        return _collect(work, shard, root, notice)
    except (KeyError, FileNotFoundError):  # as above, in the meantime: the partial sums are gone
        if pass_state(open_root(work.path), work.one.number) == COLLECTING:
            raise
    return Done(count)


def mend_shard(work: Work, shard: int) -> None:
    """Collect the arrays of one shard again, of a pass that is finished: its sums stay as they are.

    Args:
        work: what to run on what.
        shard: which one.
    """
    _collect(work, shard, open_root(work.path, "r+"), None, summing=False)


def _collect(
    work: Work, shard: int, root: zarr.Group, notice: Callable[..., Any] | None, *, summing: bool = True
) -> Done:
    rows = work.one.rows(work.plan, shard)
    ballot = _ballot(work, shard, root) if summing else None
    kept, failed = Rows(work, rows, ballot), 0
    with thread_pool(work.threads or torch.get_num_threads(), "fvhooks-measure") as pool:
        sums = ShardSums(work.one, work.plan, work.parts, shard, root, pool.map)
        with (
            _ONE_MODEL,
            _compute_threads(work.threads),
            torch.no_grad(),
            closing(_batches(work, rows)) as batches,
        ):
            for batch in batches:
                activations, usable = kept.take(batch, pool.map)
                if summing:
                    sums.update(batch, [activations[spec.name] for spec in work.with_statistics], usable)
                if ballot is not None:
                    ballot.take(batch, activations, usable, kept.predictions(batch))
                if notice is not None:
                    notice(len(batch.images), kept.failed - failed)
                failed = kept.failed
        checksums = kept.write(root, pool.map)
        if summing:
            sums.write()
            _write_tops(work, shard, root, kept)
    names = object_names(work.specs, owns_rows=work.one.owns_rows)
    enter(root, work.one, work.plan, shard, [checksums[name] for name in names])
    done = Done(int(rows.stop - rows.start), failed, stored_bytes(root, shard, names))
    if notice is not None:
        notice(written=done.written)
    return done


def _done(work: Work, shard: int, root: zarr.Group) -> Done:
    """What an earlier run of a task did; an addition keeps no count of the images that failed in it alone."""
    rows, owned = work.one.rows(work.plan, shard), work.one.owns_rows
    failed = int((np.asarray(array_of(root, "images/error")[rows]) != "").sum()) if owned else 0
    return Done(
        int(rows.stop - rows.start),
        failed,
        stored_bytes(root, shard, object_names(work.specs, owns_rows=owned)),
    )


def _ballot(work: Work, shard: int, root: zarr.Group) -> Ballot | None:
    if work.space is None:
        return None
    rows = work.one.rows(work.plan, shard)
    halves = halves_of([work.source.ids[item] for item in work.plan.index[rows]])
    return Ballot(work.one, work.plan, work.space, work.rule, halves, shard, root)


def _write_tops(work: Work, shard: int, root: zarr.Group, kept: Rows) -> None:
    layers = {spec: kept.statistics(spec) for spec in work.specs if has_tops(spec)}
    if layers:
        rows = work.one.rows(work.plan, shard)
        ids = [work.source.ids[item] for item in work.plan.index[rows]]
        write_tops(root, work.one, work.plan, shard, ids, layers)


def _batches(work: Work, rows: slice) -> Generator[Batch]:
    return read_batches(
        work.source,
        work.plan.index[rows].tolist(),
        shape=work.image_shape,
        size=work.batch_size,
        threads=work.decode_threads,
        processes=work.decode_processes,
        pin=work.hooked.device.type != "cpu",
        start=rows.start,
    )


@contextmanager
def _compute_threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
