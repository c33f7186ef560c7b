"""Be taken for a class."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen
from fvhooks.units import LOGITS, Unit


@dataclass(frozen=True)
class Likelihood(Objective):
    """Minus the log-probability of each picture's output: the cross-entropy of a classifier.

    Args:
        units: outputs of the model, one an owner; a single one is every picture's.
    """

    units: Sequence[Unit]

    @property
    def layers(self) -> tuple[str, ...]:
        """The logits."""
        return (LOGITS,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        logits = seen.activations[LOGITS].mean(-1)
        owner = seen.owner if len(self.units) > 1 else torch.zeros_like(seen.owner)
        wanted = torch.tensor([self.units[which].channel for which in owner.tolist()], device=logits.device)
        return torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
