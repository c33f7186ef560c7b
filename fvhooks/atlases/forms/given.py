"""Items that a user brings: any inputs with a vector each, texts too."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from fvhooks.atlases.embeddings import as_vectors
from fvhooks.atlases.items import Items, histogram_of
from fvhooks.atlases.mixed import mixed_distances
from fvhooks.atlases.options import AtlasOptions
from fvhooks.errors import ShapeError

_MIXED = 5_000  # items beyond which distances of all pairs are too many


def given_items(features: Any, options: AtlasOptions) -> Items:  # noqa: ANN401 - a tensor, an array or rows
    """Items by their vectors. Scores count in the distance where a `weight` is asked for.

    Args:
        features: a vector an item.
        options: see `AtlasOptions`; `scores`, `items`, `labels` and `ids` of the items.

    Raises:
        ShapeError: another number of scores, items, labels or ids than of vectors.
        NonFiniteError: NaN among the features.
    """
    vectors = as_vectors(features)
    count = len(vectors)
    scores = _scores(options.get("scores"), count)
    items = options.get("items")
    texts = as_texts(items)
    labels = _listed(options.get("labels"), count, "labels")
    ids = _listed(options.get("ids"), count, "ids")
    names = _labels(ids, {}) if ids is not None else _names(texts, count)
    if texts is not None:
        _listed(texts, count, "items")
    about: dict[str, Any] = {"title": options.get("title", "Items")}
    weight = float(options.get("weight", 0.0))
    distances = None
    if weight and scores is not None:
        if count > _MIXED:
            raise ShapeError(
                f"Scores can count in the distance of up to {_MIXED} items, got {count}: leave weight out."
            )
        distances = mixed_distances(vectors, scores, weight)
    said = [""] * count if labels is None else _labels(labels, options.get("names", {}))
    columns = {"label": np.array(said, dtype=object), "index": np.arange(count)}
    extras = {} if scores is None else histogram_of(scores)
    return Items(
        names,
        "features",
        vectors,
        scores,
        distances,
        columns=columns,
        extras=extras,
        about=about | {"weight": weight},
    )


def as_texts(items: Any) -> list[str] | None:  # noqa: ANN401 - whatever a user passes
    """Items as texts, where they are texts: a list, an array or a column of them."""
    if items is None or isinstance(items, str) or hasattr(items, "detach") or not len(items):
        return None
    listed = list(items)
    return [str(item) for item in listed] if all(isinstance(item, str) for item in listed) else None


def _names(texts: Sequence[str] | None, count: int) -> list[str]:
    """A text is its own name, numbered where that is taken."""
    if texts is None:
        return [str(number) for number in range(count)]
    names: dict[str, None] = {}
    for text in texts:
        name, number = text, 2
        while name in names:
            name, number = f"{text} ({number})", number + 1
        names[name] = None
    return list(names)


def _labels(labels: Any, names: Mapping[int, str]) -> list[str]:  # noqa: ANN401
    """Labels as words; whole numbers by their names."""
    plain = labels.detach().cpu().numpy() if hasattr(labels, "detach") else np.asarray(labels)
    return [str(names.get(label, label)) for label in plain.tolist()]


def _scores(scores: Any, count: int) -> Float[np.ndarray, " item"] | None:  # noqa: ANN401
    if scores is None:
        return None
    found = np.asarray(scores.detach().cpu() if hasattr(scores, "detach") else scores, dtype=np.float32)
    if found.shape != (count,):
        raise ShapeError(f"Expected a score for each of {count} items, got shape {found.shape}.")
    return found


def _listed(values: Any, count: int, what: str) -> Any:  # noqa: ANN401
    if values is not None and len(values) != count:
        raise ShapeError(f"Expected {what} of {count} items, as many as features, got {len(values)}.")
    return values
