"""By what images are alike: what a layer makes of them, or what a user's function does."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped

from fvhooks.atlases.pictures import readable
from fvhooks.errors import MissingInputError, ShapeError
from fvhooks.store.reading import Store
from fvhooks.units import LOGITS

_BATCH = 64


def deepest_layer(store: Store) -> str:
    """The last layer of a store before the logits."""
    inner = [layer for layer in store.layers if layer != LOGITS]
    return inner[-1] if inner else LOGITS


def image_features(
    store: Store,
    rows: Int[np.ndarray, " item"],
    embedding: Any,  # noqa: ANN401 - see `Embedding`
    layer: str,
) -> Float[np.ndarray, "item feature"]:
    """A vector for each of some images of a store.

    Args:
        store: whose images.
        rows: which of them.
        embedding: a layer, a function of images, or vectors; None for `layer`.
        layer: whose averages over positions are taken where nothing else is asked for.

    Raises:
        ShapeError: vectors of another number, or a function that gives something else.
        MissingInputError: the store keeps no averages of each image, or no data set is attached.
    """
    if embedding is None or isinstance(embedding, str):
        return np.asarray(store.rows_of(embedding or layer, "average", rows), dtype=np.float32)
    ids = store.images_table["id"].values[rows]
    if callable(embedding):
        return embedded(store, [str(name) for name in ids], embedding)
    vectors = as_vectors(embedding)
    if len(vectors) != store.size:
        raise ShapeError(
            f"Expected embedding vectors for the {store.size} images of the store, got {len(vectors)}."
        )
    chosen: Float[np.ndarray, "item feature"] = vectors[rows]
    return chosen


def embedded(store: Store, ids: Sequence[str], embedding: Any) -> Float[np.ndarray, "item feature"]:  # noqa: ANN401
    """What a function makes of some images, a batch at a time."""
    parts = []
    for start in range(0, len(ids), _BATCH):
        pictures = _pictures(store, ids[start : start + _BATCH])
        with torch.no_grad():
            made = as_vectors(embedding(pictures))
        if len(made) != len(pictures):
            raise ShapeError(
                f"Expected the embedding function to give a vector for each of {len(pictures)} images, "
                f"got {len(made)}."
            )
        parts.append(made)
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)


def _pictures(store: Store, ids: Sequence[str]) -> torch.Tensor:
    """Images that an embedding needs, or which of them cannot be read."""
    if store.source is None:
        store.images([])  # says what to attach
    parts = []
    for places, pictures, fault in readable(store, ids):
        if pictures is None:
            raise MissingInputError(
                f"Expected an image to embed for every item, and {ids[int(places[0])]!r} cannot be read: "
                f"{fault}. Leave it out with ids=, or pass vectors."
            )
        parts.append(pictures)
    return torch.cat(parts)


def as_vectors(values: Any) -> Float[np.ndarray, "item feature"]:  # noqa: ANN401 - a tensor, an array or rows of numbers
    """Rows of numbers as an array.

    Raises:
        ShapeError: something that is no vector an item.
    """
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, dtype=np.float32)
    if array.ndim != 2 or not array.shape[1]:
        raise ShapeError(f"Expected a vector for each item, (item, feature), got shape {array.shape}.")
    return array


def chosen_rows(store: Store, ids: Sequence[str] | None, split: str | None) -> Bool[np.ndarray, " image"]:
    """Which images of a store are meant: of a split, of a list, and read without an error.

    Raises:
        MissingInputError: an id that the store does not have.
    """
    table = store.images_table
    usable = store.in_split(split) & (table["error"].values == "")
    if ids is None:
        return np.asarray(usable)
    known = {str(name): row for row, name in enumerate(table["id"].values)}
    unknown = [str(name) for name in ids if str(name) not in known]
    if unknown:
        some = ", ".join(list(known)[:5])
        raise MissingInputError(f"The store has no image {unknown[0]!r}. It has {some}, …")
    listed = np.zeros(store.size, dtype=bool)
    listed[[known[str(name)] for name in ids]] = True
    return np.asarray(usable & listed)


def texts_of(values: Shaped[np.ndarray, " item"]) -> list[str]:
    """Ids as text."""
    return [str(value) for value in values]
