"""The mean Fourier magnitude of real images, which gives phase-only pictures their amplitudes."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64

from fvhooks.statistics import STATISTICS, Measured, Statistic


@STATISTICS.register("spectrum")
@dataclass
class Spectrum(Statistic):
    """Mean over images of the magnitude of each frequency (`rfft2` with `norm="ortho"`).

    Example:
        >>> spectrum = Spectrum.empty(3, (8, 8))
        >>> spectrum.update(torch.full((2, 3, 8, 8), 0.5))
        >>> spectrum.result()["spectrum"].shape, spectrum.result()["spectrum"][0, 0, 0].item()
        ((3, 8, 5), 4.0)

    Args:
        state: sum of the magnitudes, in float64.
        count: how many images were seen.
    """

    state: Float64[np.ndarray, "rgb fy fx"]
    count: int = 0

    @classmethod
    def empty(cls, channels: int, size: tuple[int, int]) -> "Spectrum":
        """Nothing seen yet of images of that size."""
        return cls(np.zeros((channels, size[0], size[1] // 2 + 1)))

    def measure(self, values: Float[torch.Tensor, "image rgb y x"]) -> Measured:
        """The magnitudes of images in [0, 1]."""
        return (torch.fft.rfft2(values.float(), norm="ortho").abs().cpu().numpy(),)

    def add(self, measured: Measured) -> None:
        """Take in what was measured of some images."""
        for image in measured[0]:
            self.state += image
        self.count += len(measured[0])

    def merge(self, other: "Spectrum") -> "Spectrum":
        """What both have seen."""
        return type(self)(self.state + other.state, self.count + other.count)

    def result(self) -> dict[str, Float[np.ndarray, "rgb fy fx"]]:
        """`spectrum` (rgb, fy, fx)."""
        with np.errstate(invalid="ignore"):
            return {"spectrum": (self.state / np.float64(self.count)).astype(np.float32)}
