"""The two directions in which features vary most: fast, and the same every time."""

import numpy as np
from jaxtyping import Float

from fvhooks.atlases.layouts import LAYOUTS
from fvhooks.atlases.projections import principal
from fvhooks.errors import MissingInputError


@LAYOUTS.register("pca")
def pca(
    features: Float[np.ndarray, "item feature"] | None,
    distances: Float[np.ndarray, "item item"] | None,  # noqa: ARG001 - of features alone
    *,
    seed: int,  # noqa: ARG001 - nothing is random
) -> Float[np.ndarray, "item 2"]:
    """Principal components of the features; distances and seed are not used.

    Raises:
        MissingInputError: no features.
    """
    if features is None:
        raise MissingInputError("The layout 'pca' needs features; of distances alone use 'scaled' or 'umap'.")
    return principal(features)
