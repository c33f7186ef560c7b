"""What is done to the pictures before the model sees them, another draw each step and picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from jaxtyping import Float

Pictures = Float[torch.Tensor, "picture rgb y x"]


@runtime_checkable
class Transform(Protocol):
    """A random, differentiable change of pictures that keeps their size."""

    def __call__(self, pictures: Pictures, generators: Sequence[torch.Generator]) -> Pictures:
        """Change each picture by a draw from its own generator."""
        ...


@dataclass(frozen=True, slots=True)
class Roll:
    """Shift in a circle by up to `pixels` up, down, left and right, so that no border is special.

    Args:
        pixels: largest shift.
    """

    pixels: int

    def __call__(self, pictures: Pictures, generators: Sequence[torch.Generator]) -> Pictures:
        """The shifted pictures."""
        if self.pixels == 0:
            return pictures
        span = (-self.pixels, self.pixels + 1)
        shifts = [torch.randint(*span, (2,), generator=generator).tolist() for generator in generators]
        rolled: torch.Tensor = _Rolled.apply(pictures, shifts)
        return rolled


class _Rolled(torch.autograd.Function):
    """`torch.roll` of each picture by its own shift, in one pass over the memory where a stack takes four."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, pictures: torch.Tensor, shifts: list[list[int]]
    ) -> torch.Tensor:
        ctx.shifts = shifts  # type: ignore[attr-defined]
        return _rolled(pictures, shifts)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        shifts = ctx.shifts  # type: ignore[attr-defined]
        return _rolled(grads[0], [[-y, -x] for y, x in shifts]), None


def _rolled(pictures: Pictures, shifts: Sequence[Sequence[int]]) -> Pictures:
    rolled = torch.empty_like(pictures)
    height, width = pictures.shape[-2:]
    for picture, target, (down, right) in zip(pictures, rolled, shifts, strict=True):
        for to_y, from_y in _halves(down % height, height):
            for to_x, from_x in _halves(right % width, width):
                target[:, to_y, to_x] = picture[:, from_y, from_x]
    return rolled


def _halves(shift: int, length: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """(where to, where from) of what stays in order and of what comes round."""
    rest = length - shift
    return (slice(shift, length), slice(0, rest)), (slice(0, shift), slice(rest, length))


@dataclass(frozen=True, slots=True)
class Affine:
    """Shift, scale and rotate in one resampling of fixed size, mirrored at the borders.

    Args:
        shift: largest shift as a fraction of the side.
        scale: smallest and largest magnification.
        rotate: largest rotation in degrees.
    """

    shift: float = 0.05
    scale: tuple[float, float] = (0.9, 1.1)
    rotate: float = 10.0

    def __call__(self, pictures: Pictures, generators: Sequence[torch.Generator]) -> Pictures:
        """The resampled pictures."""
        draws = torch.stack([torch.rand(4, generator=generator) for generator in generators])
        size = self.scale[0] + (self.scale[1] - self.scale[0]) * draws[:, 0]
        angle = math.radians(self.rotate) * (2 * draws[:, 1] - 1)
        cosine, sine = torch.cos(angle) / size, torch.sin(angle) / size
        shift = 2 * self.shift * (2 * draws[:, 2:] - 1)
        aspect = pictures.shape[-2] / pictures.shape[-1]
        rows = [
            torch.stack([cosine, -sine * aspect, shift[:, 0]], 1),
            torch.stack([sine / aspect, cosine, shift[:, 1]], 1),
        ]
        matrices = torch.stack(rows, 1).to(pictures.device)
        grid = F.affine_grid(matrices, list(pictures.shape), align_corners=False)
        return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


@dataclass(frozen=True, slots=True)
class Noise:
    """Add Gaussian noise, so that nothing finer than it pays.

    Args:
        deviation: its standard deviation, where pixels are in [0, 1].
    """

    deviation: float

    def __call__(self, pictures: Pictures, generators: Sequence[torch.Generator]) -> Pictures:
        """The noisy pictures, not clamped: a clamp has no gradient."""
        if self.deviation == 0:
            return pictures
        size = pictures.shape[1:]
        noise = torch.stack([torch.randn(size, generator=generator) for generator in generators])
        return pictures + self.deviation * noise.to(pictures.device)


@dataclass(frozen=True, slots=True)
class Focus:
    """Leave pictures as they are, and let the gradient through by a Gaussian around the middle.

    Args:
        width: its standard deviation, as a fraction of the shorter side.
    """

    width: float

    def __call__(self, pictures: Pictures, generators: Sequence[torch.Generator]) -> Pictures:  # noqa: ARG002
        """The same pictures."""
        height, width = pictures.shape[-2:]
        sigma = self.width * min(height, width)
        rows, columns = (
            torch.exp(-0.5 * ((torch.arange(side) - (side - 1) / 2) / sigma) ** 2) for side in (height, width)
        )
        mask = (rows[:, None] * columns).to(pictures)
        return pictures * mask + pictures.detach() * (1 - mask)


@dataclass(frozen=True, slots=True)
class Flip:
    """Mirror left and right, by a coin.

    Args:
        chance: how often.
    """

    chance: float = 0.5

    def __call__(self, pictures: Pictures, generators: Sequence[torch.Generator]) -> Pictures:
        """The pictures, some of them mirrored."""
        draws = [float(torch.rand((), generator=generator)) for generator in generators]
        flipped = [
            picture.flip(-1) if draw < self.chance else picture
            for picture, draw in zip(pictures, draws, strict=True)
        ]
        return torch.stack(flipped)
