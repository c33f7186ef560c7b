"""Prefer pictures without high frequencies."""

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen


class Roughness(Objective):
    """Mean squared difference of neighbours, across and down, in units of [0, 1] squared.

    A mean over the pixels, so that a weight holds at every size of picture.

    Examples:
        >>> step = torch.zeros(1, 1, 2, 2)
        >>> step[..., 1] = 1.0
        >>> Roughness()(Seen({}, step, torch.tensor([0]))).tolist()
        [1.0]
    """

    @property
    def layers(self) -> tuple[str, ...]:
        """None: it looks at pixels."""
        return ()

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        x = seen.pictures
        across, down = x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]
        return across.square().mean((1, 2, 3)) + down.square().mean((1, 2, 3))
