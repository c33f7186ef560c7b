"""What is to be laid out on a map, before it has a place there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError

UNLABELLED = -1


@dataclass(frozen=True, eq=False)
class Items:
    """Some items with what is known of them.

    Args:
        ids: of each, no two alike.
        form: which kind of map this is of, as `Atlas.data.attrs["form"]`.
        features: of each item, by which it is like others; None where its place is given.
        scores: of each; None where there are none.
        distances: of each to each, where not features alone say how alike items are.
        apart: which have a strip of their own.
        columns: further values of each item, by the name that they have in an atlas.
        extras: further variables of an atlas as (dimensions, values).
        about: what the atlas says of itself.
    """

    ids: Sequence[str]
    form: str
    features: Float[np.ndarray, "item feature"] | None = None
    scores: Float[np.ndarray, " item"] | None = None
    distances: Float[np.ndarray, "item item"] | None = None
    apart: Bool[np.ndarray, " item"] | None = None
    columns: Mapping[str, Shaped[np.ndarray, " item ..."]] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, values in (("features", self.features), ("scores", self.scores), *self.columns.items()):
            if values is not None and len(values) != len(self.ids):
                raise ShapeError(f"Expected {name} of {len(self.ids)} items, got {len(values)}.")
        if len(set(self.ids)) < len(self.ids):
            twice = next(name for place, name in enumerate(self.ids) if name in self.ids[:place])
            raise MissingInputError(f"Expected ids of which no two are alike, got {twice!r} twice.")
        if self.features is not None:
            check_finite(self.features, self.ids)

    @property
    def placed(self) -> Int[np.ndarray, " placed"]:
        """Which items lie on the map itself, and not in the strip."""
        if self.apart is None:
            return np.arange(len(self.ids))
        return np.flatnonzero(~self.apart)


def check_finite(features: Float[np.ndarray, "item feature"], ids: Sequence[str]) -> None:
    """Features must be numbers.

    Raises:
        NonFiniteError: some are NaN or infinite; of which items.
    """
    wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(wrong):
        some = ", ".join(repr(ids[place]) for place in wrong[:5])
        raise NonFiniteError(
            f"Expected finite features, got NaN or infinity for {len(wrong)} of {len(ids)} items ({some}"
            f"{', …' if len(wrong) > 5 else ''}). Leave these items out."
        )


def label_texts(labels: Int[np.ndarray, " item"], names: Mapping[int, str]) -> Shaped[np.ndarray, " item"]:
    """What labels are called; nothing for what has none."""
    texts = [
        "" if label == UNLABELLED else names.get(int(label), str(int(label))) for label in labels.tolist()
    ]
    return np.array(texts, dtype=object)


def histogram_of(scores: Float[np.ndarray, " score"], bins: int = 40) -> dict[str, Any]:
    """How many scores lie where, as variables of an atlas; nothing where there are no scores."""
    known = scores[np.isfinite(scores)]
    if not len(known):
        return {}
    counts, edges = np.histogram(known, bins=bins)
    return {"histogram": ("bin", counts.astype(np.int64)), "edges": ("edge", edges.astype(np.float64))}
