"""One task: run the model over the images of one shard, and write what is kept of them."""

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
import zarr
from jaxtyping import Float, Int, Shaped

from fvhooks.hooks import HookedModel
from fvhooks.images import as_images
from fvhooks.relevance.alongside import Alongside
from fvhooks.statistics.peaks import peaks
from fvhooks.store import schema
from fvhooks.store.batches import Batch, read_batches
from fvhooks.store.checksums import checksum
from fvhooks.store.ledgers import array_of, enter, object_names
from fvhooks.store.partials import Part, ShardSums, Spread, layers_with_statistics, parts_of
from fvhooks.store.passes import Pass, pass_state
from fvhooks.store.plans import Plan
from fvhooks.store.progress import stored_bytes
from fvhooks.store.schema import COLLECTING, LayerSpec, open_root
from fvhooks.store.sources import Source
from fvhooks.units import LOGITS

_PART = 4  # images that one thread reduces at a time
_ONE_MODEL = threading.Lock()  # hooks are not thread-safe: one thread of a process runs the model


@dataclass(frozen=True, eq=False)
class Work:
    """Everything that the tasks of a pass need, sent once to each worker.

    Args:
        hooked: the model.
        source: the data set.
        plan: rows and shards.
        one: the pass.
        specs: its layers, the logits last where they are among them.
        path: the store.
        image_shape: (channels, height, width) of every picture.
        batch_size: pictures a forward pass.
        decode_threads: how many threads read the data set.
        decode_processes: how many processes do instead.
        threads: compute threads of the model; None leaves them as they are.
        label_of_logit: the label of each output.
        relevance: how relevance is collected, where the pass does.
        targets: the output of each row's label, −1 where there is none.
    """

    hooked: HookedModel
    source: Source
    plan: Plan
    one: Pass
    specs: list[LayerSpec]
    path: str
    image_shape: tuple[int, int, int]
    batch_size: int
    decode_threads: int
    decode_processes: int
    threads: int | None
    label_of_logit: Int[np.ndarray, " output"] | None
    relevance: Alongside | None = None
    targets: Int[np.ndarray, " image"] | None = None

    @cached_property
    def parts(self) -> list[Part]:
        """The statistics of the pass."""
        return parts_of(self.one, self.specs, self.image_shape)

    @cached_property
    def with_statistics(self) -> list[LayerSpec]:
        """The layers that have statistics."""
        return layers_with_statistics(self.specs)

    @cached_property
    def read(self) -> list[str]:
        """The layers whose activations are needed."""
        wanted = {schema.STATISTICS, schema.SAMPLE}
        return [spec.name for spec in self.specs if wanted & spec.aspects]


@dataclass(frozen=True)
class Done:
    """What a task has done.

    Args:
        images: how many went through the model, or could not be used.
        failed: how many of them could not be used.
        written: bytes of the objects that the shard's arrays are in now.
    """

    images: int
    failed: int = 0
    written: int = 0


def run_shard(work: Work, shard: int, notice: Callable[..., Any] | None = None) -> Done:
    """Collect one shard; running it again writes the same once more.

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
    kept, failed = _Kept(work, rows), 0
    with (
        _ONE_MODEL,
        _compute_threads(work.threads),
        torch.no_grad(),
        closing(_batches(work, rows)) as batches,
        ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="fvhooks-measure") as pool,
    ):
        sums = ShardSums(work.one, work.plan, work.parts, shard, root, pool.map)
        for batch in batches:
            activations, usable = kept.take(batch, pool.map)
            if summing:
                sums.update(batch, [activations[spec.name] for spec in work.with_statistics], usable)
            failed += int((~usable).sum())
            if notice is not None:
                notice(len(batch.images), int((~usable).sum()))
    checksums = kept.write(root)
    if summing:
        sums.write()
    names = object_names(work.specs, owns_rows=work.one.owns_rows)
    enter(root, work.one, work.plan, shard, [checksums[name] for name in names])
    written = stored_bytes(root, shard, names)
    if notice is not None:
        notice(written=written)
    return Done(int(rows.stop - rows.start), failed, written)


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


Activations = dict[str, Float[torch.Tensor, "image channel position"]]


class _Kept:
    """What is kept of each image of a shard, in memory until it is complete.

    Args:
        work: what runs on what.
        rows: of the shard.
    """

    def __init__(self, work: Work, rows: slice) -> None:
        self._work, self._rows = work, rows
        count = rows.stop - rows.start
        self._arrays: dict[str, Shaped[np.ndarray, "image ..."]] = {}
        if work.one.owns_rows:
            self._arrays["images/prediction"] = np.full(count, -1, np.int64)
            self._arrays["images/logit"] = np.full(count, np.nan, np.float32)
            self._arrays["images/error"] = np.full(count, "", object)
        for spec in work.specs:
            for name, (kind, fill) in spec.image_arrays.items():
                self._arrays[f"layers/{spec.key}/{name}"] = np.full((count, spec.layout.channels), fill, kind)
        root = open_root(work.path)
        self._places = {
            spec.name: np.asarray(array_of(root, f"layers/{spec.key}/sample_position")[rows])
            for spec in work.specs
            if schema.SAMPLE in spec.aspects
        }

    def take(self, batch: Batch, spread: Spread) -> tuple[Activations, np.ndarray]:
        """One batch through the model and into the arrays; activations, and which images are usable."""
        work, first = self._work, batch.start - self._rows.start
        read, relevance = self._run(batch)
        activations = {
            spec.name: spec.layout.to_channels(read[spec.name].float()).contiguous()
            for spec in work.specs
            if spec.name in read
        }
        found = {spec.name: _peaks(activations[spec.name], spec, spread) for spec in work.with_statistics}
        errors = dict(batch.errors) | _not_finite(found, batch.errors)
        usable = np.array([place not in errors for place in range(len(batch.images))])
        rows = first + np.flatnonzero(usable)
        for spec in work.with_statistics:
            for name, values in found[spec.name].items():
                self._arrays[f"layers/{spec.key}/{name}"][rows] = values[usable]
        for name, places in self._places.items():
            self._arrays[f"layers/{schema.encode_name(name)}/sample"][rows] = _at(
                activations[name], places[first : first + len(usable)]
            )[usable]
        for name, sums in relevance.items():
            wanted = rows if work.targets is None else rows[work.targets[self._rows][rows] >= 0]
            self._arrays[f"layers/{schema.encode_name(name)}/relevance"][wanted] = sums[wanted - first]
        if work.one.owns_rows:
            self._note(
                found[LOGITS]["peak"][usable], rows, {first + place: why for place, why in errors.items()}
            )
        return activations, usable

    def write(self, root: zarr.Group) -> dict[str, int]:
        """Write everything; checksums by path."""
        for path, values in self._arrays.items():
            array_of(root, path)[self._rows] = values
        return {path: checksum(values) for path, values in self._arrays.items()}

    def _run(self, batch: Batch) -> tuple[dict[str, torch.Tensor], dict[str, np.ndarray]]:
        work = self._work
        if work.relevance is None:
            images = work.hooked.normalize(batch.images)
            return work.hooked.read_normalized(images, work.read), {}
        rows = slice(batch.start, batch.start + len(batch.images))
        known = (
            np.zeros(len(batch.images), np.int64) if work.targets is None else work.targets[rows].clip(min=0)
        )
        images = as_images(batch.images)
        found, relevance = work.relevance(work.hooked, images, torch.from_numpy(known), work.read)
        return found, {name: values.cpu().numpy() for name, values in relevance.items()}

    def _note(self, logits: np.ndarray, rows: np.ndarray, errors: dict[int, str]) -> None:
        for row, message in errors.items():
            self._arrays["images/error"][row] = message
        best, labels = logits.argmax(1), self._work.label_of_logit
        self._arrays["images/logit"][rows] = logits.max(1)
        self._arrays["images/prediction"][rows] = best if labels is None else labels[best]


def _not_finite(found: dict[str, dict[str, np.ndarray]], known: dict[int, str]) -> dict[int, str]:
    errors: dict[int, str] = {}
    for name, arrays in found.items():
        finite = np.isfinite(arrays["average"]).all(1) & np.isfinite(arrays["peak"]).all(1)
        for place in np.flatnonzero(~finite).tolist():
            errors.setdefault(place, f"NaN or infinity in the activations of layer {name!r}.")
    return {place: why for place, why in errors.items() if place not in known}


def _peaks(
    activations: Float[torch.Tensor, "image channel position"], spec: LayerSpec, spread: Spread
) -> dict[str, Shaped[np.ndarray, "image channel"]]:
    on_cpu = activations.device.type == "cpu"
    parts = torch.split(activations, _PART if on_cpu else len(activations))
    found = list(spread(partial(peaks, signed=spec.has_trough), parts))
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def _at(
    activations: Float[torch.Tensor, "image channel position"], places: Int[np.ndarray, " image"]
) -> Float[np.ndarray, "image channel"]:
    """The activations of each image at a position of its own."""
    index = torch.from_numpy(places).long().to(activations.device)[:, None, None]
    chosen = activations.gather(2, index.expand(-1, activations.shape[1], 1))
    return np.asarray(chosen[..., 0].cpu().numpy())


@contextmanager
def _compute_threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
