"""Tasks and who runs them: this process, or the workers of a Dask client."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dask import delayed  # type: ignore[attr-defined]

from fvhooks.collecting.allocation import memory_kept
from fvhooks.collecting.heartbeats import Heart
from fvhooks.collecting.parcels import Parcel, opened
from fvhooks.collecting.progress import Progress
from fvhooks.collecting.shards import run_shard
from fvhooks.collecting.works import Done, Work
from fvhooks.datasets.travel import bytes_to_send
from fvhooks.errors import WorkerError
from fvhooks.store import schema

_log = logging.getLogger("fvhooks")
_LARGE = 2**28  # bytes of a data set that is better read by each worker
_SENDINGS = 3
_LOST = ("lost dependencies", "already forgotten")  # Dask's words where a worker dies with the last copy


def run(
    work: Work,
    shards: Sequence[int],
    client: Any | None,  # noqa: ANN401
    *,
    show_progress: bool,
    parcel: Parcel | None = None,
) -> int:
    """Run the tasks of some shards.

    Args:
        work: what each task needs.
        shards: which are to do.
        client: a `dask.distributed.Client`, or None for this process.
        show_progress: whether to draw a progress bar.
        parcel: how the model reaches a worker.

    Returns:
        How many images could not be used that could before.
    """
    every = work.one.shards(work.plan)
    if len(shards) < len(every):
        _log.info("Going on: %d of %d shards are done.", len(every) - len(shards), len(every))
    sizes = {shard: work.one.rows(work.plan, shard) for shard in every}
    to_do = sum(sizes[shard].stop - sizes[shard].start for shard in shards)
    total = work.one.stop - work.one.start
    heart = Heart(schema.open_root(work.path, "r+"))
    heart.listen()
    with heart, Progress(total, total - to_do, show=show_progress) as progress:

        def notice(images: int = 0, failed: int = 0, written: int = 0) -> None:
            progress.update(images, failed=failed, written=written)

        if client is None:
            with memory_kept():
                for shard in shards:
                    run_shard(work, shard, notice)
        else:
            _run_on_workers(parcel or Parcel.of(work), shards, client, notice)
        return progress.failed


def _run_on_workers(parcel: Parcel, shards: Sequence[int], client: Any, notice: Any) -> None:  # noqa: ANN401
    """The model travels once to each worker; whoever finishes a shard has already written it."""
    from distributed import CancelledError, KilledWorker  # noqa: PLC0415 - there, as the client is
    from distributed.comm import CommClosedError  # noqa: PLC0415 - an optional package

    size = bytes_to_send(parcel.source)
    if size > _LARGE:
        _log.warning(
            "The data set holds %.1f GB in memory, which each worker gets a copy of. Keep images in files or "
            "in a Zarr array, and let the data set hold their paths.",
            size / 1e9,
        )
    left = list(shards)
    try:
        for more in reversed(range(_SENDINGS)):
            left = _send(parcel, left, client, notice, again=more > 0)
            if not left:
                return
            _log.warning("The worker died that the model was on; it is sent again.")
    except (KilledWorker, CancelledError, CommClosedError, TimeoutError) as error:
        said = " ".join(str(error).split())
        raise WorkerError(
            f"The workers of {client} stopped before all was done ({type(error).__name__}: {said}). What is "
            "done is kept: collect again with the same arguments. Where they died for lack of memory, give "
            "each more of it, fewer threads, or a smaller batch_size."
        ) from error


def _send(parcel: Parcel, shards: Sequence[int], client: Any, notice: Any, *, again: bool) -> list[int]:  # noqa: ANN401
    """Send the work and run shards; gives those lost with its last copy, where it may be sent again.

    Dask drops copies that no task waits for at the time, and makes no other when the last is lost.
    """
    from distributed import CancelledError, as_completed  # noqa: PLC0415 - there, as the client is

    shared = client.scatter(parcel, broadcast=True, hash=False)  # a hash of the images takes seconds
    futures = client.compute([delayed(_run_on_worker)(shared, shard) for shard in shards])
    shard_of, lost = dict(zip(futures, shards, strict=True)), []
    for future in as_completed(futures):
        try:
            done: Done = future.result()
        except CancelledError as error:
            if not again or getattr(error, "reason", "") not in _LOST:
                raise
            lost.append(shard_of[future])
            continue
        notice(done.images, done.failed, done.written)
    return lost


def _run_on_worker(parcel: Parcel, shard: int) -> Done:
    from distributed import get_worker  # noqa: PLC0415 - there, since a worker runs this

    work = opened(parcel)
    with memory_kept():
        return run_shard(replace(work, threads=work.threads or int(get_worker().state.nthreads)), shard)
