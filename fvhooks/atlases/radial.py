"""A disc with the strongest items in its centre."""

import numpy as np
from jaxtyping import Float64, Real

from fvhooks.errors import NonFiniteError, ShapeError


def radial(
    points: Real[np.ndarray, "item 2"], scores: Real[np.ndarray, " _"]
) -> Float64[np.ndarray, "item 2"]:
    """Each item in its direction from the middle of the layout, at the square root of its rank / count.

    Equal areas of the disc hold equally many items. Equal scores are ranked by index.

    Examples:
        >>> radial(np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([1.0, 9.0])).round(3).tolist()
        [[-0.707, 0.0], [0.0, 0.0]]

    Args:
        points: x and y of each item, in any unit.
        scores: of each; the highest goes to the centre.

    Returns:
        Places on a disc of radius 1 around (0, 0).

    Raises:
        ShapeError: another number of scores than points.
        NonFiniteError: NaN or infinity among them.
    """
    places, given = np.asarray(points, np.float64), np.asarray(scores, np.float64)
    if len(places) != len(given):
        raise ShapeError(f"Expected a score for each of {len(places)} points, got {len(given)}.")
    if not (np.isfinite(places).all() and np.isfinite(given).all()):
        raise NonFiniteError("Points and scores must be finite; leave items without a score out of a disc.")
    if not len(places):
        return places
    ranks = np.empty(len(given))
    ranks[np.argsort(-given, kind="stable")] = np.arange(len(given))
    away = places - places.mean(0)
    angle, radius = np.arctan2(away[:, 1], away[:, 0]), np.sqrt(ranks / len(given))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
