"""Prefer faint pictures."""

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Seen


class PixelNorm:
    """Euclidean norm of each picture's pixels, not squared."""

    layers: tuple[str, ...] = ()

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        norm: torch.Tensor = torch.linalg.vector_norm(seen.pictures, dim=(1, 2, 3))
        return norm
