"""Tasks and who runs them: this process, or the workers of a Dask client."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dask import compute, delayed  # type: ignore[attr-defined]
from tqdm.auto import tqdm

from fvhooks.store.shards import Work, run_shard

_log = logging.getLogger("fvhooks")


def run(work: Work, shards: Sequence[int], client: Any | None, *, show_progress: bool) -> None:  # noqa: ANN401
    """Run the tasks of some shards.

    Args:
        work: what each task needs.
        shards: which are to do.
        client: a `dask.distributed.Client`, or None for this process.
        show_progress: whether to draw a progress bar.
    """
    every = work.one.shards(work.plan)
    if len(shards) < len(every):
        _log.info("Going on: %d of %d shards are done.", len(every) - len(shards), len(every))
    sizes = {shard: work.one.rows(work.plan, shard) for shard in every}
    to_do = sum(sizes[shard].stop - sizes[shard].start for shard in shards)
    total = work.one.stop - work.one.start
    with tqdm(
        total=total, initial=total - to_do, unit="image", desc="collect", disable=not show_progress
    ) as bar:
        if client is None:
            shared = delayed(work, pure=False, traverse=False)
            tasks = [delayed(run_shard)(shared, shard, bar.update) for shard in shards]
            compute(*tasks, scheduler="synchronous")  # type: ignore[no-untyped-call]
        else:
            _run_on_workers(work, shards, client, bar.update)


def _run_on_workers(work: Work, shards: Sequence[int], client: Any, notice: Callable[[int], Any]) -> None:  # noqa: ANN401
    """The model travels once to each worker; whoever finishes a shard has already written it."""
    from distributed import as_completed  # noqa: PLC0415 - there, since the client is

    shared = client.scatter(work, broadcast=True)
    tasks = [delayed(_run_on_worker)(shared, shard) for shard in shards]
    for future in as_completed(client.compute(tasks)):
        notice(future.result())


def _run_on_worker(work: Work, shard: int) -> int:
    from distributed import get_worker  # noqa: PLC0415 - there, since a worker runs this

    threads = work.threads or int(get_worker().state.nthreads)
    return run_shard(replace(work, threads=threads), shard)
