"""Distances between items that take in how much each activates a unit."""

import numpy as np
from jaxtyping import Float64, Real

from fvhooks.atlases.projections import cosine_distances
from fvhooks.errors import NonFiniteError, ShapeError

WEIGHT = 0.25


def mixed_distances(
    features: Real[np.ndarray, "item feature"], scores: Real[np.ndarray, " _"], weight: float = WEIGHT
) -> Float64[np.ndarray, "item item"]:
    """(1 − weight) · cosine distance / the largest + weight · difference of scores, scaled to [0, 1].

    The more weight, the more a map shows how far items activate, and the less what they have in common: the
    two can only be traded.

    Examples:
        >>> mixed_distances(np.eye(2), np.array([3.0, 7.0]), 0.5).tolist()
        [[0.0, 1.0], [1.0, 0.0]]

    Args:
        features: of each item.
        scores: of each item; where all are equal they make no difference.
        weight: of the scores, from 0 to 1.

    Returns:
        Distances in [0, 1], symmetric, with a diagonal of zeros.

    Raises:
        ShapeError: a weight outside [0, 1], or another number of scores than items.
        NonFiniteError: NaN or infinity among features or scores.
    """
    given = np.asarray(scores, np.float64)
    if not 0 <= weight <= 1 or len(given) != len(features):
        raise ShapeError(
            f"Expected a weight in [0, 1] and a score for each of {len(features)} items, got {weight} and "
            f"{len(given)} scores."
        )
    if not np.isfinite(given).all():
        bad = int((~np.isfinite(given)).sum())
        raise NonFiniteError(f"Scores must be finite; {bad} of {len(given)} are NaN or infinite.")
    apart = cosine_distances(features)
    between = np.abs(np.subtract.outer(given, given))
    scaled = [part / part.max() if part.max(initial=0.0) > 0 else part for part in (apart, between)]
    mixed: Float64[np.ndarray, "item item"] = (1 - weight) * scaled[0] + weight * scaled[1]
    return mixed
