"""Prefer faint pictures."""

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen


class PixelNorm(Objective):
    """Euclidean norm of each picture's pixels, not squared."""

    @property
    def layers(self) -> tuple[str, ...]:
        """None: it looks at pixels."""
        return ()

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        norm: torch.Tensor = torch.linalg.vector_norm(seen.pictures, dim=(1, 2, 3))
        return norm
