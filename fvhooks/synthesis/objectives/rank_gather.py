"""Sort matching as its authors wrote it: references sorted anew in every step, ranks by two argsorts."""

from dataclasses import dataclass

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen


@dataclass(frozen=True)
class RankGather(Objective):
    """The loss of `SortMatching(relative=False)`, at the price of the published code.

    It is here to be measured against: same value and gradient, since references do not change.

    Args:
        layer: whose channels are matched.
        references: activations of each unit's reference images, unsorted.
        weights: of each unit's channels.
    """

    layer: str
    references: tuple[Float[torch.Tensor, "_ channel position"], ...]
    weights: Float[torch.Tensor, "unit channel"]

    @property
    def layers(self) -> tuple[str, ...]:
        """The matched layer."""
        return (self.layer,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        losses = []
        for values, which in zip(seen.activations[self.layer], seen.owner.tolist(), strict=True):
            target = torch.sort(self.references[which], dim=-1).values.mean(0)
            ranks = values.detach().argsort(dim=-1, stable=True).argsort(dim=-1)
            squared = (values - target.gather(-1, ranks)).square().mean(-1)
            losses.append((self.weights[which] * squared).mean())
        return torch.stack(losses)
