"""Prefer smooth pictures."""

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen


class TotalVariation(Objective):
    """Euclidean norm of the differences of neighbours, over four directions, as in VITAL.

    The norm is not squared, and the directions are across, down and both diagonals.
    """

    @property
    def layers(self) -> tuple[str, ...]:
        """None: it looks at pixels."""
        return ()

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        x = seen.pictures
        differences = (
            x[..., 1:] - x[..., :-1],
            x[..., 1:, :] - x[..., :-1, :],
            x[..., 1:, 1:] - x[..., :-1, :-1],
            x[..., 1:, :-1] - x[..., :-1, 1:],
        )
        norms = [torch.linalg.vector_norm(difference, dim=(1, 2, 3)) for difference in differences]
        return torch.stack(norms).sum(0)
