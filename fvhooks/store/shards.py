"""One task: run the model over the images of one shard, and write what is kept of them."""

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import zarr
from jaxtyping import Float, Int, Shaped

from fvhooks.hooks import HookedModel
from fvhooks.statistics.peaks import peaks
from fvhooks.store.batches import Batch, read_batches
from fvhooks.store.checksums import checksum
from fvhooks.store.ledgers import array_of, enter, object_names
from fvhooks.store.partials import ShardSums, Spread
from fvhooks.store.plans import Plan
from fvhooks.store.schema import COLLECTING, LayerSpec, open_root, state_of
from fvhooks.store.sources import Source
from fvhooks.units import LOGITS

_PART = 4  # images that one thread reduces at a time
_ONE_MODEL = threading.Lock()  # hooks are not thread-safe: one thread of a process runs the model


@dataclass(frozen=True, eq=False)
class Work:
    """Everything that a task needs, sent once to each worker.

    Args:
        hooked: the model.
        source: the data set.
        plan: rows and shards.
        specs: the layers, the logits last.
        path: the store.
        image_shape: (channels, height, width) of every picture.
        batch_size: pictures a forward pass.
        decode_threads: how many threads read the data set.
        threads: compute threads of the model; None leaves them as they are.
        label_of_logit: the label of each output.
    """

    hooked: HookedModel
    source: Source
    plan: Plan
    specs: list[LayerSpec]
    path: str
    image_shape: tuple[int, int, int]
    batch_size: int
    decode_threads: int
    threads: int | None
    label_of_logit: Int[np.ndarray, " output"] | None


def run_shard(work: Work, shard: int, notice: Callable[[int], Any] | None = None) -> int:
    """Collect one shard; running it again writes the same once more.

    Args:
        work: what to run on what.
        shard: which one.
        notice: told the number of images after every batch.

    Returns:
        How many images the shard has.
    """
    rows = work.plan.rows(shard)
    root = open_root(work.path, "r+")
    if state_of(root) != COLLECTING:  # another process with the same work has finished it
        return int(rows.stop - rows.start)
    try:
        _collect(work, shard, root, notice)
    except (KeyError, FileNotFoundError):  # as above, in the meantime: the partial sums are gone
        if state_of(open_root(work.path)) == COLLECTING:
            raise
    return int(rows.stop - rows.start)


def _collect(work: Work, shard: int, root: zarr.Group, notice: Callable[[int], Any] | None) -> None:
    rows = work.plan.rows(shard)
    kept = _empty(work, rows.stop - rows.start)
    with (
        _ONE_MODEL,
        _compute_threads(work.threads),
        torch.no_grad(),
        closing(_batches(work, rows)) as batches,
        ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="fvhooks-measure") as pool,
    ):
        sums = ShardSums(work.plan, work.specs, work.image_shape, shard, root, pool.map)
        for batch in batches:
            _run(work, batch, kept, sums, rows.start, pool.map)
            if notice is not None:
                notice(len(batch.images))
    checksums = _write(root, kept, rows) | sums.write()
    enter(root, shard, [checksums[name] for name in object_names(work.specs)])


Kept = dict[str, Shaped[np.ndarray, "..."]]


def _batches(work: Work, rows: slice) -> Generator[Batch]:
    return read_batches(
        work.source,
        work.plan.index[rows].tolist(),
        shape=work.image_shape,
        size=work.batch_size,
        threads=work.decode_threads,
        start=rows.start,
    )


def _empty(work: Work, count: int) -> Kept:
    kept: Kept = {
        "images/prediction": np.full(count, -1, np.int64),
        "images/logit": np.full(count, np.nan, np.float32),
        "images/error": np.full(count, "", object),
    }
    for spec in work.specs:
        for name, (kind, fill) in spec.image_arrays.items():
            kept[f"layers/{spec.key}/{name}"] = np.full((count, spec.layout.channels), fill, kind)
    return kept


def _run(work: Work, batch: Batch, kept: Kept, sums: ShardSums, first: int, spread: Spread) -> None:
    """One batch through the model and into the arrays."""
    activations = _activations(work, batch)
    found = {spec.name: _peaks(activations[spec.name], spec, spread) for spec in work.specs}
    errors = dict(batch.errors)
    for spec in work.specs:
        finite = np.isfinite(found[spec.name]["average"]).all(1) & np.isfinite(found[spec.name]["peak"]).all(
            1
        )
        for place in np.flatnonzero(~finite).tolist():
            errors.setdefault(place, f"NaN or infinity in the activations of layer {spec.name!r}.")
    usable = np.array([place not in errors for place in range(len(batch.images))])
    rows = batch.start - first + np.flatnonzero(usable)
    for spec in work.specs:
        for name, values in found[spec.name].items():
            kept[f"layers/{spec.key}/{name}"][rows] = values[usable]
    for place, message in errors.items():
        kept["images/error"][batch.start - first + place] = message
    best = found[LOGITS]["peak"][usable].argmax(1)
    kept["images/logit"][rows] = found[LOGITS]["peak"][usable].max(1)
    kept["images/prediction"][rows] = best if work.label_of_logit is None else work.label_of_logit[best]
    sums.update(batch, activations, usable)


def _peaks(
    activations: Float[torch.Tensor, "image channel position"], spec: LayerSpec, spread: Spread
) -> dict[str, Shaped[np.ndarray, "image channel"]]:
    on_cpu = activations.device.type == "cpu"
    parts = torch.split(activations, _PART if on_cpu else len(activations))
    found = list(spread(partial(peaks, signed=spec.has_trough), parts))
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def _activations(work: Work, batch: Batch) -> dict[str, Float[torch.Tensor, "image channel position"]]:
    images = work.hooked.normalize(batch.images)
    read = work.hooked.read_normalized(images, [spec.name for spec in work.specs])
    return {spec.name: spec.layout.to_channels(read[spec.name].float()).contiguous() for spec in work.specs}


def _write(root: zarr.Group, kept: Kept, rows: slice) -> dict[str, int]:
    for path, values in kept.items():
        array_of(root, path)[rows] = values
    return {path: checksum(values) for path, values in kept.items()}


@contextmanager
def _compute_threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
