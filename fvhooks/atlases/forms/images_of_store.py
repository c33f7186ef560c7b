"""The images of a store themselves, by what a layer makes of them."""

import numpy as np

from fvhooks.atlases.chosen import chosen_rows, ids_of
from fvhooks.atlases.embeddings import called, deepest_layer, image_features
from fvhooks.atlases.items import Items, histogram_of, label_texts
from fvhooks.atlases.options import AtlasOptions
from fvhooks.errors import MissingInputError
from fvhooks.store.reading import Store


def images_of_store(store: Store, layer: str | None, options: AtlasOptions) -> Items:
    """All images of a store; the score of each is the model's highest logit.

    Args:
        store: whose images.
        layer: by whose averages they are alike; None for the deepest.
        options: see `AtlasOptions`.

    Raises:
        MissingInputError: none could be read.
    """
    rows = chosen_rows(store, options)
    if not len(rows):
        raise MissingInputError("No image of the store may be shown: there is nothing to map.")
    table, layer = store.images_table, layer or deepest_layer(store)
    scores = table["logit"].values[rows].astype(np.float32)
    names = options.get("names", {})
    return Items(
        ids_of(store, rows),
        "images",
        image_features(store, rows, options, layer),
        scores,
        columns={
            "label": label_texts(store.labels[rows], names),
            "prediction": label_texts(table["prediction"].values[rows], names),
            "index": table["index"].values[rows].astype(np.int64),
            "shown": table["id"].values[rows].astype(object),
        },
        extras=histogram_of(scores),
        about={"title": "Images of the data set", "score": "the highest logit"}
        | called(options.get("embedding"), layer),
    )
