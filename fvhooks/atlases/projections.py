"""Two dimensions out of many by linear algebra, without a library."""

import numpy as np
from jaxtyping import Float64, Real

from fvhooks.atlases.checks import require_finite
from fvhooks.atlases.neighbourhoods import directions
from fvhooks.errors import ShapeError

_NOTHING = 1e-12  # the cosine of an item with its copy is off by rounding, which scaling would blow up


def principal(features: Real[np.ndarray, "item feature"]) -> Float64[np.ndarray, "item 2"]:
    """Along the two directions in which features vary most; the farthest item is on the positive side.

    Examples:
        >>> principal(np.array([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0]]))[:, 0].tolist()
        [-1.0, 1.0]

    Args:
        features: of each item.

    Raises:
        NonFiniteError: NaN or infinity among the features.
    """
    values = np.asarray(features, np.float64)
    require_finite("Features", values)
    if len(values) < 2 or not values.shape[1]:
        return np.zeros((len(values), 2))
    centred = values - values.mean(0)
    if centred.shape[1] <= len(centred):
        _, axes = np.linalg.eigh(centred.T @ centred)
        places = centred @ axes[:, ::-1][:, :2]
    else:
        places = _leading(centred @ centred.T)
    return _turned(places, len(values))


def classical(distances: Real[np.ndarray, "item _"]) -> Float64[np.ndarray, "item 2"]:
    """Places whose distances are near the given ones: classical multidimensional scaling.

    Examples:
        >>> places = classical(np.array([[0.0, 3.0], [3.0, 0.0]]))
        >>> np.abs(places[0] - places[1]).round(6).tolist()
        [3.0, 0.0]

    Args:
        distances: of each pair, symmetric. Those of no Euclidean space are met as far as may be.

    Raises:
        NonFiniteError: NaN or infinity among the distances.
        ShapeError: distances that are not square.
    """
    values = np.asarray(distances, np.float64)
    if values.shape != (len(values), len(values)):
        raise ShapeError(f"Expected distances (item, item), got shape {values.shape}.")
    require_finite("Distances", values)
    if len(values) < 2:
        return np.zeros((len(values), 2))
    squares = values**2
    squares = squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean()
    return _turned(_leading(-squares / 2), len(values))


def cosine_distances(features: Real[np.ndarray, "item feature"]) -> Float64[np.ndarray, "item item"]:
    """1 less the cosine of each pair: symmetric, from 0 to 2, exactly 0 of an item with itself.

    Examples:
        >>> cosine_distances(np.array([[1.0, 0.0], [0.0, 2.0]])).tolist()
        [[0.0, 1.0], [1.0, 0.0]]

    Args:
        features: of each item; one that is zero throughout is at distance 1 from all others.

    Raises:
        NonFiniteError: NaN or infinity among the features.
    """
    values = np.asarray(features, np.float64)
    require_finite("Features", values)
    unit = directions(values)
    alike = unit @ unit.T
    apart: Float64[np.ndarray, "item item"] = np.clip(1 - (alike + alike.T) / 2, 0.0, 2.0)
    apart[apart < _NOTHING] = 0.0
    np.fill_diagonal(apart, 0.0)
    return apart


def _leading(gram: Float64[np.ndarray, "item item"]) -> Float64[np.ndarray, "item _"]:
    sizes, axes = np.linalg.eigh((gram + gram.T) / 2)
    places: Float64[np.ndarray, "item _"] = axes[:, ::-1][:, :2] * np.sqrt(np.maximum(sizes[::-1][:2], 0.0))
    return places


def _turned(places: Float64[np.ndarray, "item _"], count: int) -> Float64[np.ndarray, "item 2"]:
    """Two columns, each with the sign that its farthest item (beyond the middle) is on the positive side.

    The comparison leaves the last digits out: two items equally far on both sides are decided by index.
    """
    turned = np.zeros((count, 2))
    turned[:, : places.shape[1]] = places
    for axis in range(2):
        far = np.abs(turned[:, axis])
        last = np.flatnonzero(far >= far.max() * (1 - 1e-9))[-1]
        if turned[last, axis] < 0:
            turned[:, axis] *= -1
    return turned
