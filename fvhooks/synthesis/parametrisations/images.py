"""Where a picture lives while it is optimised: its pixels, or their Fourier spectrum."""

import math
from collections.abc import Sequence
from typing import Protocol, Self, runtime_checkable

import torch
from jaxtyping import Float

Pictures = Float[torch.Tensor, "picture rgb y x"]

# Square root of the colour covariance of natural images (Olah et al. 2017), largest column of length 1.
_NATURAL_COLOURS = ((0.561, 0.194, 0.043), (0.583, 0.0, -0.108), (0.583, -0.194, 0.065))
_SPREAD = 0.1  # standard deviation of a fresh picture before the sigmoid: enough for most units to fire


@runtime_checkable
class Parametrization(Protocol):
    """Pictures as functions of tensors that an optimiser can change."""

    def parameters(self) -> list[torch.Tensor]:
        """The tensors to optimise, the first axis a picture."""
        ...

    def images(self) -> Pictures:
        """The pictures, in [0, 1]; differentiable."""
        ...

    def constrain(self) -> None:
        """Bring the parameters back to where they are valid, after a step."""
        ...


class PixelImages:
    """Pictures as raw pixels, clamped to [0, 1] after every step.

    Args:
        size: (rgb, y, x).
        generators: one a picture, on the CPU.
        device: where the pictures are.
    """

    def __init__(
        self, size: tuple[int, int, int], generators: Sequence[torch.Generator], device: torch.device
    ) -> None:
        noise = torch.stack([torch.randn(size, generator=generator) for generator in generators])
        self.pixels = (0.5 + 0.2 * noise).clamp(0, 1).to(device).requires_grad_()

    def parameters(self) -> list[torch.Tensor]:
        """The pixels."""
        return [self.pixels]

    def images(self) -> Pictures:
        """The pixels themselves."""
        return self.pixels

    def constrain(self) -> None:
        """Clamp to [0, 1]."""
        with torch.no_grad():
            self.pixels.clamp_(0, 1)


class FourierImages:
    """Pictures as Fourier coefficients whose scale falls with frequency, in decorrelated colours.

    A step of equal size in every coefficient then changes a picture as natural images differ: mostly in
    large, smooth, grey structures (Olah et al. 2017).

    Args:
        size: (rgb, y, x).
        generators: one a picture, on the CPU.
        device: where the pictures are.
        decay: the scale of a coefficient falls as frequency to this power.
        mean: colour that an empty spectrum shows in [0, 1], one for all or one a picture; None: grey.
    """

    def __init__(
        self,
        size: tuple[int, int, int],
        generators: Sequence[torch.Generator],
        device: torch.device,
        *,
        decay: float = 1.0,
        mean: Sequence[float] | Float[torch.Tensor, "picture rgb"] | None = None,
    ) -> None:
        self.size = size
        channels, height, width = size
        shape = (channels, height, width // 2 + 1, 2)
        self.scale = _falling(height, width, decay).to(device)
        self.colours = natural_colours(channels, device)
        level = torch.as_tensor(mean if mean is not None else [0.5] * channels).clamp(0.02, 0.98)
        self.offset = torch.logit(level).view(-1, channels, 1, 1).to(device)
        noise = torch.stack([torch.randn(shape, generator=generator) for generator in generators])
        self.spectrum = (_SPREAD * noise).to(device).requires_grad_()

    @classmethod
    def showing(
        cls,
        images: Pictures,
        generators: Sequence[torch.Generator],
        *,
        decay: float = 1.0,
        noise: float = 0.0,
    ) -> Self:
        """Pictures that begin as given ones.

        Args:
            images: in [0, 1]; black and white are moved by half a grey level, which a sigmoid can reach.
            generators: one a picture, on the CPU.
            decay: as above.
            noise: how much of a fresh picture is laid over each, so that seeds differ.
        """
        _, channels, height, width = images.shape
        found = cls((channels, height, width), generators, images.device, decay=decay)
        values = torch.logit(images.detach().clamp(0.5 / 255, 1 - 0.5 / 255)) - found.offset
        planes = mixed(values, torch.linalg.inv(found.colours))
        coefficients = torch.fft.rfft2(planes, norm="ortho") / found.scale
        fresh = noise * found.spectrum.detach()
        found.spectrum = (torch.view_as_real(coefficients) + fresh).requires_grad_()
        return found

    def parameters(self) -> list[torch.Tensor]:
        """Real and imaginary part of each coefficient."""
        return [self.spectrum]

    def images(self) -> Pictures:
        """Inverse transform, colour correlation, sigmoid."""
        coefficients = torch.view_as_complex(self.spectrum) * self.scale
        planes = torch.fft.irfft2(coefficients, s=self.size[1:], norm="ortho")
        return torch.sigmoid(mixed(planes, self.colours) + self.offset)

    def constrain(self) -> None:
        """Nothing to do: the sigmoid keeps the pictures in [0, 1]."""


def natural_colours(channels: int, device: torch.device) -> Float[torch.Tensor, "rgb plane"]:
    """What decorrelated colour planes are mixed with; as they are where there are not three."""
    if channels == 3:
        return torch.tensor(_NATURAL_COLOURS, device=device)
    return torch.eye(channels, device=device)


def mixed(planes: Pictures, colours: Float[torch.Tensor, "rgb plane"]) -> Pictures:
    """Colours from planes."""
    return torch.matmul(colours, planes.flatten(2)).view_as(planes)  # einsum copies what it need not


def _falling(height: int, width: int, decay: float) -> Float[torch.Tensor, "fy fx"]:
    """1 / frequency ** decay, so scaled that coefficients of variance 1 give pixels of variance 1."""
    fy, fx = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    scale = torch.sqrt(fy**2 + fx**2).clamp(min=1 / max(height, width)) ** -decay
    double = torch.full_like(scale, 2.0)  # rfft2 keeps one half of the coefficients: the others repeat it
    double[:, 0] = 1.0
    if width % 2 == 0:
        double[:, -1] = 1.0
    variance = (double * scale**2 * 2).sum() / (height * width)  # 2: real and imaginary part
    return scale / math.sqrt(float(variance))
