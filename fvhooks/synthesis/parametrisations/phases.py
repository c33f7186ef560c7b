"""Pictures of which only the phases are free; how much of each frequency they hold is that of real images."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float

from fvhooks.errors import ShapeError
from fvhooks.synthesis.parametrisations.images import Pictures, mixed, natural_colours


class PhaseImages:
    """Pictures as the phases of a spectrum whose magnitudes stay where they are (Fel et al., 2023).

    Optimisation can then neither make a picture garish nor fill it with fine noise: it only moves what
    real images hold anyway. Magnitudes are averaged over the colours and spread over decorrelated ones.

    Args:
        magnitude: mean of each frequency over real images in [0, 1] (`rfft2` with `norm="ortho"`).
        size: (rgb, y, x).
        generators: one a picture, on the CPU.
        device: where the pictures are.

    Raises:
        ShapeError: magnitudes of pictures of another size.
    """

    def __init__(
        self,
        magnitude: Float[torch.Tensor, "rgb fy fx"],
        size: tuple[int, int, int],
        generators: Sequence[torch.Generator],
        device: torch.device,
    ) -> None:
        channels, height, width = size
        expected = (channels, height, width // 2 + 1)
        if tuple(magnitude.shape) != expected:
            raise ShapeError(
                f"Expected the spectrum of pictures of {size}, of shape {expected}, got "
                f"{tuple(magnitude.shape)}: collect the store at the size that the model is attached with."
            )
        self.size, self.colours = size, natural_colours(channels, device)
        level = (magnitude[:, 0, 0] / math.sqrt(height * width)).clamp(0.02, 0.98).to(device)
        slope = (level * (1 - level)).view(1, -1, 1, 1)  # of the sigmoid: faint contrasts pass unchanged
        self.offset, self.gain = torch.logit(level).view(1, -1, 1, 1), 1 / slope
        width_of_rows = torch.linalg.vector_norm(self.colours, dim=1).mean()
        self.magnitude = (magnitude.mean(0) / width_of_rows.cpu()).to(device)
        self.magnitude[0, 0] = 0.0  # the mean colour is no phase's business
        draws = [torch.rand(expected, generator=generator) for generator in generators]
        self.phase = ((2 * torch.stack(draws) - 1) * math.pi).to(device).requires_grad_()

    def parameters(self) -> list[torch.Tensor]:
        """The phase of each coefficient, in radians."""
        return [self.phase]

    def images(self) -> Pictures:
        """Inverse transform, colour correlation, and a sigmoid that only bends what is strong."""
        phase = _hermitian(self.phase, self.size[2])
        coefficients = torch.polar(self.magnitude.expand_as(phase), phase)
        planes = torch.fft.irfft2(coefficients, s=self.size[1:], norm="ortho")
        return torch.sigmoid(mixed(planes, self.colours) * self.gain + self.offset)

    def constrain(self) -> None:
        """Nothing to do: any phase is one."""


def _hermitian(
    phase: Float[torch.Tensor, "picture rgb fy fx"], width: int
) -> Float[torch.Tensor, "picture rgb fy fx"]:
    """Opposite phases at opposite frequencies where a half spectrum holds both: else magnitudes change."""
    opposite = phase.flip(2).roll(1, 2)
    both = torch.zeros(phase.shape[-1], dtype=torch.bool, device=phase.device)
    both[0] = True
    both[-1] |= width % 2 == 0
    return torch.where(both, (phase - opposite) / 2, phase)
