"""Distances met as nearly as two dimensions allow, by classical multidimensional scaling."""

import numpy as np
from jaxtyping import Float

from fvhooks.atlases.layouts import LAYOUTS
from fvhooks.atlases.projections import classical, cosine_distances
from fvhooks.errors import MissingInputError


@LAYOUTS.register("scaled")
def scaled(
    features: Float[np.ndarray, "item feature"] | None,
    distances: Float[np.ndarray, "item item"] | None,
    *,
    seed: int,  # noqa: ARG001 - nothing is random
) -> Float[np.ndarray, "item 2"]:
    """Classical scaling of the distances, or of the cosine distances of features; the seed is not used.

    Raises:
        MissingInputError: neither features nor distances.
    """
    if distances is not None:
        return classical(distances)
    if features is None:
        raise MissingInputError("The layout 'scaled' needs distances or features.")
    return classical(cosine_distances(features))
