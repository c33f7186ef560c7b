"""Give channels the mean and spread that they have over real images."""

from dataclasses import dataclass

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen


@dataclass(frozen=True)
class ChannelStatistics(Objective):
    """How far mean and standard deviation of each channel over a picture are from given ones.

    In units of the given standard deviation, squared, averaged over channels; so 2 says that a picture gives
    no activations at all where the mean is one standard deviation.

    Args:
        layer: whose channels.
        mean: what each should have.
        deviation: the standard deviation that each should have; channels of zero are left out.
    """

    layer: str
    mean: Float[torch.Tensor, " channel"]
    deviation: Float[torch.Tensor, " channel"]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer."""
        return (self.layer,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        values = seen.activations[self.layer]
        moving = (self.deviation > 0).to(values.device)
        mean, scale = self.mean.to(values)[moving], self.deviation.to(values)[moving]
        values = values[:, moving]
        shift = (values.mean(-1) - mean) / scale
        spread = torch.sqrt(values.var(-1, unbiased=False) + 1e-12) / scale - 1
        return (shift.square() + spread.square()).mean(1)
