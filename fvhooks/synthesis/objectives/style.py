"""Have the style of other pictures."""

from dataclasses import dataclass

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen


@dataclass(frozen=True)
class Style(Objective):
    """Squared distance of Gram matrices, relative to that of the given ones (Gatys et al., 2016).

    Args:
        layer: whose channels.
        grams: of each owner: mean products of its channels over positions.
    """

    layer: str
    grams: Float[torch.Tensor, "owner channel channel"]

    @classmethod
    def of(cls, layer: str, activations: Float[torch.Tensor, "owner channel position"]) -> "Style":
        """The style of given activations.

        Args:
            layer: where they were read.
            activations: of one picture an owner.
        """
        return cls(layer, _gram(activations.detach()))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer."""
        return (self.layer,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        values = seen.activations[self.layer]
        wanted = self.grams.to(values)[seen.owner.to(values.device)]
        distance = (_gram(values) - wanted).square().sum((1, 2))
        return distance / wanted.square().sum((1, 2)).clamp(min=1e-12)


def _gram(
    values: Float[torch.Tensor, "picture channel position"],
) -> Float[torch.Tensor, "picture channel channel"]:
    return torch.einsum("icp,idp->icd", values, values) / values.shape[-1]
