"""Pictures as raw pixels in the space that the model takes, as the authors of VITAL and DeepInversion do."""

from collections.abc import Sequence

import torch
from jaxtyping import Float

from fvhooks.hooks import Preprocessing
from fvhooks.synthesis.parametrisations.images import Pictures


class NormalizedPixels:
    """Raw pixels after normalisation, from N(0, 1), clamped after every step to what [0, 1] becomes there.

    Examples:
        >>> pictures = NormalizedPixels((3, 8, 8), [torch.Generator()], Preprocessing((0.5,), (0.25,)))
        >>> pictures.constrain()
        >>> bool(pictures.pixels.min() >= -2), bool(pictures.pixels.max() <= 2)
        (True, True)

    Args:
        size: (rgb, y, x).
        generators: one a picture, on the CPU.
        preprocessing: mean and standard deviation of the model's input.
        device: where the pictures are.
    """

    def __init__(
        self,
        size: tuple[int, int, int],
        generators: Sequence[torch.Generator],
        preprocessing: Preprocessing,
        device: torch.device | None = None,
    ) -> None:
        noise = torch.stack([torch.randn(size, generator=generator) for generator in generators])
        self.pixels = noise.to(device).requires_grad_()
        self.mean = _column(preprocessing.mean or (0.0,), self.pixels)
        self.std = _column(preprocessing.std or (1.0,), self.pixels)

    def parameters(self) -> list[torch.Tensor]:
        """The pixels."""
        return [self.pixels]

    def images(self) -> Pictures:
        """The pixels in units of [0, 1]; before the first step noise lies outside."""
        return self.pixels * self.std + self.mean

    def constrain(self) -> None:
        """Clamp to what images in [0, 1] become."""
        with torch.no_grad():
            self.pixels.clamp_(min=(0 - self.mean) / self.std, max=(1 - self.mean) / self.std)


def _column(values: Sequence[float], like: torch.Tensor) -> Float[torch.Tensor, "1 rgb 1 1"]:
    return torch.tensor(values, device=like.device).view(1, -1, 1, 1)
