"""Neighbours kept near each other, by UMAP: an optional library, slow, and different for another seed."""

import warnings
from types import ModuleType

import numpy as np
from jaxtyping import Float

from fvhooks.atlases.checks import require_finite
from fvhooks.atlases.layouts import LAYOUTS
from fvhooks.atlases.projections import classical, cosine_distances, principal
from fvhooks.dependencies import require
from fvhooks.errors import MissingInputError

NEIGHBOURS = 15
NEAREST = 0.1
"""UMAP's min_dist: how near items may lie."""

_FEWEST = 5  # UMAP breaks with two items, and of fewer than this there is nothing to unfold
_SPECTRAL = 10  # below, UMAP's spectral start has not enough items
_PAIRS = 4_096  # items from which on UMAP looks for neighbours instead
_SAID = (
    "n_jobs value .* overridden",  # of any fixed seed
    "using precomputed metric; inverse_transform",  # nothing is inverted
)


@LAYOUTS.register("umap")
def umap(
    features: Float[np.ndarray, "item feature"] | None,
    distances: Float[np.ndarray, "item item"] | None,
    *,
    seed: int,
) -> Float[np.ndarray, "item 2"]:
    """UMAP of distances where given, else of the cosines of features. One thread, so that a seed is enough.

    Raises:
        MissingInputError: neither features nor distances.
        NonFiniteError: NaN or infinity among them.
        MissingDependencyError: umap-learn is not installed.
    """
    given = features if distances is None else distances
    if given is None:
        raise MissingInputError("The layout 'umap' needs features or distances.")
    if len(given) < _FEWEST:
        return principal(given) if distances is None else classical(given)
    require_finite("Features" if distances is None else "Distances", np.asarray(given, np.float64))
    if distances is None and len(given) < _PAIRS:  # UMAP would take each of these pairs by itself
        given = distances = cosine_distances(given)
    library = _library()
    with warnings.catch_warnings():
        for said in _SAID:
            warnings.filterwarnings("ignore", message=said, category=UserWarning)
        reducer = library.UMAP(
            n_neighbors=min(NEIGHBOURS, len(given) - 1),
            min_dist=NEAREST,
            metric="cosine" if distances is None else "precomputed",
            init="spectral" if len(given) >= _SPECTRAL else "random",
            random_state=seed,
        )
        return np.asarray(reducer.fit_transform(np.asarray(given, np.float32)), np.float64)


def _library() -> ModuleType:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Tensorflow not installed", category=ImportWarning)
        return require("umap", feature="The layout 'umap'", extra="maps")
