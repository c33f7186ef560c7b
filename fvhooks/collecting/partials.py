"""Statistics without an image dimension, while a pass is running: one vector a segment or shard.

Each vector is a count followed by the statistic's state, layer after layer, in float64, with a checksum that
Zarr compares on reading. They are folded in order at the end, so that the same bits come out whatever the
number of workers, crashes or batches.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import zarr
from jaxtyping import Bool, Float, Float64, Shaped
from zarr.codecs import Crc32cCodec
from zarr.errors import ContainsArrayError

from fvhooks.datasets.batches import Batch
from fvhooks.images import as_images
from fvhooks.statistics import STATISTICS, Measured, Statistic, Subject, chosen
from fvhooks.statistics.reductions import Spread
from fvhooks.store import schema
from fvhooks.store.ledgers import array_of
from fvhooks.store.passes import Pass
from fvhooks.store.plans import Plan, Segment
from fvhooks.store.schema import LayerSpec

Vector = Float64[np.ndarray, " value"]


@dataclass(frozen=True, eq=False)
class Part:
    """One statistic of a pass.

    Args:
        name: of the statistic.
        kind: its class.
        homes: the groups that its results go to.
        subjects: what each of them is made of.
    """

    name: str
    kind: type[Statistic]
    homes: list[str]
    subjects: list[Subject]

    @property
    def is_per_group(self) -> bool:
        """Whether there is one for the images of each label."""
        return self.kind.per == "group"

    def empty(self) -> list[Statistic]:
        """Nothing seen yet, of each subject."""
        return [self.kind.about(subject) for subject in self.subjects]

    def read(self, root: zarr.Group, one: Pass, plan: Plan, number: int) -> list[Statistic]:
        """What one segment or shard has seen.

        Raises:
            DamagedPartError: what is there is not what was written.
        """
        found = self.empty()
        try:
            unpack(np.asarray(array_of(root, f"partials/{one.path}/{self.name}")[number, :]), found)
        except ValueError as error:  # a checksum that differs, or nothing there: NaN is no count
            shard = plan.segments[number].start // plan.shard_size if self.is_per_group else number
            raise DamagedPartError(self.name, shard) from error
        return found


class DamagedPartError(Exception):
    """What a shard has summed up is not what was written: it is to be done again.

    Args:
        name: of the statistic.
        shard: which one.
    """

    def __init__(self, name: str, shard: int) -> None:
        super().__init__(f"{name} of shard {shard}")
        self.shard = shard


def parts_of(one: Pass, specs: Sequence[LayerSpec], image_shape: tuple[int, int, int]) -> list[Part]:
    """The statistics of a pass: of each layer that it keeps them of, and of the images where they are new.

    Args:
        one: the pass.
        specs: its layers.
        image_shape: (channels, height, width) of the pictures.
    """
    layers = layers_with_statistics(specs)
    homes = [schema.layer_path(spec.name) for spec in layers]
    of_layers = [Subject(spec.layout.channels, spec.ranks) for spec in layers]
    of_images = [Subject(image_shape[0], size=image_shape[1:])]
    found = []
    for name, kind in STATISTICS.items():
        if kind.of == "activations" and layers:
            found.append(Part(name, kind, homes, of_layers))
        elif kind.of == "images" and one.owns_rows:
            found.append(Part(name, kind, [name], of_images))
    return found


def layers_with_statistics(specs: Sequence[LayerSpec]) -> list[LayerSpec]:
    """The layers that a pass keeps the statistics of."""
    return [spec for spec in specs if schema.STATISTICS in spec.aspects]


def pack(statistics: Sequence[Statistic]) -> Vector:
    """Counts and states as one vector.

    Examples:
        >>> from fvhooks.statistics.moments import Moments
        >>> pack([Moments.about(Subject(2))]).tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0]
    """
    return np.concatenate([np.r_[float(one.count), one.state.ravel()] for one in statistics])


def unpack(vector: Vector, statistics: Sequence[Statistic]) -> None:
    """Fill statistics with what `pack` made of others like them."""
    place = 0
    for one in statistics:
        size = one.state.size
        one.count = int(vector[place])
        one.state = vector[place + 1 : place + 1 + size].reshape(one.state.shape).copy()
        place += 1 + size


def create_partials(root: zarr.Group, one: Pass, plan: Plan, parts: Sequence[Part]) -> None:
    """The arrays that hold the vectors, one object each.

    Args:
        root: the store.
        one: the pass.
        plan: its segments and shards.
        parts: its statistics.
    """
    group = root.require_group(f"partials/{one.path}")
    for part in parts:
        size = len(pack(part.empty()))
        with suppress(ContainsArrayError):
            group.create_array(
                part.name,
                shape=(len(plan.segments) if part.is_per_group else plan.shards, size),
                dtype="float64",
                chunks=(1, size),
                compressors=[Crc32cCodec()],
                fill_value=np.nan,
                dimension_names=("segment", "value"),
            )


class ShardSums:
    """The sums over one shard: written segment by segment, so that memory does not grow with the classes."""

    def __init__(
        self, one: Pass, plan: Plan, parts: Sequence[Part], shard: int, root: zarr.Group, spread: Spread = map
    ) -> None:
        self._spread, self._plan, self._shard = spread, plan, shard
        self._group = f"partials/{one.path}"
        self._root = root
        self._whole = [(part, part.empty()) for part in parts if not part.is_per_group]
        self._grouped = [part for part in parts if part.is_per_group]
        self._running = [part.empty() for part in self._grouped]
        rows = one.rows(plan, shard)
        self._segments = [s for s in plan.segments_of(shard) if rows.start <= s.start < rows.stop]

    def update(
        self,
        batch: Batch,
        activations: Sequence[Float[torch.Tensor, "image ..."]],
        usable: Bool[np.ndarray, " image"],
    ) -> None:
        """Take in the rows of a batch, writing each segment that ends in it.

        Args:
            batch: pictures and the number of their first row.
            activations: of each layer that has statistics, in order.
            usable: which rows are.
        """
        stop = batch.start + len(usable)
        rows = slice(batch.start, stop)
        references, split = self._plan.is_reference[rows], self._plan.split[rows]
        for part, totals in self._whole:
            self._take(part, totals, batch, activations, usable & chosen(part.kind.over, references, split))
        places = np.arange(batch.start, stop)
        while self._segments and self._segments[0].start < stop:
            segment = self._segments[0]
            inside = usable & (segment.start <= places) & (places < segment.stop)
            for part, totals in zip(self._grouped, self._running, strict=True):
                which = inside & chosen(part.kind.over, references, split)
                self._take(part, totals, batch, activations, which)
            if segment.stop > stop:
                break
            self._finish(self._segments.pop(0))

    def write(self) -> None:
        """Write the sums over the whole shard."""
        for part, totals in self._whole:
            array_of(self._root, f"{self._group}/{part.name}")[self._shard, :] = pack(totals)

    def _take(
        self,
        part: Part,
        totals: Sequence[Statistic],
        batch: Batch,
        activations: Sequence[Float[torch.Tensor, "image ..."]],
        which: Bool[np.ndarray, " image"],
    ) -> None:
        """The chosen images into each statistic: measured by several threads, added in order."""
        values = [*activations] if part.kind.of == "activations" else [batch.images]
        if not which.any():
            return
        measure = partial(_measure, totals)
        if part.kind.of_batches:
            found = [tuple(array[which] for array in arrays) for arrays in measure(values)]
            portions: Iterable[list[Measured]] = [found]
        else:
            portions = self._spread(measure, _chosen(values, which))
        for measured in portions:
            for one, arrays in zip(totals, measured, strict=True):
                one.add(arrays)

    def _finish(self, segment: Segment) -> None:
        for part, totals in zip(self._grouped, self._running, strict=True):
            if has_images(part, self._plan, segment):
                array_of(self._root, f"{self._group}/{part.name}")[segment.number, :] = pack(totals)
        self._running = [part.empty() for part in self._grouped]


def _measure(totals: Sequence[Statistic], images: list[Shaped[torch.Tensor, "image ..."]]) -> list[Measured]:
    return [
        one.measure(values if values.is_floating_point() else as_images(values))
        for one, values in zip(totals, images, strict=True)
    ]


def has_images(part: Part, plan: Plan, segment: Segment) -> bool:
    """Whether a statistic takes any image of a segment."""
    rows = slice(segment.start, segment.stop)
    return bool(chosen(part.kind.over, plan.is_reference[rows], plan.split[rows]).any())


def _chosen(
    values: Sequence[Shaped[torch.Tensor, "image ..."]], which: Bool[np.ndarray, " image"]
) -> Iterator[list[Shaped[torch.Tensor, "image ..."]]]:
    """The chosen images: one by one as views on a CPU, as one copy on a device where each call costs."""
    places = np.flatnonzero(which)
    if values[0].device.type == "cpu":
        yield from ([part[place : place + 1] for part in values] for place in places)
    elif len(places):
        yield [part[torch.from_numpy(places).to(part.device)] for part in values]
