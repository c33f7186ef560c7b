"""The end of a collection: partial sums become statistics, stored peaks become natural ranges."""

import zlib
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, TypeVar

import numpy as np
import zarr
from jaxtyping import Float, Int

from fvhooks.statistics.moments import Moments
from fvhooks.statistics.profile import Profile
from fvhooks.statistics.spectrum import Spectrum
from fvhooks.store.ledgers import array_of
from fvhooks.store.partials import new_moments, new_profiles, new_spectra, unpack
from fvhooks.store.plans import Plan
from fvhooks.store.schema import GROUP_BLOCK, QUANTILES, LayerSpec, array_for, groups_per_chunk, write_array

S = TypeVar("S", Moments, Spectrum)
_PEAK_BYTES = 2**26  # of stored peaks held at once


def fold(root: zarr.Group, plan: Plan, specs: Sequence[LayerSpec], image_shape: tuple[int, int, int]) -> None:
    """Write every statistic without an image dimension, in an order that depends on the plan alone.

    Memory holds one chunk of groups, or one block of channels, at a time.

    Args:
        root: the store, all shards done.
        plan: rows and segments.
        specs: the layers.
        image_shape: (channels, height, width) of the pictures.
    """
    _fold_profiles(root, plan, specs)
    for moments, spec in zip(_merged(root, "moments", plan.shards, new_moments(specs)), specs, strict=True):
        for name, values in moments.result().items():
            _keep(root, f"layers/{spec.key}", name, values, ["channel"], over="images of the reference split")
    for spectrum in _merged(root, "spectrum", plan.shards, new_spectra(image_shape)):
        values = spectrum.result()["spectrum"]
        attributes = {
            "over": "reference images",
            "norm": "ortho",
            "size": list(image_shape[1:]),
            "count": spectrum.count,
        }
        _keep(root, "spectrum", "spectrum", values, ["rgb", "fy", "fx"], **attributes)
    for spec in specs:
        _fold_peaks(root, plan, spec)


def _keep(
    root: zarr.Group,
    path: str,
    name: str,
    values: Float[np.ndarray, "..."] | Int[np.ndarray, "..."],
    dimensions: Sequence[str],
    **attributes: Any,  # noqa: ANN401
) -> None:
    group = root[path]
    if isinstance(group, zarr.Group):
        write_array(group, name, values, dimensions, **attributes)


def _merged(root: zarr.Group, name: str, count: int, total: list[S]) -> list[S]:
    """The partial sums of all shards, merged in shard order."""
    partials = array_of(root, f"partials/{name}")
    one = deepcopy(total)
    for shard in range(count):
        unpack(np.asarray(partials[shard, :]), one)
        total = [before.merge(new) for before, new in zip(total, one, strict=True)]
    return total


def _fold_profiles(root: zarr.Group, plan: Plan, specs: Sequence[LayerSpec]) -> None:
    numbers = _segments_of_groups(plan)
    arrays = [_profile_array(root, plan, spec) for spec in specs]
    sums = [0] * len(specs)
    counts = np.zeros(len(plan.groups), np.int64)
    for start in range(0, len(plan.groups), GROUP_BLOCK):
        groups = range(start, min(start + GROUP_BLOCK, len(plan.groups)))
        totals = [_profiles_of(root, specs, numbers[group]) for group in groups]
        counts[start : groups.stop] = [profiles[0].count for profiles in totals]
        for number, array in enumerate(arrays):
            values = np.stack([profiles[number].result()["profile"] for profiles in totals])
            array[start : groups.stop] = values
            sums[number] = zlib.crc32(values.tobytes(), sums[number])
    for array, total, spec in zip(arrays, sums, specs, strict=True):
        array.update_attributes({"checksum": total, "over": "reference images of the group"})
        _keep(root, f"layers/{spec.key}", "group_count", counts, ["group"])


def _profile_array(root: zarr.Group, plan: Plan, spec: LayerSpec) -> zarr.Array[Any]:
    shape = (len(plan.groups), spec.layout.channels, len(spec.ranks))
    chunks = (groups_per_chunk(spec, len(plan.groups)), *shape[1:])
    path = f"layers/{spec.key}/profile"
    return array_for(root, path, shape, "float32", chunks=chunks, dimensions=("group", "channel", "rank"))


def _profiles_of(root: zarr.Group, specs: Sequence[LayerSpec], numbers: Sequence[int]) -> list[Profile]:
    partials = array_of(root, "partials/profile")
    total = new_profiles(specs)
    for number in numbers:
        one = new_profiles(specs)
        unpack(np.asarray(partials[number, :]), one)
        total = [before.merge(new) for before, new in zip(total, one, strict=True)]
    return total


def _segments_of_groups(plan: Plan) -> list[list[int]]:
    """The numbers of the segments of each group that have references, in order."""
    numbers: list[list[int]] = [[] for _ in plan.groups]
    for segment in plan.segments:
        if plan.is_reference[segment.start : segment.stop].any():
            numbers[segment.group].append(segment.number)
    return numbers


def _fold_peaks(root: zarr.Group, plan: Plan, spec: LayerSpec) -> None:
    """Share of images that activate each channel, and quantiles of its peaks, over all readable images."""
    peaks = array_of(root, f"layers/{spec.key}/peak")
    channels = spec.layout.channels
    active = np.full(channels, np.nan, np.float32)
    quantiles = np.full((channels, len(QUANTILES)), np.nan, np.float32)
    step = max(peaks.chunks[1], _PEAK_BYTES // (4 * plan.images))
    for start in range(0, channels, step):
        block = slice(start, min(start + step, channels))
        values = np.asarray(peaks[:, block])
        values = values[~np.isnan(values[:, 0])]
        if len(values):
            active[block] = (values > 0).mean(0)
            quantiles[block] = np.quantile(values, QUANTILES, axis=0).T
    path = f"layers/{spec.key}"
    _keep(root, path, "active_fraction", active, ["channel"], over="all images")
    _keep(root, path, "quantiles", quantiles, ["channel", "quantile"], over="peaks of all images")
