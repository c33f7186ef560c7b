"""Every place of a layer like some place of real images."""

from collections.abc import Sequence
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
        values = seen.activations[self.layer] * self.factors[seen.owner].unsqueeze(-1)
        shown = places_of(values, self.cells)
        wanted = torch.stack(
            [
                nearest(one, self.references[owner])
                for one, owner in zip(shown.detach(), seen.owner.tolist(), strict=True)
            ]
        )
        return (shown - wanted).square().mean((1, 2, 3))


def nearest(
    shown: Float[torch.Tensor, "cell position channel"], references: Float[torch.Tensor, "cell place channel"]
) -> Float[torch.Tensor, "cell position channel"]:
    """Of each position the place of the references in its cell that is most like it.

    One picture at a time: all pairs of a large layer are many.

    Args:
        shown: one picture.
        references: what its places may look like.
    """
    found = torch.cdist(shown, references).argmin(-1, keepdim=True)
    return references.gather(1, found.expand(-1, -1, references.shape[-1]))


def places_of(
    values: Float[torch.Tensor, "picture channel all"], cells: Int[np.ndarray, "cell position"]
) -> Float[torch.Tensor, "picture cell position channel"]:
    """What each place of each cell is in all channels.

    Args:
        values: of a layer.
        cells: the positions of each.
    """
    return values[:, :, torch.from_numpy(cells).to(values.device)].permute(0, 2, 3, 1)


def thinned(
    places: Float[torch.Tensor, "group cell place channel"], most: int
) -> Float[torch.Tensor, "group cell _ channel"]:
    """At most so many places a cell, the same ones drawn by chance whenever there are as many.

    Places that are evenly spaced would all stand in a few columns of the grid.

    Args:
        places: of groups of real images.
        most: places a cell.
    """
    there = places.shape[2]
    if there <= most:
        return places
    drawn = torch.randperm(there, generator=torch.Generator().manual_seed(0))[:most]
    return places[:, :, drawn.sort().values.to(places.device)]


def even_places(
    groups: Sequence[Float[torch.Tensor, "group cell _ channel"]],
) -> Float[torch.Tensor, "owner cell place channel"]:
    """Groups of several units in one, those with fewer places repeated: the nearest stays the nearest.

    Args:
        groups: of each unit.
    """
    most = max(places.shape[2] for places in groups)
    return torch.cat([places[:, :, torch.arange(most) % places.shape[2]] for places in groups])


def in_units(
    squares: Float[torch.Tensor, " channel"], weights: Float[torch.Tensor, " channel"]
) -> Float[torch.Tensor, " channel"]:
    """The factor of each channel that gives it a mean square of its weight, 1 on average.

    A channel that hardly ever fires would count for more than all others where it does: what is smaller than
    a hundredth of the largest counts as that large.

    Args:
        squares: mean square of each channel over real images and places.
        weights: how much each channel counts.
    """
    sizes = squares.sqrt()
    relative = (weights / weights.mean().clamp(min=1e-12)).sqrt()
    return relative / sizes.clamp(min=1e-2 * sizes.max().clamp(min=1e-12).item())
