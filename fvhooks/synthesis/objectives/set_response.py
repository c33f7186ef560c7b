"""Answer as a set of images does: raise its strongest channels, stay near all of them (Stergiou, 2021)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int

from fvhooks.synthesis.objectives import Objective, Seen


@dataclass(frozen=True)
class RaisedChannels(Objective):
    """Minus the product of the picture's and the target's activations over chosen channels.

    Relative to the target's with itself: −1 says that they are as strong as the target's.

    Args:
        layer: whose mean activations.
        targets: of each owner.
        channels: of each owner, which count.
    """

    layer: str
    targets: Float[torch.Tensor, "owner channel"]
    channels: Int[torch.Tensor, "owner top"]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer."""
        return (self.layer,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        values = seen.activations[self.layer].mean(-1)
        owner = seen.owner.to(values.device)
        wanted = self.targets.to(values)[owner]
        chosen = self.channels.to(values.device)[owner]
        theirs, ours = wanted.gather(1, chosen), values.gather(1, chosen)
        return -(ours * theirs).sum(1) / theirs.square().sum(1).clamp(min=1e-12)


@dataclass(frozen=True)
class NearTargets(Objective):
    """Mean over channels of a Charbonnier loss: quadratic near the target, linear far from it.

    Args:
        layer: whose mean activations.
        targets: of each owner.
        scale: of each channel; a difference of one scale costs 0.41.
    """

    layer: str
    targets: Float[torch.Tensor, "owner channel"]
    scale: Float[torch.Tensor, " channel"]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer."""
        return (self.layer,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        values = seen.activations[self.layer].mean(-1)
        rest = (values - self.targets.to(values)[seen.owner.to(values.device)]) / self.scale.to(values)
        return (torch.sqrt(rest.square() + 1) - 1).mean(1)
