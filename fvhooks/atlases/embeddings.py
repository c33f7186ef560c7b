"""By what images are alike: what a layer or a user's function makes of them, or what they are called."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.atlases.chosen import ids_of
from fvhooks.atlases.items import UNLABELLED, label_texts
from fvhooks.atlases.options import AtlasOptions
from fvhooks.atlases.pictures import readable
from fvhooks.atlases.texts import text_features
from fvhooks.errors import MissingInputError, ShapeError
from fvhooks.store.reading import Store
from fvhooks.units import LOGITS

LABELS = "labels"
"""The embedding by the words of labels."""

_BATCH = 64


def deepest_layer(store: Store) -> str:
    """The last layer of a store before the logits."""
    inner = [layer for layer in store.layers if layer != LOGITS]
    return inner[-1] if inner else LOGITS


def image_features(
    store: Store, rows: Int[np.ndarray, " item"], options: AtlasOptions, layer: str
) -> Float[np.ndarray, "item feature"]:
    """A vector for each of some images of a store.

    Args:
        store: whose images.
        rows: which of them.
        options: `embedding`, and for "labels" the `names` of these.
        layer: whose averages over positions are taken where nothing else is asked for.

    Raises:
        ShapeError: vectors of another number, or a function that gives something else.
        MissingInputError: the store keeps no averages of each image, no data set is attached, or labels have
            no names.
    """
    embedding = options.get("embedding")
    if isinstance(embedding, str) and embedding == LABELS:
        return label_features(store.labels[rows], options.get("names", {}))
    if embedding is None or isinstance(embedding, str):
        return np.asarray(store.rows_of(embedding or layer, "average", rows), dtype=np.float32)
    if callable(embedding):
        return embedded(store, ids_of(store, rows), embedding)
    vectors = as_vectors(embedding)
    if len(vectors) != store.size:
        raise ShapeError(
            f"Expected embedding vectors for the {store.size} images of the store, got {len(vectors)}."
        )
    chosen: Float[np.ndarray, "item feature"] = vectors[rows]
    return chosen


def label_features(
    labels: Int[np.ndarray, " item"], names: Mapping[int, str]
) -> Float[np.ndarray, "item feature"]:
    """Labels by the words that they are called: `text_features` of the names; zeros for what has no label.

    Args:
        labels: of each item, −1 for none.
        names: what each is called.

    Raises:
        MissingInputError: no item has a label, or one of the labels has no name.
    """
    known = np.unique(labels[labels != UNLABELLED]).tolist()
    nameless = [label for label in known if label not in names]
    if not known or nameless:
        fault = f"label {nameless[0]} has no name" if nameless else "no image here has a label"
        raise MissingInputError(
            f"embedding='labels' compares the words of labels, and {fault}. Pass names={{label: words, …}} "
            "of all labels, or another embedding."
        )
    return text_features(label_texts(labels, names).tolist())


def called(embedding: Any, layer: str) -> dict[str, str]:  # noqa: ANN401 - see `Embedding`
    """What a map says that its images are alike by: a layer, or something else."""
    if embedding is None or (isinstance(embedding, str) and embedding != LABELS):
        return {"layer": embedding or layer}
    if isinstance(embedding, str):
        return {"embedding": "words of the labels"}
    given = "vectors that were given" if not callable(embedding) else "a function"
    return {"embedding": str(getattr(embedding, "__name__", given))}


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
