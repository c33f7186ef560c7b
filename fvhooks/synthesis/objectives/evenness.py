"""Be taken for no class more than for another."""

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen
from fvhooks.units import LOGITS


class Evenness(Objective):
    """Variance of the probabilities of all outputs: zero where each is as likely as the others.

    Example:
        >>> sure = torch.tensor([[[100.0], [0.0]], [[5.0], [5.0]]])  # [picture, output, position]
        >>> Evenness()(Seen({"logits": sure}, torch.zeros(2, 3, 4, 4), torch.tensor([0, 0]))).tolist()
        [0.25, 0.0]
    """

    @property
    def layers(self) -> tuple[str, ...]:
        """The logits."""
        return (LOGITS,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        return seen.activations[LOGITS].mean(-1).softmax(1).var(1, correction=0)
