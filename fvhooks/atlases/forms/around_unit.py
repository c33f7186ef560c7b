"""The images around one unit, direction or latent: its strongest, and others to hold them against."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from fvhooks.atlases.chosen import chosen_rows, ids_of
from fvhooks.atlases.embeddings import called, image_features
from fvhooks.atlases.items import Items, histogram_of, label_texts
from fvhooks.atlases.mixed import mixed_distances
from fvhooks.atlases.options import AtlasOptions
from fvhooks.atlases.strata import Strata, draw
from fvhooks.errors import MissingInputError, ShapeError
from fvhooks.store.reading import Store
from fvhooks.units import Direction, Unit

TOP, WEIGHT, MIXED = 250, 0.25, 5_000


def around_unit(store: Store, unit: Unit | Direction, options: AtlasOptions) -> Items:
    """The images around one unit.

    Args:
        store: whose images.
        unit: a channel of a layer, a latent, or a direction.
        options: see `AtlasOptions`.

    Raises:
        MissingInputError: the unit fires for no image; a unit at one position, of which nothing is kept.
        ShapeError: a direction of another length than the layer has channels.
    """
    scores = scores_of(store, unit)
    usable = chosen_rows(store, options)
    signed = isinstance(unit, Direction) or store.is_signed(unit.layer)
    if not signed and not (scores[usable] > 0).any():
        raise MissingInputError(
            f"{unit.id!r} fires for none of {len(usable)} images: there is nothing to map. "
            f"store.dead_units({unit.layer!r}) names all that never fire."
        )
    strata = _strata(store, scores, usable, options)
    rows = strata.rows
    if len(rows) > MIXED:
        raise MissingInputError(
            f"Up to {MIXED} images can lie around a unit, got {len(rows)}: pass a smaller top=."
        )
    features = image_features(store, rows, options, unit.layer)
    weight = options.get("weight", WEIGHT)
    by = called(options.get("embedding"), unit.layer)
    return Items(
        ids_of(store, rows),
        "unit",
        features,
        scores[rows],
        mixed_distances(features, scores[rows], weight),
        columns=_columns(store, unit, strata, scores, options),
        extras=histogram_of(scores[usable]),
        about={
            "title": f"Images around {unit.id}",
            "unit": unit.id,
            "layer": unit.layer,
            "strata": strata.populations,
            "weight": weight,
        }
        | {name: said for name, said in by.items() if name == "embedding"}
        | ({"direction": np.asarray(unit.vector).tolist()} if isinstance(unit, Direction) else {}),
    )


def _columns(
    store: Store,
    unit: Unit | Direction,
    strata: Strata,
    scores: Float[np.ndarray, " image"],
    options: AtlasOptions,
) -> dict[str, Any]:
    """What is known of each image on the map."""
    rows, table = strata.rows, store.images_table
    columns: dict[str, Any] = {
        "label": label_texts(store.labels[rows], options.get("names", {})),
        "index": table["index"].values[rows].astype(np.int64),
        "stratum": strata.names,
        "shown": table["id"].values[rows].astype(object),
        "activation": scores[rows],
    }
    if isinstance(unit, Unit):
        columns["position"] = store.rows_of(unit.layer, "position", rows)[:, unit.channel].astype(np.int64)
    return columns


def _strata(
    store: Store,
    scores: Float[np.ndarray, " image"],
    usable: Int[np.ndarray, " usable"],
    options: AtlasOptions,
) -> Strata:
    top = options.get("top", TOP)
    sizes = (top, options.get("random", top // 2), options.get("negatives", top // 2))
    return draw(scores, store.labels, usable, sizes=sizes, seed=options.get("seed", 0))


def scores_of(store: Store, unit: Unit | Direction) -> Float[np.ndarray, " image"]:
    """How strongly each image of a store moves a unit: its peak; for a direction its mean over positions.

    Args:
        store: statistics of the images.
        unit: a channel or a direction.
    """
    if isinstance(unit, Unit):
        if unit.position is not None:
            raise MissingInputError(
                f"A store keeps the peak of each channel, which says nothing about {unit.id!r}. "
                "Pass a channel of a layer: Unit(layer, channel)."
            )
        channels = store.layout(unit.layer).channels
        if unit.channel >= channels:
            raise MissingInputError(f"Layer {unit.layer!r} has {channels} channels; there is no {unit.id!r}.")
        peaks = store.of_images(unit.layer, "peak").isel(channel=unit.channel)
        return np.asarray(peaks.values, dtype=np.float32)
    averages = store.of_images(unit.layer, "average")
    if averages.sizes["channel"] != len(unit.vector):
        raise ShapeError(
            f"Expected a direction with one number for each of the {averages.sizes['channel']} channels of "
            f"{unit.layer!r}, got {len(unit.vector)}."
        )
    return np.asarray((averages.data @ np.asarray(unit.vector, np.float32)).compute(), dtype=np.float32)
