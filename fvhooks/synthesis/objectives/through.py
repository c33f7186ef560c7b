"""Show an objective something else than what was seen: masked activations, normalised pictures."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen


@dataclass(frozen=True)
class Through(Objective):
    """An objective that judges what a change makes of the activations and pictures.

    Examples:
        >>> from fvhooks.synthesis.objectives.pixel_norm import PixelNorm
        >>> halved = Through(PixelNorm(), lambda seen: Seen({}, seen.pictures / 2, seen.owner))
        >>> halved(Seen({}, torch.ones(1, 1, 2, 2), torch.tensor([0]))).tolist()
        [1.0]

    Args:
        objective: what judges.
        change: gives what it is shown; it must keep pictures apart, and have every layer of the objective.
    """

    objective: Objective
    change: Callable[[Seen], Seen]

    @property
    def layers(self) -> tuple[str, ...]:
        """Those of the objective."""
        return self.objective.layers

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        return self.objective(self.change(seen))
