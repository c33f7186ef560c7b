"""Which images of a store a map is of."""

import numpy as np
from jaxtyping import Int

from fvhooks.atlases.options import AtlasOptions
from fvhooks.errors import MissingInputError
from fvhooks.store.reading import Store


def chosen_rows(store: Store, options: AtlasOptions) -> Int[np.ndarray, " item"]:
    """Rows of the images that are meant: of a split, of a list, and read without an error.

    Args:
        store: whose images.
        options: `ids` and `split`; all images without them.

    Raises:
        MissingInputError: an id that the store does not have.
    """
    table, ids = store.images_table, options.get("ids")
    usable = np.asarray(store.in_split(options.get("split")) & (table["error"].values == ""))
    if ids is None:
        return np.flatnonzero(usable)
    known = {str(name): row for row, name in enumerate(table["id"].values)}
    unknown = [str(name) for name in ids if str(name) not in known]
    if unknown:
        some = ", ".join(list(known)[:5])
        raise MissingInputError(f"The store has no image {unknown[0]!r}. It has {some}, …")
    listed = np.zeros(store.size, dtype=bool)
    listed[[known[str(name)] for name in ids]] = True
    return np.flatnonzero(usable & listed)


def ids_of(store: Store, rows: Int[np.ndarray, " item"]) -> list[str]:
    """What some images of a store are called."""
    return [str(name) for name in store.images_table["id"].values[rows]]
