"""Pictures decoded ahead of the model, in threads of their own."""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from jaxtyping import Shaped

from fvhooks.errors import ImageError
from fvhooks.images import as_images
from fvhooks.store.inspection import describe
from fvhooks.store.sources import Picture, Source

_AHEAD = 2  # batches that wait decoded while the model works


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


def read_batches(
    source: Source,
    indices: Sequence[int],
    *,
    shape: tuple[int, int, int],
    size: int,
    threads: int,
    start: int = 0,
) -> Generator[Batch]:
    """Batches in order, the next ones decoded while one is used.

    Args:
        source: where pictures come from.
        indices: which items, in order.
        shape: (channels, height, width) that every picture must have.
        size: pictures a batch.
        threads: how many read the data set at once.
        start: row of the first item.
    """
    cuts = range(0, len(indices), size)
    waiting: deque[list[Future[Picture | str]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="fvhooks-decode") as pool:
        try:
            for place in cuts:
                chunk = indices[place : place + size]
                waiting.append([pool.submit(_read_or_say_why, source, index, shape) for index in chunk])
                if len(waiting) > _AHEAD:
                    yield _assemble(waiting.popleft(), shape, start)
                    start += size
            while waiting:
                yield _assemble(waiting.popleft(), shape, start)
                start += size
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _read_or_say_why(source: Source, index: int, shape: tuple[int, int, int]) -> Picture | str:
    try:
        picture = source.read(int(index))
        if tuple(picture.shape) != shape:
            raise ImageError(f"Expected an image of shape {shape}, got {tuple(picture.shape)}.")
    except Exception as error:  # noqa: BLE001 - whatever a user's data set raises becomes the row's error
        return describe(error)
    return picture


def _assemble(futures: list[Future[Picture | str]], shape: tuple[int, int, int], start: int) -> Batch:
    read = [future.result() for future in futures]
    errors = {place: found for place, found in enumerate(read) if isinstance(found, str)}
    pictures = [torch.zeros(shape, dtype=torch.uint8) if isinstance(found, str) else found for found in read]
    if len({picture.dtype for picture in pictures}) > 1:
        pictures = [as_images(picture)[0] for picture in pictures]
    return Batch(start, torch.stack(pictures), errors)
