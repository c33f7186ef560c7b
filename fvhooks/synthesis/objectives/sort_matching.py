"""Look to a layer as real images do: the objective of VITAL."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float

from fvhooks.synthesis.matching import matching_loss
from fvhooks.synthesis.objectives import Objective, Seen


@dataclass(frozen=True)
class SortMatching(Objective):
    """Sort-matching loss of one layer against each unit's profile.

    Args:
        layer: whose channels are matched.
        profiles: ascending sorted values, one profile a unit.
        weights: of each unit's channels; ones match all alike.
        relative: divide by the weighted mean square of the profile, so that layers of any scale count alike.
    """

    layer: str
    profiles: Float[torch.Tensor, "unit channel position"]
    weights: Float[torch.Tensor, "unit channel"]
    relative: bool = True

    @property
    def layers(self) -> tuple[str, ...]:
        """The matched layer."""
        return (self.layer,)

    @cached_property
    def factors(self) -> Float[torch.Tensor, "unit channel 1"]:
        """What each channel's squared differences are multiplied with."""
        positions = self.profiles.shape[-1]
        if not self.relative:
            return (self.weights / (self.profiles.shape[1] * positions)).unsqueeze(-1)
        sizes = [  # each alone: how a sum over several is rounded depends on their number
            (weights.unsqueeze(-1) * profile**2).sum()
            for weights, profile in zip(self.weights, self.profiles, strict=True)
        ]
        total = torch.stack(sizes).clamp(min=1e-12)
        return (self.weights / total.unsqueeze(-1)).unsqueeze(-1)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        return matching_loss(
            seen.activations[self.layer], self.profiles, seen.owner, self.factors[seen.owner]
        )
