"""Where a store keeps the strongest images of each channel alone: what each shard says, and all together."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce

import numpy as np
import zarr
from jaxtyping import Int, Int8, Shaped
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.errors import ContainsArrayError

from fvhooks.collecting.partials import DamagedPartError
from fvhooks.statistics.histograms import PeakHistogram
from fvhooks.store.layer_tasks import order_of_texts
from fvhooks.store.ledgers import array_of
from fvhooks.store.passes import Pass
from fvhooks.store.plans import SPLITS, Plan
from fvhooks.store.schema import TOP, TOP_IMAGES, LayerSpec
from fvhooks.store.strongest import NO_ROW, strongest_of

_STRONGEST = {"value": ("float32", -np.inf), "row": ("int64", NO_ROW), "position": ("int32", -1)}
_STRONGEST |= {"average": ("float32", np.nan)}

Order = Int[np.ndarray, " image"]


@dataclass(frozen=True, eq=False)
class Tops:
    """What is kept of the peaks of some images.

    Args:
        strongest: `value`, `row` in the store, `position` and `average` (split, top, channel).
        summary: how all peaks are distributed.
    """

    strongest: dict[str, Shaped[np.ndarray, "split top channel"]]
    summary: PeakHistogram

    @classmethod
    def empty(cls, channels: int) -> "Tops":
        """Of no images."""
        shape = (len(SPLITS), TOP_IMAGES, channels)
        kept = {name: np.full(shape, fill, kind) for name, (kind, fill) in _STRONGEST.items()}
        return cls(kept, PeakHistogram.empty(channels))

    def merge(self, other: "Tops", order: Order) -> "Tops":
        """What both say; of equal values those come first whose rows do in `order`."""
        both = {
            name: np.concatenate([values, other.strongest[name]], axis=1)
            for name, values in self.strongest.items()
        }
        ranked = np.lexsort((order[both["row"]], -both["value"]), axis=1)[:, :TOP_IMAGES]
        kept = {name: np.take_along_axis(values, ranked, axis=1) for name, values in both.items()}
        return Tops(kept, self.summary.merge(other.summary))

    @classmethod
    def of(
        cls,
        arrays: Mapping[str, Shaped[np.ndarray, "image channel"]],
        split: Int8[np.ndarray, " image"],
        order: Order,
        start: int,
    ) -> "Tops":
        """Those of the images of a shard.

        Args:
            arrays: `peak`, `average` and `position`; a row of NaN is an image that could not be used.
            split: index into `SPLITS` of each image.
            order: which of two equal values comes first.
            start: the row of the first image.
        """
        peaks = arrays["peak"]
        usable = ~np.isnan(peaks[:, 0])
        found = cls.empty(peaks.shape[1])
        found.summary.update(peaks[usable])
        for place in range(len(SPLITS)):
            best = strongest_of(peaks, usable & (split == place), order, start=start, k=TOP_IMAGES)
            here, known = slice(len(best.rows)), best.rows != NO_ROW
            found.strongest["value"][place, here] = best.values
            found.strongest["row"][place, here] = best.rows
            for name in ("position", "average"):
                values = np.take_along_axis(arrays[name], np.where(known, best.rows - start, 0), axis=0)
                found.strongest[name][place, here] = np.where(known, values, _STRONGEST[name][1])
        return found


def create_tops(root: zarr.Group, one: Pass, plan: Plan, specs: Sequence[LayerSpec]) -> None:
    """The arrays that hold what each shard says, one object each.

    Args:
        root: the store.
        one: the pass.
        plan: its shards.
        specs: its layers.
    """
    for spec in specs:
        if not has_tops(spec):
            continue
        group = root.require_group(_path(one, spec))
        for name, values in _arrays(Tops.empty(spec.layout.channels)).items():
            with suppress(ContainsArrayError):
                group.create_array(
                    name,
                    shape=(plan.shards, *values.shape),
                    dtype=values.dtype,
                    chunks=(1, *values.shape),
                    compressors=[ZstdCodec(level=1), Crc32cCodec()],
                    fill_value=0,
                )


def has_tops(spec: LayerSpec) -> bool:
    """Whether a pass keeps the strongest images of a layer alone."""
    return spec.keep == TOP and bool(spec.statistics_arrays)


def write_tops(
    root: zarr.Group,
    one: Pass,
    plan: Plan,
    shard: int,
    ids: Sequence[str],
    layers: Mapping[LayerSpec, Mapping[str, Shaped[np.ndarray, "image channel"]]],
) -> None:
    """Write what a shard says.

    Args:
        root: the store.
        one: the pass.
        plan: rows and splits.
        shard: which one.
        ids: of its images.
        layers: of each layer the statistics of each image of the shard.
    """
    rows, order = one.rows(plan, shard), order_of_texts(ids)
    for spec, arrays in layers.items():
        found = Tops.of(arrays, plan.split[rows], order, rows.start)
        for name, values in _arrays(found).items():
            array_of(root, f"{_path(one, spec)}/{name}")[shard] = values


def read_tops(root: zarr.Group, one: Pass, plan: Plan, spec: LayerSpec) -> Tops:
    """What all shards say together.

    Args:
        root: the store.
        one: the pass.
        plan: its shards.
        spec: a layer of it.

    Raises:
        DamagedPartError: what a shard says is not what was written.
    """
    order = order_of_texts(np.asarray(array_of(root, "images/id")[:]))
    shards = (_read(root, one, spec, shard) for shard in one.shards(plan))
    return reduce(lambda total, found: total.merge(found, order), shards)


def _read(root: zarr.Group, one: Pass, spec: LayerSpec, shard: int) -> Tops:
    path = _path(one, spec)
    try:
        found = {
            name: np.asarray(array_of(root, f"{path}/{name}")[shard])
            for name in _arrays(Tops.empty(spec.layout.channels))
        }
    except ValueError as error:  # a checksum that differs
        raise DamagedPartError("tops", shard) from error
    if not found["written"].all():  # nothing there
        raise DamagedPartError("tops", shard)
    summary = PeakHistogram(
        found["counts"].astype(np.int64), found["least"], found["greatest"], found["active"]
    )
    return Tops({name: found[name] for name in _STRONGEST}, summary)


def _arrays(tops: Tops) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Everything as arrays; `written` tells a shard that is there from one that is not."""
    summary = tops.summary
    return tops.strongest | {
        "counts": summary.counts.astype(np.uint32),
        "least": summary.least.astype(np.float32),
        "greatest": summary.greatest.astype(np.float32),
        "active": summary.active.astype(np.int64),
        "written": np.ones(1, np.uint8),
    }


def _path(one: Pass, spec: LayerSpec) -> str:
    return f"partials/{one.path}/tops/{spec.key}"
