"""The mean Fourier magnitude of real images, which gives phase-only pictures their amplitudes."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64

from fvhooks.statistics import STATISTICS, Measured, Statistic, Subject


@STATISTICS.register("spectrum")
@dataclass
class Spectrum(Statistic):
    """Mean over images of the magnitude of each frequency (`rfft2` with `norm="ortho"`).

    Examples:
        >>> spectrum = Spectrum.about(Subject(3, size=(8, 8)))
        >>> spectrum.update(torch.full((2, 3, 8, 8), 0.5))
        >>> spectrum.result()["spectrum"].shape, spectrum.result()["spectrum"][0, 0, 0].item()
        ((3, 8, 5), 4.0)

    Args:
        state: sum of the magnitudes, in float64.
        count: how many images were seen.
    """

    of: ClassVar[Literal["images"]] = "images"
    per: ClassVar[Literal["store"]] = "store"
    over: ClassVar[Literal["references"]] = "references"
    dimensions: ClassVar[dict[str, tuple[str, ...]]] = {"spectrum": ("rgb", "fy", "fx")}
    notes: ClassVar[dict[str, str]] = {"norm": "ortho"}

    state: Float64[np.ndarray, "rgb fy fx"]
    count: int = 0

    @classmethod
    def about(cls, subject: Subject) -> "Spectrum":
        """Nothing seen yet of images of the subject's size."""
        height, width = subject.size or (0, 0)
        return cls(np.zeros((subject.channels, height, width // 2 + 1)))

    @classmethod
    def restored(
        cls, subject: Subject, result: dict[str, Float[np.ndarray, "rgb fy fx"]], count: int
    ) -> "Spectrum":
        """What gave such means."""
        return cls(result["spectrum"].astype(np.float64) * count, count) if count else cls.about(subject)

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
