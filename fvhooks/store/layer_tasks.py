"""The tasks of one pass over a layer: a task a run of images, and how their answers are folded."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask import delayed  # type: ignore[attr-defined]
from jaxtyping import Bool, Float, Int, Shaped

from fvhooks.store import schema
from fvhooks.store.ledgers import array_of
from fvhooks.store.strongest import NO_ROW, Strongest, stronger, strongest_of


def fold(parts: Sequence[Any], merge: Callable[..., Any], *more: Any) -> Any:  # noqa: ANN401 - Dask tasks
    """One task that has merged all parts, in order and as they come: few are in memory at a time."""
    return reduce(lambda total, part: delayed(merge)(total, part, *more), parts)


def as_array(task: Any, shape: tuple[int, ...], dtype: npt.DTypeLike) -> da.Array:  # noqa: ANN401
    """What a task will give, as an array of a known shape."""
    made: da.Array = da.from_delayed(task, shape, dtype=dtype)  # type: ignore[no-untyped-call]
    return made


def strongest_rows(
    blocks: Sequence[Any], usable: Bool[np.ndarray, " image"], path: str, *, step: int, k: int
) -> Any:  # noqa: ANN401 - a Dask task
    """A task that gives the `Strongest` rows of a layer.

    Args:
        blocks: a task a run of rows, which gives the peaks.
        usable: rows that may be chosen.
        path: the store.
        step: rows of a block.
        k: how many; the answer is filled up to it with rows that are none.
    """
    order = delayed(order_of_ids)(path)
    cut = [usable[start : start + step] for start in range(0, len(usable), step)]
    parts = [
        delayed(_strongest_in)(block, rows, order, number * step, k)
        for number, (block, rows) in enumerate(zip(blocks, cut, strict=True))
    ]
    return delayed(_filled)(fold(parts, stronger, order, k), k)


def positions_at(blocks: Sequence[Any], rows: Any, *, step: int) -> Any:  # noqa: ANN401 - Dask tasks
    """A task that gives, for the chosen rows of each channel, what stands there in another array."""
    parts = [delayed(_values_in)(block, rows, number * step) for number, block in enumerate(blocks)]
    return fold(parts, np.maximum)


def order_of_ids(path: str) -> Int[np.ndarray, " image"]:
    """The place of each row when all are sorted by id."""
    return order_of_texts(np.asarray(array_of(schema.open_root(path), "images/id")[:]))


def order_of_texts(texts: Sequence[str] | Shaped[np.ndarray, " text"]) -> Int[np.ndarray, " text"]:
    """The place of each text when all are sorted."""
    places = np.empty(len(texts), np.int64)
    places[np.argsort(np.asarray(texts, dtype=object), kind="stable")] = np.arange(len(texts))
    return places


def texts_at(path: str, array: str, rows: Int[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """The strings of some rows, and an empty one for `NO_ROW`; only the chunks that hold them are read."""
    chosen, places = np.unique(rows, return_inverse=True)
    texts = np.full(len(chosen), "", object)
    known = chosen != NO_ROW
    if known.any():
        stored = array_of(schema.open_root(path), array)
        texts[known] = np.asarray(stored.oindex[chosen[known]]).astype(object)
    return np.asarray(texts[places].reshape(rows.shape))


def numbers_at(path: str, array: str, rows: Int[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """The integers of some rows, and −1 for `NO_ROW`."""
    values = np.asarray(array_of(schema.open_root(path), array)[:])
    return np.where(rows == NO_ROW, -1, values[rows])


def values_of(strongest: Strongest) -> Float[np.ndarray, "top channel"]:
    """The values, NaN where there is none."""
    return np.where(strongest.rows == NO_ROW, np.nan, strongest.values).astype(np.float32)


def _strongest_in(
    block: Float[np.ndarray, "image channel"],
    usable: Bool[np.ndarray, " image"],
    order: Int[np.ndarray, " row"],
    start: int,
    k: int,
) -> Strongest:
    return strongest_of(block, usable, order[start : start + len(block)], start=start, k=k)


def _filled(strongest: Strongest, k: int) -> Strongest:
    lacking = ((0, k - len(strongest.rows)), (0, 0))
    return Strongest(
        np.pad(strongest.values, lacking, constant_values=-np.inf),
        np.pad(strongest.rows, lacking, constant_values=NO_ROW),
    )


def _values_in(
    block: Int[np.ndarray, "image channel"], rows: Int[np.ndarray, "top channel"], start: int
) -> Int[np.ndarray, "top channel"]:
    inside = (start <= rows) & (rows < start + len(block))
    found = np.take_along_axis(block, np.where(inside, rows - start, 0), axis=0)
    return np.where(inside, found, np.array(-1, block.dtype))
