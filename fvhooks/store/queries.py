"""What is asked of a store most: images of a unit at once, and of a whole layer as lazy arrays.

A lazy answer reads each run of images once and folds it into what came before, in order: the same bits
whatever the number of threads or workers, and memory that does not grow with the number of images.
"""

import heapq
from typing import Any

import numpy as np
import xarray as xr
from dask import delayed  # type: ignore[attr-defined]
from jaxtyping import Float, Int, Shaped

from fvhooks.errors import LayerNotFoundError, MissingInputError
from fvhooks.store import schema
from fvhooks.store.contents import Contents, some
from fvhooks.store.layer_tasks import (
    as_array,
    fold,
    numbers_at,
    positions_at,
    strongest_rows,
    texts_at,
    values_of,
)
from fvhooks.store.ledgers import array_of
from fvhooks.store.strongest import NO_ROW
from fvhooks.store.sums import CoMoments, LabelSums
from fvhooks.store.tops import check_tops, kept_tops
from fvhooks.units import Direction, Unit


class Queries(Contents):
    """The questions that need neither the data set nor a model."""

    def top_images(
        self, unit: Unit | Direction, k: int = 9, split: str | None = None, *, label: int | None = None
    ) -> xr.Dataset:
        """The images that a channel answers most strongly to.

        Examples:
            >>> store.top_images(fv.Unit("layer4", 7), k=9).id.values  # doctest: +SKIP

        Args:
            unit: a channel of a layer.
            k: how many, at most.
            split: only images of "reference", "calibration" or "report".
            label: only images of a label of the data set.

        Returns:
            `id`, `index` in the data set, `value`, `position` (index on the layer's layout) and `label`
            (top), the strongest first, equal ones by id.

        Raises:
            MissingInputError: a direction, or a unit at one position: only peaks of channels are kept; a
                label that no image has, or of whose images too little is kept.
        """
        if isinstance(unit, Direction) or unit.position is not None:
            raise MissingInputError(
                f"A store keeps the peak of each channel, which says nothing about {unit.id!r}. "
                "Pass a channel of a layer: Unit(layer, channel)."
            )
        _check_count(k)
        self._check_unit(unit)
        if label is not None:
            self._check_label(label)
        elif not self.keeps_all:
            return self._kept_top(unit, k, split)
        path = schema.layer_path(unit.layer)
        peaks = np.asarray(array_of(self._root, f"{path}/peak")[:, unit.channel])
        wanted = self._in_split(split) & (True if label is None else self._labels == label)
        usable = np.flatnonzero(~np.isnan(peaks) & wanted)
        limit = np.partition(peaks[usable], -k)[-k] if len(usable) > k else -np.inf
        rows = usable[peaks[usable] > limit]
        equal = usable[peaks[usable] == limit]
        rows = np.r_[rows, self._first_by_id(equal, k - len(rows))]
        ids = texts_at(self.path, "images/id", rows)
        ranked = np.lexsort((ids, -peaks[rows]))
        rows = rows[ranked]
        positions = np.asarray(array_of(self._root, f"{path}/position").oindex[rows, unit.channel])
        return self._about_rows(unit, rows, ids[ranked], peaks[rows], positions)

    def _check_label(self, label: int) -> None:
        if not self.keeps_all:
            raise MissingInputError(
                "The strongest images of a label are among all of them, and the store keeps the strongest of "
                "each channel alone. Collect with keep='all'."
            )
        if label < 0 or label not in self._labels:
            known = np.unique(self._labels[self._labels >= 0]).tolist()
            raise MissingInputError(
                f"No image of the store has label {label}. It has the labels {some(known)}."
            )

    def _kept_top(self, unit: Unit, k: int, split: str | None) -> xr.Dataset:
        self._in_split(split)  # refuses one that is none
        found, positions = kept_tops(self.path, unit.layer, split, min(k, self.size))
        rows = found.rows[:, unit.channel]
        there = rows != NO_ROW
        values, at = found.values[there, unit.channel], positions[there, unit.channel]
        return self._about_rows(unit, rows[there], texts_at(self.path, "images/id", rows[there]), values, at)

    def _about_rows(
        self,
        unit: Unit,
        rows: Int[np.ndarray, " top"],
        ids: Shaped[np.ndarray, " top"],
        values: Float[np.ndarray, " top"],
        positions: Int[np.ndarray, " top"],
    ) -> xr.Dataset:
        found = {
            "id": ids,
            "index": np.asarray(array_of(self._root, "images/index").oindex[rows]),
            "label": self._labels[rows],
            "value": values,
            "position": positions,
        }
        arrays = {name: ("top", column) for name, column in found.items()}
        return xr.Dataset(arrays, attrs={"unit": unit.id})

    def top_of_layer(self, layer: str, k: int = 9, split: str | None = None) -> xr.Dataset:
        """The images that each channel of a layer answers most strongly to: `top_images`, for all at once.

        Examples:
            >>> store.top_of_layer("layer4", k=9).compute()                     # doctest: +SKIP
            >>> store.top_of_layer("layer4")[["id", "value"]].compute()         # doctest: +SKIP

        Args:
            layer: a layer of the store.
            k: how many, at most.
            split: only images of "reference", "calibration" or "report".

        Returns:
            Lazily: `id`, `index` in the data set, `value`, `label` and `position` (top, channel); an empty
            id, −1 and NaN where a channel has fewer images. `position` doubles what is read; leave it out
            where it is not needed.
        """
        _check_count(k)
        step, k = int(self._about["settings"]["shard_size"]), min(k, self.size)
        usable = self._in_split(split)
        if self.keeps_all:
            best = strongest_rows(self._blocks(layer, "peak"), usable, self.path, step=step, k=k)
            positions = positions_at(self._blocks(layer, "position"), best.rows, step=step)
        else:
            check_tops(self.path, k)  # now, not when the answer is computed
            best, positions = delayed(kept_tops, nout=2)(self.path, layer, split, k)
        shape = (k, self.layout(layer).channels)
        found = {
            "id": (delayed(texts_at)(self.path, "images/id", best.rows), object),
            "index": (delayed(numbers_at)(self.path, "images/index", best.rows), np.int64),
            "value": (delayed(values_of)(best), np.float32),
            "label": (delayed(numbers_at)(self.path, "images/label", best.rows), np.int64),
            "position": (positions, np.int32),
        }
        arrays = {
            name: (("top", "channel"), as_array(task, shape, dtype=kind))
            for name, (task, kind) in found.items()
        }
        return xr.Dataset(arrays, attrs={"layer": layer})

    def class_means(self, layer: str, array: str = "peak", split: str | None = None) -> xr.DataArray:
        """The mean over the readable images of each label.

        Examples:
            >>> store.class_means("layer4").sel(label=207).compute()  # doctest: +SKIP

        Args:
            layer: a layer of the store.
            array: "peak", "average", or another array (image, channel) of the layer.
            split: only images of "reference", "calibration" or "report".

        Returns:
            Lazily, in float64, (label, channel): every label of the store but −1; NaN where it has no
            readable image.
        """
        labels = np.unique(self._labels)
        labels = labels[labels >= 0]
        parts = [
            delayed(LabelSums.of)(block, numbers, usable)
            for block, numbers, usable in zip(
                self._blocks(layer, array),
                self._cut(self._labels),
                self._cut(self._in_split(split) & (self._labels >= 0)),
                strict=True,
            )
        ]
        means = fold(parts, LabelSums.merge).means(labels)
        shape = (len(labels), self.layout(layer).channels)
        data = as_array(means, shape, dtype=np.float64)
        return xr.DataArray(data, dims=("label", "channel"), coords={"label": labels}, name=array)

    def correlations(
        self, layer: str, other: str | None = None, *, array: str = "peak", split: str | None = None
    ) -> xr.DataArray:
        """How alike channels answer: Pearson's coefficients over all readable images.

        Examples:
            >>> store.correlations("layer4").sel(channel=7).compute()      # doctest: +SKIP
            >>> store.correlations("layer3", "layer4").compute()           # doctest: +SKIP

        Args:
            layer: a layer of the store.
            other: another one; None for the channels of `layer` among themselves.
            array: "peak", "average", or another array (image, channel) of both layers.
            split: only images of "reference", "calibration" or "report".

        Returns:
            Lazily, in float64, (channel, other_channel); NaN for a channel that never changes.
        """
        first = self._blocks(layer, array)
        second = first if other is None else self._blocks(other, array)
        parts = [
            delayed(CoMoments.of)(x, y, usable)
            for x, y, usable in zip(first, second, self._cut(self._in_split(split)), strict=True)
        ]
        found = fold(parts, CoMoments.merge).correlations()
        shape = (self.layout(layer).channels, self.layout(other or layer).channels)
        data = as_array(found, shape, dtype=np.float64)
        numbers = {"channel": np.arange(shape[0]), "other_channel": np.arange(shape[1])}
        said = {"layer": layer, "other_layer": other or layer, "array": array}
        return xr.DataArray(data, dims=tuple(numbers), coords=numbers, name="correlation", attrs=said)

    def dead_units(self, layer: str) -> list[Unit]:
        """The channels that are above zero nowhere in any readable image.

        Examples:
            >>> [unit.channel for unit in store.dead_units("layer4")]  # doctest: +SKIP
        """
        return [Unit(layer, int(channel)) for channel in np.flatnonzero(self._active(layer) == 0)]

    def silent_units(self, layer: str, share: float = 0.001) -> list[Unit]:
        """The channels that are above zero in less than a share of the readable images, dead ones included.

        Examples:
            >>> len(store.silent_units("layer4", share=0.01))  # doctest: +SKIP

        Args:
            layer: a layer of the store.
            share: of the images, from 0 to 1.
        """
        if not 0 <= share <= 1:
            raise MissingInputError(f"Expected a share of the images, from 0 to 1, got {share}.")
        return [Unit(layer, int(channel)) for channel in np.flatnonzero(self._active(layer) < share)]

    def _active(self, layer: str) -> Float[np.ndarray, " channel"]:
        self._check_layer(layer)
        return np.asarray(array_of(self._root, f"{schema.layer_path(layer)}/active_fraction")[:])

    def _blocks(self, layer: str, array: str) -> list[Any]:
        """One task a shard, each giving all channels of its rows."""
        return list(self.of_images(layer, array).data.to_delayed().ravel())

    def _cut(self, rows: Shaped[np.ndarray, " image"]) -> list[Shaped[np.ndarray, " row"]]:
        """Something of each row, a shard at a time."""
        step = int(self._about["settings"]["shard_size"])
        return [rows[start : start + step] for start in range(0, len(rows), step)]

    def _first_by_id(self, rows: Int[np.ndarray, " row"], count: int) -> Int[np.ndarray, " chosen"]:
        """Of rows that are equal, those whose ids come first."""
        if len(rows) <= count:
            return rows
        ids = np.asarray(array_of(self._root, "images/id")[:])[rows].astype(object)
        return rows[heapq.nsmallest(count, range(len(rows)), key=ids.__getitem__)]

    def _check_unit(self, unit: Unit) -> None:
        channels = self.layout(unit.layer).channels
        if unit.channel >= channels:
            raise LayerNotFoundError(
                f"Layer {unit.layer!r} has {channels} channels; there is no unit {unit.id!r}."
            )


def _check_count(k: int) -> None:
    if k < 1:
        raise MissingInputError(f"Expected k, how many images to give, to be 1 or more, got {k}.")
