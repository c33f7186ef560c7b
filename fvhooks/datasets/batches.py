"""Pictures decoded ahead of the model, in threads or processes of their own."""

import multiprocessing
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Shaped
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from fvhooks.datasets.inspection import describe
from fvhooks.datasets.sources import Picture, Source
from fvhooks.errors import ImageError, WorkerError
from fvhooks.images import as_images
from fvhooks.threads import thread_pool

_AHEAD = 2  # batches that wait decoded while the model works
_PATIENCE = 5.0  # seconds that a process that was told to end has for it


@dataclass(frozen=True, eq=False)
class Batch:
    """Consecutive rows of a shard.

    Args:
        start: the first row.
        images: `uint8` or float in [0, 1]; zeros for pictures that could not be read, to keep the shape.
        errors: what was wrong, by place in the batch.
    """

    start: int
    images: Shaped[torch.Tensor, "image rgb y x"]
    errors: dict[int, str]


def read_batches(  # noqa: PLR0913 - all but two are keyword-only
    source: Source,
    indices: Sequence[int],
    *,
    shape: tuple[int, int, int],
    size: int,
    threads: int = 1,
    start: int = 0,
    processes: int = 0,
    pin: bool = False,
) -> Generator[Batch]:
    """Batches in order, the next ones decoded while one is used.

    Args:
        source: where pictures come from.
        indices: which items, in order.
        shape: (channels, height, width) that every picture must have.
        size: pictures a batch.
        threads: how many threads read the data set at once, where no processes do.
        start: row of the first item.
        processes: how many processes read the data set, for one that is written in plain Python and so keeps
            threads waiting for each other. A process that may have no children, as a Dask worker's, uses
            threads.
        pin: whether batches lie in page-locked memory, from where a GPU takes them while it computes.

    Raises:
        WorkerError: a process died.
    """
    chunks = [list(indices[place : place + size]) for place in range(0, len(indices), size)]
    if processes and not multiprocessing.current_process().daemon:
        batches = _read_in_processes(_Rows(source, shape), chunks, processes, pin=pin)
    else:
        batches = _read_in_threads(_Rows(source, shape), chunks, threads, pin=pin)
    try:
        for batch in batches:
            yield replace(batch, start=start)
            start += size
    finally:
        batches.close()


class _Rows(Dataset[Any]):
    """Pictures of the right shape, or why there is none."""

    def __init__(self, source: Source, shape: tuple[int, int, int]) -> None:
        self.source, self.shape = source, shape

    def __getitem__(self, index: int) -> Picture | str:
        try:
            picture = self.source.read(int(index))
            if tuple(picture.shape) != self.shape:
                raise ImageError(
                    f"Expected an image of shape {self.shape}, got {tuple(picture.shape)}: all images of a "
                    "store have one size. Attach the model with input_shape=…, or resize in the transform."
                )
        except Exception as error:  # noqa: BLE001 - whatever a user's data set raises is its row's error
            return describe(error)
        return picture


def _read_in_threads(
    rows: _Rows, chunks: Sequence[list[int]], threads: int, *, pin: bool
) -> Generator[Batch]:
    waiting: deque[Future[Batch]] = deque()
    with thread_pool(threads, "fvhooks-decode") as pool:
        for chunk in chunks:
            pictures = [pool.submit(rows.__getitem__, index) for index in chunk]
            waiting.append(pool.submit(_gather, pictures, rows.shape, pin))  # begun after its pictures
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _gather(futures: list[Future[Picture | str]], shape: tuple[int, int, int], pin: bool) -> Batch:
    batch = _assemble([future.result() for future in futures], shape)
    return replace(batch, images=_pinned(batch.images)) if pin else batch


def _pinned(images: Shaped[torch.Tensor, "image ..."]) -> Shaped[torch.Tensor, "image ..."]:
    try:
        return images.pin_memory()
    except RuntimeError:  # the device of the model takes no page-locked memory
        return images


def _read_in_processes(
    rows: _Rows, chunks: Sequence[list[int]], processes: int, *, pin: bool
) -> Generator[Batch]:
    loader: DataLoader[Any] = DataLoader(
        rows,
        batch_sampler=chunks,
        num_workers=min(processes, max(1, len(chunks))),
        collate_fn=partial(_assemble, shape=rows.shape),
        prefetch_factor=_AHEAD,
    )
    begun: list[Any] = []  # one at most, and here even where an interrupt takes the future's answer away
    try:
        # Begun in the main thread, the death of a process would interrupt whatever that is doing.
        with thread_pool(1, "fvhooks-loader") as pool:
            pool.submit(lambda: begun.append(iter(loader))).result()
        for _ in chunks:
            batch = _next(begun[0])
            yield replace(batch, images=_pinned(batch.images)) if pin else batch
    finally:
        for batches in begun:
            _end(batches)


def _end(batches: _MultiProcessingDataLoaderIter) -> None:
    """Ends the processes of a loader, which would do so itself but for the traceback that keeps it alive."""
    try:
        batches._shutdown_workers()
    finally:  # an interrupt may come in there; and what it tells to end it does not wait for
        for process in batches._workers:
            process.join(_PATIENCE)
            process.kill()
            process.join()


def _next(batches: Iterator[Batch]) -> Batch:
    try:
        return next(batches)
    except (RuntimeError, OSError, EOFError) as error:  # found dead, or gone while it hands a batch over
        raise WorkerError(
            f"A process that decodes images died: {describe(error)}. Often memory was short, or shared "
            "memory (/dev/shm of a container). What is done is kept: collect again with fewer processes, or "
            "with threads."
        ) from error


def _assemble(read: Sequence[Picture | str], shape: tuple[int, int, int]) -> Batch:
    errors = {place: found for place, found in enumerate(read) if isinstance(found, str)}
    pictures = [torch.zeros(shape, dtype=torch.uint8) if isinstance(found, str) else found for found in read]
    if len({picture.dtype for picture in pictures}) > 1:
        pictures = [as_images(picture)[0] for picture in pictures]
    return Batch(0, torch.stack(pictures), errors)
