"""Answer as a set of images does: raise its strongest channels, stay near all of them (Stergiou, 2021)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int

from fvhooks.synthesis.objectives import Objective, Seen


@dataclass(frozen=True)
class RaisedChannels(Objective):
    """Minus the product of the picture's and the target's activations over chosen channels.

    Both as differences from what is usual, in units of the usual deviation, and relative to the target's with
    itself: −1 says that the channels are as unusual as the target's.

    Args:
        layer: whose mean activations.
        targets: of each owner.
        channels: of each owner, which count.
        centre: what is usual, of each owner; zero where nothing is known.
        scale: its deviation.
        relative: whether to divide by the target's product with itself; without, the strength of a pull grows
            with the square of the activations.
    """

    layer: str
    targets: Float[torch.Tensor, "owner channel"]
    channels: Int[torch.Tensor, "owner top"]
    centre: Float[torch.Tensor, "owner channel"]
    scale: Float[torch.Tensor, "owner channel"]
    relative: bool = True

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer."""
        return (self.layer,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        values = seen.activations[self.layer].mean(-1)
        owner = seen.owner.to(values.device)
        centre, scale = self.centre.to(values)[owner], self.scale.to(values)[owner]
        chosen = self.channels.to(values.device)[owner]
        theirs = ((self.targets.to(values)[owner] - centre) / scale).gather(1, chosen)
        ours = ((values - centre) / scale).gather(1, chosen)
        product = (ours * theirs).sum(1)
        return -product / theirs.square().sum(1).clamp(min=1e-12) if self.relative else -product


@dataclass(frozen=True)
class NearTargets(Objective):
    """Mean over channels of a Charbonnier loss: quadratic near the target, linear far from it.

    Args:
        layer: whose mean activations.
        targets: of each owner.
        scale: of each owner's channels; a difference of one scale costs 0.41.
    """

    layer: str
    targets: Float[torch.Tensor, "owner channel"]
    scale: Float[torch.Tensor, "owner channel"]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer."""
        return (self.layer,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        values = seen.activations[self.layer].mean(-1)
        owner = seen.owner.to(values.device)
        rest = (values - self.targets.to(values)[owner]) / self.scale.to(values)[owner]
        return (torch.sqrt(rest.square() + 1) - 1).mean(1)
