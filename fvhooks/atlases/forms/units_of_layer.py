"""All units of a layer, or all latents of an autoencoder."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from fvhooks.atlases.directions import weight_directions
from fvhooks.atlases.embeddings import called, deepest_layer, image_features
from fvhooks.atlases.items import Items, label_texts
from fvhooks.atlases.options import AtlasOptions
from fvhooks.errors import MissingInputError
from fvhooks.store.reading import Store
from fvhooks.units import Unit

_IMAGES = 9  # of each unit, whose embeddings are averaged
BINS = 20

Features = Float[np.ndarray, "unit feature"]


def units_of_layer(store: Store, layer: str, options: AtlasOptions) -> Items:
    """All units of a layer; scored by how selective each is for one label, without labels how often it fires.

    Args:
        store: statistics of real images.
        layer: whose units.
        options: see `AtlasOptions`.

    Raises:
        LayerNotFoundError: a layer that the store does not have.
        MissingInputError: a way to compare units that needs what is not there.
    """
    channels = store.layout(layer).channels
    dead = np.zeros(channels, dtype=bool)
    dead[[unit.channel for unit in store.dead_units(layer)]] = True
    if store.is_signed(layer):  # a unit below zero everywhere may well answer to something
        dead[:] = False
    labelled = bool((store.labels >= 0).any())
    usual = "classes" if labelled and store.keeps_all and options.get("embedding") is None else "images"
    by = options.get("by", usual)
    features = _BY[by](store, layer, options)
    features[dead] = 0.0
    count = 4 if options.get("cells") == "four" else 1
    tops = store.top_of_layer(layer, k=count, split=options.get("split"))[
        ["id", "value", "position"]
    ].compute()
    split = options.get("split")
    means = np.asarray(store.class_means(layer, split=split).values) if labelled and store.keeps_all else None
    active = np.asarray(store[layer]["active_fraction"].values, dtype=np.float32)
    scores = active if means is None else selectivity(means, signed=store.is_signed(layer))
    labels = np.full(channels, -1) if means is None else _best_label(store, means, dead)
    columns: dict[str, Any] = {
        "label": label_texts(labels, options.get("names", {})),
        "index": np.full(channels, -1),
        "stratum": np.where(dead, "dead", "").astype(object),
        "active": active,
    } | _shown(tops, dead)
    said = "share of images that it fires for" if means is None else "selectivity for one label"
    return Items(
        [Unit(layer, channel).id for channel in range(channels)],
        "layer",
        features,
        np.where(dead, np.nan, scores).astype(np.float32),
        apart=dead,
        columns=columns,
        extras=_histograms(store, layer),
        about={"title": f"Units of {layer}", "layer": layer, "by": by, "score": said}
        | ({"embedding": _embedding(store, options)} if by == "images" else {}),
    )


def _shown(tops: xr.Dataset, dead: Bool[np.ndarray, " channel"]) -> dict[str, Any]:
    """The top image of each unit, and the further ones where there are; none of a unit that never fires."""
    found: dict[str, Any] = {}
    for name, kind in (("id", object), ("value", np.float32), ("position", np.int64)):
        values = tops[name].values.astype(kind).T.copy()
        if name == "id":
            values[dead] = ""
        called = {"id": "shown", "value": "activation"}.get(name, name)
        found[called] = values[:, 0]
        if values.shape[1] > 1:
            found[f"more_{called}"] = values[:, 1:]
    return found


def selectivity(means: Float[np.ndarray, "label channel"], *, signed: bool) -> Float[np.ndarray, " channel"]:
    """How much more a unit answers to its best label than to the others: (best − others) / (best + others).

    In [0, 1]: 0 where all labels move it alike, 1 where one alone does. For signed layers the lowest label
    counts as zero.

    Args:
        means: mean peaks of each label.
        signed: whether there are negative values.
    """
    known = means[np.isfinite(means).all(axis=1)]
    if len(known) < 2:
        return np.zeros(means.shape[1], np.float32)
    raised = known - known.min(0) if signed else np.maximum(known, 0)
    best = raised.max(0)
    others = (raised.sum(0) - best) / (len(known) - 1)
    whole = best + others
    return np.asarray(np.where(whole > 0, (best - others) / np.where(whole > 0, whole, 1), 0), np.float32)


def _best_label(
    store: Store, means: Float[np.ndarray, "label channel"], dead: Bool[np.ndarray, " channel"]
) -> Int[np.ndarray, " channel"]:
    labels = np.unique(store.labels[store.labels >= 0])
    best = labels[np.argmax(np.nan_to_num(means, nan=-np.inf), axis=0)]
    return np.where(dead, -1, best)


def _embedding(store: Store, options: AtlasOptions) -> str:
    return next(iter(called(options.get("embedding"), deepest_layer(store)).values()))


def _by_classes(store: Store, layer: str, options: AtlasOptions) -> Features:
    if not (store.labels >= 0).any():
        raise MissingInputError(
            "The images of the store have no labels, so units cannot be told apart by what classes do to "
            "them. Pass by='images' or by='weights'."
        )
    means = np.asarray(store.class_means(layer, split=options.get("split")).values, dtype=np.float32)
    return means[np.isfinite(means).all(axis=1)].T.copy()


def _by_weights(store: Store, layer: str, options: AtlasOptions) -> Features:  # noqa: ARG001 - as the others
    hooked = options.get("hooked")
    if hooked is None:
        raise MissingInputError("Weights are the model's: pass hooked=, or by='classes' or by='images'.")
    return weight_directions(hooked, layer)


def _by_images(store: Store, layer: str, options: AtlasOptions) -> Features:
    tops = store.top_of_layer(layer, k=_IMAGES, split=options.get("split"))[["id"]].compute()["id"].values
    names = sorted({str(name) for name in tops.ravel()} - {""})
    place = {name: index for index, name in enumerate(names)}
    table = {str(name): row for row, name in enumerate(store.images_table["id"].values)}
    rows = np.array([table[name] for name in names], dtype=np.int64)
    vectors = image_features(store, rows, options, deepest_layer(store))
    unit_length = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    found = np.zeros((tops.shape[1], vectors.shape[1]), np.float32)
    for channel in range(tops.shape[1]):
        mine = [place[str(name)] for name in tops[:, channel] if str(name)]
        if mine:
            found[channel] = unit_length[mine].mean(0)
    return found


_BY: dict[str, Callable[[Store, str, AtlasOptions], Features]] = {
    "classes": _by_classes,
    "weights": _by_weights,
    "images": _by_images,
}


def _histograms(store: Store, layer: str) -> dict[str, Any]:
    """How often each unit's peaks have which value, in steps from its lowest to its highest."""
    if not store.keeps_all:
        return {}
    peaks: xr.DataArray = store.of_images(layer, "peak")
    low, high = _extremes(peaks)
    counts = np.zeros((peaks.sizes["channel"], BINS), np.int64)
    width = np.where(high > low, high - low, 1)
    for block in peaks.data.blocks:
        values = np.asarray(block.compute())
        values = values[np.isfinite(values).all(axis=1)]
        at = np.clip(((values - low) / width * BINS).astype(int), 0, BINS - 1)
        for place in range(BINS):
            counts[:, place] += (at == place).sum(0)
    return {"histogram": (("cell", "bin"), counts), "lowest": ("cell", low), "highest": ("cell", high)}


def _extremes(peaks: xr.DataArray) -> tuple[Float[np.ndarray, " channel"], Float[np.ndarray, " channel"]]:
    both = xr.Dataset(
        {"low": peaks.min("image", skipna=True), "high": peaks.max("image", skipna=True)}
    ).compute()
    return np.nan_to_num(both["low"].values), np.nan_to_num(both["high"].values)
