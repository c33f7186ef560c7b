"""Leave a layer quiet."""

from dataclasses import dataclass

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen


@dataclass(frozen=True)
class Sparsity(Objective):
    """Mean absolute activation of a layer: a penalty layer.

    Args:
        layer: which.
        scale: what to divide by, of each owner, such as the mean over real images.
    """

    layer: str
    scale: Float[torch.Tensor, " owner"]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer."""
        return (self.layer,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        values = seen.activations[self.layer].abs().mean((1, 2))
        return values / self.scale.to(values)[seen.owner.to(values.device)]
