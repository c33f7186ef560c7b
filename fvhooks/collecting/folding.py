"""The end of a pass: partial sums become statistics, stored peaks become natural ranges."""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import zarr
from jaxtyping import Float, Int

from fvhooks.collecting.earlier import Earlier
from fvhooks.collecting.partials import Part, has_images
from fvhooks.collecting.tops import read_tops
from fvhooks.statistics import Statistic
from fvhooks.store import schema
from fvhooks.store.ledgers import array_of
from fvhooks.store.passes import Pass
from fvhooks.store.plans import Plan
from fvhooks.store.schema import QUANTILES, LayerSpec, array_for, write_array

_PEAK_BYTES = 2**24  # of stored peaks held at once
_CHUNK_BYTES = 2**20
_GROUPS = 16  # whose statistics are folded at once

Values = Float[np.ndarray, "..."] | Int[np.ndarray, "..."]


def fold(root: zarr.Group, one: Pass, plan: Plan, parts: Sequence[Part], layers: Sequence[LayerSpec]) -> None:
    """Write every statistic without an image dimension, in an order that depends on the plan alone.

    Memory holds one chunk of groups, or one block of channels, at a time.

    Args:
        root: the store, all shards of the pass done.
        one: the pass.
        plan: rows and segments.
        parts: the statistics of the pass.
        layers: those that have statistics.

    Raises:
        DamagedPartError: partial sums are not what was written.
    """
    earlier = Earlier(root, one)
    for part in parts:
        if part.is_per_group:
            _fold_groups(root, one, plan, part, earlier)
        else:
            _fold_whole(root, one, plan, part, earlier)
    for spec in layers:
        if spec.keep == schema.ALL:
            fold_peaks(root, plan, spec)
        else:
            fold_tops(root, one, plan, spec)


def _fold_whole(root: zarr.Group, one: Pass, plan: Plan, part: Part, earlier: Earlier) -> None:
    total = earlier.of_all(part)
    for shard in one.shards(plan):
        total = _merged(total, part.read(root, one, plan, shard))
    for home, subject, statistic in zip(part.homes, part.subjects, total, strict=True):
        about = {"over": _words(part), "count": statistic.count, **part.kind.notes}
        if subject.size is not None:
            about["size"] = list(subject.size)
        for name, values in statistic.result().items():
            _keep(root, home, name, values, part.kind.dimensions[name], **about)


def _fold_groups(root: zarr.Group, one: Pass, plan: Plan, part: Part, earlier: Earlier) -> None:
    numbers = _segments_of_groups(part, one, plan)
    results = [statistic.result() for statistic in part.empty()]
    arrays = [
        {name: _grouped_array(root, plan, part, home, name, values.shape) for name, values in result.items()}
        for home, result in zip(part.homes, results, strict=True)
    ]
    sums = [dict.fromkeys(result, 0) for result in results]
    counts = np.zeros(len(plan.groups), np.int64)
    for start in range(0, len(plan.groups), _GROUPS):
        groups = range(start, min(start + _GROUPS, len(plan.groups)))
        totals = []
        for group in groups:
            total = earlier.of_group(part, int(plan.groups[group]))
            for number in numbers[group]:
                total = _merged(total, part.read(root, one, plan, number))
            totals.append(total)
        counts[start : groups.stop] = [total[0].count for total in totals]
        for place, found in enumerate(zip(*totals, strict=True)):
            for name, array in arrays[place].items():
                values = np.stack([statistic.result()[name] for statistic in found])
                array[start : groups.stop] = values
                sums[place][name] = zlib.crc32(values.tobytes(), sums[place][name])
    for home, named, checks in zip(part.homes, arrays, sums, strict=True):
        for name, array in named.items():
            array.update_attributes({"checksum": checks[name], "over": f"{_words(part)} of the group"})
        _keep(root, home, "group_count", counts, ["group"])


def _grouped_array(
    root: zarr.Group, plan: Plan, part: Part, home: str, name: str, shape: tuple[int, ...]
) -> zarr.Array[Any]:
    fitting = _CHUNK_BYTES // max(1, int(np.prod(shape)) * 4)
    groups = 1 << int(np.log2(np.clip(fitting, 1, min(_GROUPS, len(plan.groups)))))
    return array_for(
        root,
        f"{home}/{name}",
        (len(plan.groups), *shape),
        "float32",
        chunks=(groups, *shape),
        dimensions=("group", *part.kind.dimensions[name]),
    )


def _segments_of_groups(part: Part, one: Pass, plan: Plan) -> list[list[int]]:
    """The numbers of the segments of each group that a pass has summed up, in order."""
    numbers: list[list[int]] = [[] for _ in plan.groups]
    for segment in plan.segments:
        if one.start <= segment.start < one.stop and has_images(part, plan, segment):
            numbers[segment.group].append(segment.number)
    return numbers


def _merged(before: Sequence[Statistic], new: Sequence[Statistic]) -> list[Statistic]:
    return [old.merge(other) for old, other in zip(before, new, strict=True)]


def _words(part: Part) -> str:
    return "reference images" if part.kind.over == "references" else "images of the reference split"


def fold_peaks(root: zarr.Group, plan: Plan, spec: LayerSpec) -> None:
    """Share of images that activate each channel, and quantiles of its peaks, over all readable images.

    Args:
        root: the store.
        plan: how many images there are.
        spec: the layer.
    """
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
            quantiles[block] = np.quantile(values, QUANTILES, axis=0, overwrite_input=True).T
    path = schema.layer_path(spec.name)
    _keep(root, path, "active_fraction", active, ["channel"], over="all images")
    _keep(root, path, "quantiles", quantiles, ["channel", "quantile"], over="peaks of all images")


def fold_tops(root: zarr.Group, one: Pass, plan: Plan, spec: LayerSpec) -> None:
    """The strongest images of each channel, and what its peaks are like over all readable images.

    Args:
        root: the store.
        one: the pass.
        plan: its shards.
        spec: the layer.

    Raises:
        DamagedPartError: what a shard has kept is not what was written.
    """
    path = schema.layer_path(spec.name)
    found = read_tops(root, one, plan, spec)
    for name, values in found.strongest.items():
        _keep(root, path, f"top_{name}", values, ["among", "top", "channel"], over="readable images")
    summary, words = found.summary, "peaks of all images, to the nearest 1/16 of an octave"
    _keep(root, path, "active_fraction", summary.active_fraction(), ["channel"], over="all images")
    _keep(root, path, "quantiles", summary.quantiles(QUANTILES), ["channel", "quantile"], over=words)


def _keep(
    root: zarr.Group,
    path: str,
    name: str,
    values: Values,
    dimensions: Sequence[str],
    **attributes: Any,  # noqa: ANN401
) -> None:
    group = root[path]
    if isinstance(group, zarr.Group):
        write_array(group, name, values, dimensions, **attributes)
