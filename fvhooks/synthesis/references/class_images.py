"""The real images of a label."""

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.errors import MissingInputError
from fvhooks.store.reading import Store


def label_rows(store: Store, label: int) -> Int[np.ndarray, " image"]:
    """The rows of the readable reference images of a label."""
    table = store.images_table
    return np.flatnonzero(
        (table.label.values == label) & (table.split.values == "reference") & (table.error.values == "")
    )


def drawn_images(store: Store, label: int, count: int, seed: int = 0) -> Float[torch.Tensor, "image rgb y x"]:
    """Some reference images of a label, drawn at random.

    Args:
        store: with its data set attached.
        label: of the images.
        count: how many; all where there are fewer.
        seed: of the draw.

    Raises:
        MissingInputError: no data set is attached, or the label has no reference image.
    """
    rows = label_rows(store, label)
    if not len(rows):
        raise MissingInputError(f"The store has no reference image of label {label}.")
    drawn = np.random.default_rng([seed, label]).permutation(rows)[:count]
    return store.images(store.images_table.id.values[np.sort(drawn)].astype(str))
