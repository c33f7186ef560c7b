"""Every place of a layer like some place of real images."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.synthesis.objectives import Objective, Seen


@dataclass(frozen=True)
class NearestMatching(Objective):
    """Mean squared distance of each place to the nearest place of real images in the same cell.

    Sorted values say how often a channel takes a value, each channel apart; that channels go together at a
    place only this term sees. An average of images would not do: each place is drawn to one of them. The
    idea is that of Li and Wand (2016), who match patches of deep features to their nearest in a photograph.

    Args:
        layer: whose places are matched.
        references: what places in each cell may look like, each channel already times its factor.
        factors: of each unit's channels.
        cells: the positions of each.
    """

    layer: str
    references: Float[torch.Tensor, "unit cell place channel"]
    factors: Float[torch.Tensor, "unit channel"]
    cells: Int[np.ndarray, "cell position"]

    @property
    def layers(self) -> tuple[str, ...]:
        """The matched layer."""
        return (self.layer,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        shown = places_of(seen.activations[self.layer], self.cells) * self.factors[seen.owner][:, None, None]
        references = self.references[seen.owner]
        with torch.no_grad():
            nearest = torch.cdist(shown, references).argmin(-1, keepdim=True)
        wanted = references.gather(2, nearest.expand(-1, -1, -1, references.shape[-1]))
        return (shown - wanted).square().mean((1, 2, 3))


def places_of(
    values: Float[torch.Tensor, "picture channel all"], cells: Int[np.ndarray, "cell position"]
) -> Float[torch.Tensor, "picture cell position channel"]:
    """What each place of each cell is in all channels.

    Args:
        values: of a layer.
        cells: the positions of each.
    """
    return values[:, :, torch.from_numpy(cells).to(values.device)].permute(0, 2, 3, 1)


def in_units(
    squares: Float[torch.Tensor, " channel"], weights: Float[torch.Tensor, " channel"]
) -> Float[torch.Tensor, " channel"]:
    """The factor of each channel that gives it a mean square of its weight, 1 on average.

    Args:
        squares: mean square of each channel over real images and places.
        weights: how much each channel counts.
    """
    sizes = squares.sqrt()
    alive = sizes > 1e-6 * sizes.max().clamp(min=1e-12)  # a channel that is always silent has no unit
    relative = (weights / weights.mean().clamp(min=1e-12)).sqrt()
    return torch.where(alive, relative / sizes.clamp(min=1e-12), torch.zeros_like(sizes))
