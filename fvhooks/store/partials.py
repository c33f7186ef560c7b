"""Statistics without an image dimension, while a store is being written: one vector a segment or shard.

Each vector is a count followed by the statistic's state, layer after layer, in float64. They are folded in
order at the end, so that the same bits come out whatever the number of workers, crashes or batches.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import zarr
from jaxtyping import Bool, Float, Float64, Shaped

from fvhooks.images import as_images
from fvhooks.statistics import Measured
from fvhooks.statistics.moments import Moments
from fvhooks.statistics.profile import Profile
from fvhooks.statistics.spectrum import Spectrum
from fvhooks.store.batches import Batch
from fvhooks.store.checksums import checksum
from fvhooks.store.ledgers import array_of
from fvhooks.store.plans import Plan, Segment
from fvhooks.store.schema import LayerSpec

Vector = Float64[np.ndarray, " value"]


def new_profiles(specs: Sequence[LayerSpec]) -> list[Profile]:
    """One empty profile a layer."""
    return [Profile.empty(spec.layout.channels, spec.ranks) for spec in specs]


def new_moments(specs: Sequence[LayerSpec]) -> list[Moments]:
    """Empty moments, one a layer."""
    return [Moments.empty(spec.layout.channels) for spec in specs]


def new_spectra(image_shape: tuple[int, int, int]) -> list[Spectrum]:
    """One empty spectrum."""
    return [Spectrum.empty(image_shape[0], image_shape[1:])]


Statistics = Sequence[Profile] | Sequence[Moments] | Sequence[Spectrum]
Spread = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""How work is spread over threads: `map`, or an executor's."""


def pack(statistics: Statistics) -> Vector:
    """Counts and states as one vector.

    Example:
        >>> pack([Moments.empty(2)]).tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0]
    """
    return np.concatenate([np.r_[float(one.count), one.state.ravel()] for one in statistics])


def unpack(vector: Vector, statistics: Statistics) -> None:
    """Fill statistics with what `pack` made of others like them."""
    place = 0
    for one in statistics:
        size = one.state.size
        one.count = int(vector[place])
        one.state = vector[place + 1 : place + 1 + size].reshape(one.state.shape).copy()
        place += 1 + size


def create_partials(
    root: zarr.Group, plan: Plan, specs: Sequence[LayerSpec], image_shape: tuple[int, int, int]
) -> None:
    """The arrays that hold the vectors, one object each."""
    kinds: list[tuple[str, int, Statistics]] = [
        ("profile", len(plan.segments), new_profiles(specs)),
        ("moments", plan.shards, new_moments(specs)),
        ("spectrum", plan.shards, new_spectra(image_shape)),
    ]
    for name, count, statistics in kinds:
        size = len(pack(statistics))
        root.create_array(
            f"partials/{name}",
            shape=(count, size),
            dtype="float64",
            chunks=(1, size),
            compressors=None,
            fill_value=np.nan,
            dimension_names=("segment", "value"),
        )


class ShardSums:
    """The sums over one shard: written segment by segment, so that memory does not grow with the classes."""

    def __init__(
        self,
        plan: Plan,
        specs: Sequence[LayerSpec],
        image_shape: tuple[int, int, int],
        shard: int,
        root: zarr.Group,
        spread: Spread = map,
    ) -> None:
        self._spread = spread
        self._plan, self._specs, self._shard, self._root = plan, specs, shard, root
        self._moments, self._spectra = new_moments(specs), new_spectra(image_shape)
        self._profiles = new_profiles(specs)
        self._segments = list(plan.segments_of(shard))
        self._checksum = 0

    def update(
        self,
        batch: Batch,
        activations: dict[str, Float[torch.Tensor, "image channel position"]],
        usable: Bool[np.ndarray, " image"],
    ) -> None:
        """Take in the rows of a batch, writing each segment that ends in it."""
        stop = batch.start + len(usable)
        rows = slice(batch.start, stop)
        layers = [activations[spec.name] for spec in self._specs]
        self._take(self._moments, layers, usable & (self._plan.split[rows] == 0))
        references = usable & self._plan.is_reference[rows]
        self._take(self._spectra, [batch.images], references)
        places = np.arange(batch.start, stop)
        while self._segments and self._segments[0].start < stop:
            segment = self._segments[0]
            inside = references & (segment.start <= places) & (places < segment.stop)
            self._take(self._profiles, layers, inside)
            if segment.stop > stop:
                break
            self._finish(self._segments.pop(0))

    def _take(
        self,
        statistics: Statistics,
        values: Sequence[Shaped[torch.Tensor, "image ..."]],
        which: Bool[np.ndarray, " image"],
    ) -> None:
        """The chosen images into each statistic: measured by several threads, added in order."""

        def measure(images: list[Shaped[torch.Tensor, "image ..."]]) -> list[Measured]:
            return [
                one.measure(part if part.is_floating_point() else as_images(part))
                for one, part in zip(statistics, images, strict=True)
            ]

        for measured in self._spread(measure, _chosen(values, which)):
            for one, found in zip(statistics, measured, strict=True):
                one.add(found)

    def write(self) -> dict[str, int]:
        """Write the sums over the whole shard; checksums of everything written."""
        sums = {"partials/profile": self._checksum}
        for name, statistics in (("moments", self._moments), ("spectrum", self._spectra)):
            vector = pack(statistics)
            array_of(self._root, f"partials/{name}")[self._shard, :] = vector
            sums[f"partials/{name}"] = checksum(vector)
        return sums

    def _finish(self, segment: Segment) -> None:
        if self._plan.is_reference[segment.start : segment.stop].any():
            vector = pack(self._profiles)
            array_of(self._root, "partials/profile")[segment.number, :] = vector
            self._checksum = checksum(vector, self._checksum)
            self._profiles = new_profiles(self._specs)


def _chosen(
    values: Sequence[Shaped[torch.Tensor, "image ..."]], which: Bool[np.ndarray, " image"]
) -> Iterator[list[Shaped[torch.Tensor, "image ..."]]]:
    """The chosen images: one by one as views on a CPU, as one copy on a device where each call costs."""
    places = np.flatnonzero(which)
    if values[0].device.type == "cpu":
        yield from ([part[place : place + 1] for part in values] for place in places)
    elif len(places):
        yield [part[torch.from_numpy(places).to(part.device)] for part in values]
