"""Mean and variance of each channel over all positions of many images."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64

from fvhooks.statistics import STATISTICS, Measured, Statistic, Subject
from fvhooks.statistics.reductions import deviations


@STATISTICS.register("moments")
@dataclass
class Moments(Statistic):
    """Natural mean and variance of each channel.

    Examples:
        >>> moments = Moments.about(Subject(1))
        >>> moments.update(torch.tensor([[[1.0, 3.0]], [[5.0, 7.0]]]))
        >>> moments.result()["natural_mean"].item(), moments.result()["natural_variance"].item()
        (4.0, 5.0)

    Args:
        state: mean and sum of squared differences from it, in float64.
        count: how many positions were seen.
    """

    of: ClassVar[Literal["activations"]] = "activations"
    per: ClassVar[Literal["store"]] = "store"
    over: ClassVar[Literal["reference split"]] = "reference split"
    of_batches: ClassVar[bool] = True
    dimensions: ClassVar[dict[str, tuple[str, ...]]] = {
        "natural_mean": ("channel",),
        "natural_variance": ("channel",),
    }

    state: Float64[np.ndarray, "2 channel"]
    count: int = 0

    @classmethod
    def about(cls, subject: Subject) -> "Moments":
        """Nothing seen yet."""
        return cls(np.zeros((2, subject.channels)))

    @classmethod
    def restored(
        cls, subject: Subject, result: dict[str, Float[np.ndarray, " channel"]], count: int
    ) -> "Moments":
        """What gave such a mean and variance."""
        if not count:
            return cls.about(subject)
        mean, variance = (result[name].astype(np.float64) for name in cls.dimensions)
        return cls(np.stack([mean, variance * count]), count)

    def measure(self, values: Float[torch.Tensor, "image channel position"]) -> Measured:
        """Mean and sum of squared differences of each channel, and over how many positions."""
        mean, squares = (found.astype(np.float64) for found in deviations(values))
        return mean, squares, np.full(len(mean), values.shape[-1], np.float64)

    def add(self, measured: Measured) -> None:
        """Take in what was measured of some images."""
        for mean, squares, positions in zip(*measured, strict=True):
            self._add(mean, squares, int(positions))

    def merge(self, other: "Moments") -> "Moments":
        """What both have seen."""
        merged = type(self)(self.state.copy(), self.count)
        merged._add(other.state[0], other.state[1], other.count)
        return merged

    def result(self) -> dict[str, Float[np.ndarray, " channel"]]:
        """`natural_mean` and `natural_variance` (channel)."""
        mean, squares = self.state if self.count else np.full_like(self.state, np.nan)
        variance = squares / max(self.count, 1)
        return {"natural_mean": mean.astype(np.float32), "natural_variance": variance.astype(np.float32)}

    def _add(
        self, mean: Float64[np.ndarray, " channel"], squares: Float64[np.ndarray, " channel"], count: int
    ) -> None:
        """Chan, Golub and LeVeque's update, which keeps small variances beside large means."""
        total = self.count + count
        if count == 0:
            return
        step = mean - self.state[0]
        self.state[0] += step * (count / total)
        self.state[1] += squares + step * step * (self.count * count / total)
        self.count = total
