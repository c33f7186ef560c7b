"""Be taken for no class more than for another."""

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen
from fvhooks.units import LOGITS


class Evenness(Objective):
    """Variance of the logits, which is that of the logarithmic probabilities: zero where all are as likely.

    The variance of the probabilities themselves is zero there too, but has no gradient to follow where the
    model is sure, as trained ones are of noise.

    Examples:
        >>> sure = torch.tensor([[[4.0], [0.0]], [[5.0], [5.0]]])  # [picture, output, position]
        >>> Evenness()(Seen({"logits": sure}, torch.zeros(2, 3, 4, 4), torch.tensor([0, 0]))).tolist()
        [4.0, 0.0]
    """

    @property
    def layers(self) -> tuple[str, ...]:
        """The logits."""
        return (LOGITS,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        return seen.activations[LOGITS].mean(-1).var(1, correction=0)
