"""Images that are added to a store: which of a data set's items are new, and that the others are the same."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import zarr
from jaxtyping import Int

from fvhooks.collecting.requests import Request
from fvhooks.datasets.inspection import digests_of
from fvhooks.errors import StoreError
from fvhooks.store.fingerprints import compare
from fvhooks.store.ledgers import array_of
from fvhooks.store.schema import COMPLETE, CREATING

_LOOKED_AT = 16

Items = Int[np.ndarray, " item"]


def added_items(request: Request, root: zarr.Group, stored: dict[str, Any], path: str) -> Items:
    """The items that a store does not know yet; none where the data set is the store's own.

    Args:
        request: with the data set.
        root: the store.
        stored: what it says about itself.
        path: where it is.

    Raises:
        StoreError: the data set neither is the store's nor contains it.
    """
    here, there = request.data_fingerprint, stored["data"]
    last = stored["passes"][-1]
    is_adding = len(stored["passes"]) > 1 and last["owns_rows"] and last["state"] != COMPLETE
    if is_adding or here["images"] <= int(there["images"]):
        compare("data set", path, there, here)
        return np.zeros(0, np.int64)
    place = {name: item for item, name in enumerate(request.source.ids)}
    known = _texts(root, "images/id", int(there["images"]))
    lost = [name for name in known if name not in place]
    if lost:
        raise StoreError(
            f"The store {path} has {there['images']} images, the data set here {here['images']}, but not "
            f"{lost[0]!r}. Add images to the data set that the store was made of, or use another path."
        )
    items = np.array([place[name] for name in known], np.int64)
    labels = np.asarray(array_of(root, "images/label")[: len(known)])
    wrong = np.flatnonzero(request.labels[items] != labels)
    if len(wrong):
        first = wrong[0]
        raise StoreError(
            f"Image {known[first]!r} has label {labels[first]} in the store {path} and "
            f"{request.labels[items[first]]} in the data set here. Collect into another path."
        )
    chosen = list(there["items"])[:_LOOKED_AT]
    compare("data set", path, there, {"items": digests_of(request.source, [place[name] for name in chosen])})
    return np.setdiff1d(np.arange(len(request.source)), items)


def items_of_blocks(
    ids: Sequence[str], labels: Items, root: zarr.Group, about: dict[str, Any]
) -> list[Int[np.ndarray, " _"]] | None:
    """The items of each block of a store; None where there is one, of all items.

    Args:
        ids: of the data set's items.
        labels: of the data set's items.
        root: the store.
        about: what it says about itself.
    """
    blocks = about["blocks"]
    if len(blocks) == 1 and int(blocks[0]["stop"]) == len(ids):
        return None
    place = {name: item for item, name in enumerate(ids)}
    path = "images/id"
    if about["passes"][-1]["state"] == CREATING:  # it may be half written
        aside = f"partials/{len(about['passes']) - 1}/earlier/id"
        path = aside if aside in root and "checksum" in root[aside].attrs else path
    known = np.array([place[name] for name in _texts(root, path, int(blocks[-1]["stop"]))], np.int64)
    found = [np.sort(known[int(block["start"]) : int(block["stop"])]) for block in blocks]
    if int(blocks[-1]["start"]) == len(known):  # the last is still to be made: all the rest
        found[-1] = np.setdiff1d(np.arange(len(labels)), known)
    return found


def _texts(root: zarr.Group, path: str, count: int) -> list[str]:
    return [str(name) for name in np.asarray(array_of(root, path)[:count])]
