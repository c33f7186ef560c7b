"""Where items lie on a plane before each gets a cell: one way a file."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float64, Real

from fvhooks.registries import Registry


@runtime_checkable
class Placing(Protocol):
    """Places items on a plane, like ones near each other.

    Takes features (one row an item), or the distances of all pairs where those decide; each way says which it
    can do with, and raises a MissingInputError where it lacks them. The same seed gives the same places.
    No items, or one, are no error.
    """

    def __call__(
        self,
        features: Float[np.ndarray, "item feature"] | None,
        distances: Float[np.ndarray, "item item"] | None,
        *,
        seed: int,
    ) -> Float[np.ndarray, "item 2"]:
        """The x and y of each item, in any unit."""
        ...


LAYOUTS: Registry[Placing] = Registry("fvhooks.atlases.layouts", "layout")


def shape_into_square(points: Real[np.ndarray, "item 2"]) -> Float64[np.ndarray, "item 2"]:
    """The same places in [0, 1], x and y each stretched on their own; 0.5 where all items have the same.

    Examples:
        >>> shape_into_square(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist()
        [[0.0, 0.5], [1.0, 0.5]]

    Args:
        points: x and y of each item, finite.
    """
    places = np.asarray(points, np.float64)
    if not len(places):
        return places
    low, high = places.min(0), places.max(0)
    spread = np.where(high > low, high - low, 1.0)
    return np.where(high > low, np.clip((places - low) / spread, 0.0, 1.0), 0.5)


__all__ = ["LAYOUTS", "Placing", "shape_into_square"]
