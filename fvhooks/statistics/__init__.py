"""What is kept of real images: one mergeable reduction a file.

Adding one takes a file here, and nothing else: stores find it in the registry, and so do the tests.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int

from fvhooks.registries import Registry

Measured = tuple[Float[np.ndarray, "image ..."], ...]


@dataclass(frozen=True, eq=False)
class Subject:
    """What a statistic is made of: a layer's activations, or the images themselves.

    Args:
        channels: of the layer, or of the images.
        ranks: which places of a layer's sorted order are kept; none of images.
        size: (height, width) of the images; none of a layer.
    """

    channels: int
    ranks: Int[np.ndarray, " rank"] | None = None
    size: tuple[int, int] | None = None


class Statistic(ABC):
    """A reduction over images that can be cut anywhere and put together again.

    Updating with images one by one or in batches gives the same bits. `state` and `count` are all that it
    knows, so that another process can go on from them.

    Attributes:
        of: what it is made of; "activations" are `image channel position`, "images" `image rgb y x`.
        per: one for each label's images, or one for all.
        over: which images it takes.
        of_batches: whether it is measured of whole batches, for what is so cheap that choosing images costs
            more; else of the chosen images alone.
        dimensions: of each array of its result.
        notes: what else its arrays say about themselves.
    """

    of: ClassVar[Literal["activations", "images"]]
    per: ClassVar[Literal["group", "store"]]
    over: ClassVar[Literal["references", "reference split"]]
    of_batches: ClassVar[bool] = False
    dimensions: ClassVar[dict[str, tuple[str, ...]]]
    notes: ClassVar[dict[str, str]] = {}

    count: int
    state: Float64[np.ndarray, "..."]

    @classmethod
    @abstractmethod
    def about(cls, subject: Subject) -> Self:
        """Nothing seen yet."""

    @classmethod
    @abstractmethod
    def restored(cls, subject: Subject, result: dict[str, Float[np.ndarray, "..."]], count: int) -> Self:
        """What gave such a result, as far as its rounding allows: how images are added to a store later."""

    @abstractmethod
    def measure(self, values: Float[torch.Tensor, "image ..."]) -> Measured:
        """What is needed of each image: the costly part. It changes nothing, so threads can share it."""

    @abstractmethod
    def add(self, measured: Measured) -> None:
        """Take in what was measured, one image after the other, so that batches leave no trace in any bit."""

    def update(self, values: Float[torch.Tensor, "image ..."]) -> None:
        """Take in more images."""
        for image in torch.split(values, 1):  # copies of one image stay in the cache
            self.add(self.measure(image))

    @abstractmethod
    def merge(self, other: Any) -> Self:  # noqa: ANN401 - another of the same class
        """What both have seen, this one first."""

    @abstractmethod
    def result(self) -> dict[str, Float[np.ndarray, "..."]]:
        """The arrays that go into a store, by name; NaN where nothing was seen."""


def chosen(
    over: str, references: Bool[np.ndarray, " image"], split: Int[np.ndarray, " image"]
) -> Bool[np.ndarray, " image"]:
    """Which images a statistic takes, by its `over`."""
    return references if over == "references" else split == 0


STATISTICS: Registry[type[Statistic]] = Registry("fvhooks.statistics", "statistic")

__all__ = ["STATISTICS", "Measured", "Statistic", "Subject", "chosen"]
