"""Let the pictures of one unit differ."""

from dataclasses import dataclass

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen


@dataclass(frozen=True)
class Diversity(Objective):
    """Mean cosine similarity of a picture's style to that of its unit's other pictures (Olah et al., 2017).

    Style is the Gram matrix of a layer's channels. It couples the pictures of a unit that are in one batch:
    make one unit at a time, with a `batch_size` of the number of seeds. A picture alone has a loss of zero.

    Args:
        layer: whose channels.
    """

    layer: str

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer."""
        return (self.layer,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        values = seen.activations[self.layer]
        grams = torch.einsum("icp,idp->icd", values, values).flatten(1)
        alike = torch.nn.functional.normalize(grams, dim=1)
        owner = seen.owner.to(values.device)
        others = (owner[:, None] == owner[None]).fill_diagonal_(fill_value=False).to(values)
        return (alike @ alike.T * others).sum(1) / others.sum(1).clamp(min=1)
