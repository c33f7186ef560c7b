"""`fvhooks.open_store`: a store as lazy xarray, and what is asked of it most."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
import zarr
from jaxtyping import Float, Int

from fvhooks.errors import LayerNotFoundError, MissingInputError, StoreError, did_you_mean
from fvhooks.hooks import HookedModel, Preprocessing
from fvhooks.images import as_images
from fvhooks.store import schema
from fvhooks.store.fingerprints import compare, fingerprint_ids, fingerprint_model
from fvhooks.store.inspection import inspect
from fvhooks.store.keeping import KeptResults
from fvhooks.store.ledgers import array_of, shards_to_do
from fvhooks.store.sources import Source
from fvhooks.store.verification import damaged
from fvhooks.units import Direction, Layout, Unit


class Store(KeptResults):
    """What real images do in a model, read lazily; made by `fvhooks.collect` and `fvhooks.open_store`.

    Example:
        >>> store = fv.open_store("stats.zarr", dataset)                       # doctest: +SKIP
        >>> store["layer4"].peak.groupby("label").mean()                       # doctest: +SKIP
        >>> store.images(store.top_images(fv.Unit("layer4", 7), k=9).id.values)  # doctest: +SKIP

    Args:
        path: where the store is.
        source: the data set that it was made of, where one is attached.
    """

    def __init__(self, path: str, source: Source | None = None) -> None:
        self.path, self.source = path, source
        self._root = schema.open_root(path)
        self._about = schema.about(self._root)
        if self._about["state"] not in (schema.FOLDED, schema.COMPLETE):
            raise StoreError(_half_written(path, self._root, self._about["state"]))

    def __repr__(self) -> str:
        attached = "attached" if self.source else "not attached"
        return f"Store({self.path!r}, {self.size} images, layers={self.layers}, data set {attached})"

    @property
    def size(self) -> int:
        """How many images it was made of, unreadable ones included."""
        return int(self._about["data"]["images"])

    @property
    def layers(self) -> list[str]:
        """The names of its layers in network order, the logits last."""
        return list(self._about["layers"])

    @property
    def preprocessing(self) -> Preprocessing:
        """What the model does to an image first."""
        stated = self._about["preprocessing"]
        shape = stated["input_shape"]
        mean, std = tuple(stated["mean"]), tuple(stated["std"])
        return Preprocessing(mean, std, tuple(shape) if shape else None, stated["resize"])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of its images."""
        channels, height, width = self._about["image_shape"]
        return int(channels), int(height), int(width)

    @property
    def tree(self) -> xr.DataTree:
        """Everything in the store, as `xarray.open_datatree` gives it."""
        return xr.open_datatree(self.path, engine="zarr", consolidated=False)

    @cached_property
    def images_table(self) -> xr.Dataset:
        """One row an image: id, index in the data set, label, split, prediction, logit, error."""
        with xr.open_zarr(self.path, group="images", consolidated=False, chunks=None) as stored:
            table: xr.Dataset = stored.load()
        return table.assign_coords(id=table.id.astype(object), split=table.split.astype(object)).assign(
            error=table.error.astype(object)
        )

    @property
    def errors(self) -> xr.Dataset:
        """The rows of the images that could not be used, with the reason."""
        table = self.images_table
        return table.isel(image=np.flatnonzero(table.error.values != ""))

    def __getitem__(self, layer: str) -> xr.Dataset:
        """Everything about one layer; arrays are read when their values are asked for.

        Raises:
            LayerNotFoundError: the store has no such layer.
        """
        self._check_layer(layer)
        path = schema.layer_path(layer)
        stored = xr.open_zarr(self.path, group=path, consolidated=False, chunks=None)
        lazy: xr.Dataset = stored.chunk({"image": int(self._about["settings"]["shard_size"])})
        rows = {name: self.images_table[name] for name in ("id", "label", "split")}
        return lazy.assign_coords(rows)  # in memory: xarray groups by no lazy coordinate

    def layout(self, layer: str) -> Layout:
        """How the activations of a layer are laid out."""
        self._check_layer(layer)
        return schema.layout_from(dict(self._root[schema.layer_path(layer)].attrs))

    def top_images(self, unit: Unit | Direction, k: int = 9, split: str | None = None) -> xr.Dataset:
        """The images that a channel answers most strongly to.

        Args:
            unit: a channel of a layer.
            k: how many, at most.
            split: only images of "reference", "calibration" or "report".

        Returns:
            `id`, `index` in the data set, `value`, `position` (index on the layer's layout) and `label`
            (top), the strongest first, equal ones by id.

        Raises:
            MissingInputError: a direction, or a unit at one position: only peaks of channels are kept.
        """
        if isinstance(unit, Direction) or unit.position is not None:
            raise MissingInputError(
                f"A store keeps the peak of each channel, which says nothing about {unit.id!r}. "
                "Pass a channel of a layer: Unit(layer, channel)."
            )
        self._check_unit(unit)
        path = schema.layer_path(unit.layer)
        peaks = np.asarray(array_of(self._root, f"{path}/peak")[:, unit.channel])
        table = self.images_table
        usable = ~np.isnan(peaks) if split is None else ~np.isnan(peaks) & (table.split.values == split)
        rows = np.flatnonzero(usable)
        if len(rows) > k:  # the k-th strongest and all that equal it
            rows = rows[peaks[rows] >= np.partition(peaks[rows], -k)[-k]]
        ids = table.id.values[rows].astype(str)
        rows = rows[np.lexsort((ids, -peaks[rows]))][:k]
        positions = np.asarray(array_of(self._root, f"{path}/position")[:, unit.channel])[rows]
        found = table[["id", "index", "label"]].isel(image=rows).rename(image="top").reset_coords()
        arrays = {"value": ("top", peaks[rows]), "position": ("top", positions)}
        return found[["id", "index", "label"]].assign(arrays).assign_attrs(unit=unit.id)

    def images(self, ids: Iterable[str]) -> Float[torch.Tensor, "image rgb y x"]:
        """The pictures of some ids, in [0, 1], as the model saw them.

        Raises:
            MissingInputError: no data set is attached, or it has no such id.
        """
        if self.source is None:
            raise MissingInputError(
                "Pictures are not in the store but in its data set, and none is attached: "
                f"fvhooks.open_store({self.path!r}, dataset=…)."
            )
        names = [str(name) for name in ids]
        unknown = [name for name in names if name not in self._index_of]
        if unknown:
            raise MissingInputError(
                f"The data set of the store has no image {unknown[0]!r}.{did_you_mean(unknown[0], [])}"
            )
        if not names:
            return torch.zeros(0, *self.image_shape)
        return torch.cat([as_images(self.source.read(self._index_of[name])[0]) for name in names])

    def profile(
        self, layer: str, group: int | None = None
    ) -> tuple[Int[np.ndarray, " rank"], Float[np.ndarray, "channel rank"]]:
        """The mean sorted activations of a label's reference images.

        Args:
            layer: a layer of the store.
            group: the label; None for all images, whatever their labels.

        Returns:
            The ranks (places of the sorted order, from 0 to positions − 1) and the mean values there.

        Raises:
            MissingInputError: no such label, or none of its images is a reference.
        """
        self._check_layer(layer)
        path = schema.layer_path(layer)
        ranks = np.asarray(array_of(self._root, f"{path}/rank")[:])
        groups = np.asarray(array_of(self._root, f"{path}/group")[:])
        counts = np.asarray(array_of(self._root, f"{path}/group_count")[:])
        stored = array_of(self._root, f"{path}/profile")
        if group is None:
            return ranks, _mean_profile(stored, counts)
        place = np.flatnonzero(groups == group)
        if not len(place):
            raise MissingInputError(f"The store has no label {group}. It has {_some(groups)}.")
        if counts[place[0]] == 0:
            raise MissingInputError(
                f"No image of label {group} is a reference (a hash of the ids draws 60 %). "
                "Collect more images of it."
            )
        return ranks, np.asarray(stored[int(place[0])])

    @cached_property
    def spectrum(self) -> xr.DataArray:
        """The mean Fourier magnitude of the reference images (rgb, fy, fx)."""
        with xr.open_zarr(self.path, group="spectrum", consolidated=False, chunks=None) as stored:
            magnitudes: xr.DataArray = stored["spectrum"].load()
        return magnitudes

    def label_of_logit(self, output: int) -> int:
        """The label that an output of the model stands for."""
        labels = self._about["settings"]["label_of_logit"]
        return output if labels is None else int(labels[output])

    def accuracy(self, split: str | None = None) -> float:
        """The share of readable, labelled images whose strongest output is their label's."""
        table = self.images_table
        usable = (table.error.values == "") & (table.label.values >= 0)
        if split is not None:
            usable &= table.split.values == split
        return float((table.prediction.values == table.label.values)[usable].mean())

    def require(self, hooked: HookedModel, layers: Sequence[str] = ()) -> None:
        """Make sure that the store belongs to a model and has some layers.

        Raises:
            StoreError: it was made of another model; both fingerprints.
            LayerNotFoundError: a layer is lacking; what to call to have it.
        """
        compare("model", self.path, self._about["model"], fingerprint_model(hooked))
        for layer in layers:
            self._check_layer(layer)

    def verify(self) -> None:
        """Read everything, and compare it with the checksums taken when it was written.

        Raises:
            StoreError: objects that are damaged or missing; which, and what to do.
        """
        broken = damaged(self._root)
        if broken:
            raise StoreError(
                f"The store {self.path} is damaged in {len(broken)} objects: {_some(broken)}. "
                "Nothing else is affected; collect it again into another path."
            )

    @cached_property
    def _index_of(self) -> dict[str, int]:
        table = self.images_table
        return dict(zip(map(str, table.id.values), table["index"].values.tolist(), strict=True))

    def _check_layer(self, layer: str) -> None:
        if layer not in self.layers:
            hint = did_you_mean(layer, self.layers)
            raise LayerNotFoundError(
                f"The store {self.path} has no layer {layer!r}.{hint} It has {self.layers}; "
                f"to have it, collect again into another path with layers=[…, {layer!r}]."
            )

    def _check_unit(self, unit: Unit) -> None:
        channels = self.layout(unit.layer).channels
        if unit.channel >= channels:
            raise LayerNotFoundError(
                f"Layer {unit.layer!r} has {channels} channels; there is no unit {unit.id!r}."
            )


def open_store(path: str | Path, dataset: Any | None = None) -> Store:  # noqa: ANN401
    """Open what `fvhooks.collect` made.

    Example:
        >>> fv.open_store("stats.zarr", dataset)["layer4"].natural_mean  # doctest: +SKIP

    Args:
        path: the folder or URL.
        dataset: the data set that it was made of; pictures come from there.

    Raises:
        StoreError: nothing there, half-written, or made of another data set.
        SchemaError: written by a newer fvhooks.
    """
    store = Store(schema.normalised(path))
    if dataset is None:
        return store
    ids = None
    source = Source(dataset, store.preprocessing, ids)
    said = store._about["data"]
    here = {"images": len(source), "ids": fingerprint_ids(source.ids), "items": inspect(source).digests}
    compare("data set", store.path, said, here)
    return Store(store.path, source)


def _mean_profile(
    stored: "zarr.Array[Any]", counts: Int[np.ndarray, " group"]
) -> Float[np.ndarray, "channel rank"]:
    total = np.zeros(stored.shape[1:])
    for group in np.flatnonzero(counts):
        total += np.asarray(stored[int(group)], np.float64) * counts[group]
    return np.asarray(total / counts.sum(), np.float32)


def _half_written(path: str, root: zarr.Group, state: str) -> str:
    done = "no shard" if state == schema.CREATING else f"all but {len(shards_to_do(root))} shards"
    advice = "Call fvhooks.collect again with the same arguments to finish it."
    return f"The store {path} is half-written ({done} done). {advice}"


def _some(values: Iterable[Any], count: int = 8) -> str:
    listed = list(values)
    rest = f" and {len(listed) - count} more" if len(listed) > count else ""
    return ", ".join(map(str, listed[:count])) + rest
