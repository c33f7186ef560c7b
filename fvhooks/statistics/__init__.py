"""What is kept of real images: one mergeable reduction a file."""

from typing import Any, Protocol, Self

import numpy as np
import torch
from jaxtyping import Float, Float64

from fvhooks.registries import Registry

Measured = tuple[Float[np.ndarray, "image ..."], ...]


class Statistic(Protocol):
    """A reduction over images that can be cut anywhere and put together again.

    Updating with images one by one or in batches gives the same bits. `state` and `count` are all that it
    knows, so that `type(statistic)(state, count, …)` continues what another process began.
    """

    count: int
    state: Float64[np.ndarray, "..."]

    def measure(self, values: Float[torch.Tensor, "image ..."]) -> Measured:
        """What is needed of each image: the costly part. It changes nothing, so threads can share it."""
        ...

    def add(self, measured: Measured) -> None:
        """Take in what was measured, one image after the other, so that batches leave no trace in any bit."""
        ...

    def update(self, values: Float[torch.Tensor, "image ..."]) -> None:
        """Take in more images."""
        for image in torch.split(values, 1):  # copies of one image stay in the cache
            self.add(self.measure(image))

    def merge(self, other: Any) -> Self:  # noqa: ANN401 - another of the same class
        """What both have seen, this one first."""
        ...

    def result(self) -> dict[str, Float[np.ndarray, "..."]]:
        """The arrays that go into a store, by name; NaN where nothing was seen."""
        ...


STATISTICS: Registry[type[Any]] = Registry("fvhooks.statistics", "statistic")

__all__ = ["STATISTICS", "Measured", "Statistic"]
