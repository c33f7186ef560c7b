"""The strongest images of each channel, where a store keeps no others."""

import numpy as np
import zarr
from jaxtyping import Int, Shaped

from fvhooks.errors import MissingInputError
from fvhooks.store import schema
from fvhooks.store.layer_tasks import order_of_texts, texts_at
from fvhooks.store.ledgers import array_of
from fvhooks.store.plans import SPLITS
from fvhooks.store.strongest import NO_ROW, Strongest

Kept = tuple[Strongest, Int[np.ndarray, "top channel"]]
"""The strongest rows, and at which position each image is that strong."""


def kept_tops(path: str, layer: str, split: str | None, k: int) -> Kept:
    """The strongest of a layer's channels among the images of a split, or of all.

    Args:
        path: a store with keep="top".
        layer: of it.
        split: of `SPLITS`; None for all images.
        k: how many.

    Returns:
        Always `k` of them, the last ones `NO_ROW` where there are fewer images.

    Raises:
        MissingInputError: more than the store keeps.
    """
    check_tops(path, k)
    root = schema.open_root(path)
    values, rows, positions = (_of_splits(root, layer, name, split) for name in ("value", "row", "position"))
    named, places = np.unique(rows, return_inverse=True)
    order = order_of_texts(texts_at(path, "images/id", named))[places].reshape(rows.shape)
    ranked = np.lexsort((order, -values), axis=0)[:k]
    chosen = np.take_along_axis(rows, ranked, axis=0)
    strongest = Strongest(np.take_along_axis(values, ranked, axis=0), chosen)
    at = np.take_along_axis(positions, ranked, axis=0)
    return strongest, np.where(chosen == NO_ROW, -1, at)


def check_tops(path: str, k: int) -> None:
    """Refuse to ask for more than a store with keep="top" has.

    Raises:
        MissingInputError: it keeps fewer.
    """
    if k > schema.TOP_IMAGES:
        raise MissingInputError(
            f"The store {path} keeps the {schema.TOP_IMAGES} strongest images of each channel (keep='top'); "
            f"asked for were {k}. Collect with keep='all' to have more."
        )


def _of_splits(
    root: zarr.Group, layer: str, name: str, split: str | None
) -> Shaped[np.ndarray, "top channel"]:
    stored = np.asarray(array_of(root, f"{schema.layer_path(layer)}/top_{name}")[:])
    if split is not None:
        return np.asarray(stored[SPLITS.index(split)])
    return stored.reshape(-1, stored.shape[-1])
