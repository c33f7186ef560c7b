"""Stay close to what other pictures give in a layer."""

from dataclasses import dataclass

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen


@dataclass(frozen=True)
class Closeness(Objective):
    """Squared distance of each channel's mean to a given one, relative to the square of those.

    Means over positions, so that a shifted picture is no other one.

    Args:
        layer: where to compare.
        means: of each owner's channels.
    """

    layer: str
    means: Float[torch.Tensor, "owner channel"]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer."""
        return (self.layer,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        values = seen.activations[self.layer]
        wanted = self.means.to(values)[seen.owner.to(values.device)]
        distance = (values.mean(-1) - wanted).square().sum(1)
        return distance / wanted.square().sum(1).clamp(min=1e-12)
