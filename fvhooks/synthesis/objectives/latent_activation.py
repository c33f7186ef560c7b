"""Make latents of a sparse autoencoder fire, which most of the time have no gradient."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen
from fvhooks.units import Layout, Unit


@dataclass(frozen=True)
class LatentActivation(Objective):
    """Minus the activation of each picture's latent; where it is silent, minus what would make it fire.

    A latent that is zero at a position has no gradient there, and noise makes few latents fire. At such
    positions the part of the site's activations along the latent's decoder direction counts instead.

    Args:
        units: one a profile owner, all latents of one autoencoder.
        layout: how the latents are laid out.
        site: the layer that the autoencoder sits at.
        directions: what each unit's latent adds to the site's channels.
    """

    units: Sequence[Unit]
    layout: Layout
    site: str
    directions: Float[torch.Tensor, "unit channel"]

    @property
    def layers(self) -> tuple[str, ...]:
        """The latents and their site."""
        return (self.units[0].layer, self.site)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        latents, site = (seen.activations[layer] for layer in self.layers)
        found = []
        for picture, which in enumerate(seen.owner.tolist()):
            unit = self.units[which]
            fired = latents[picture, unit.channel]
            led = torch.where(fired > 0, fired, self.directions[which].to(site) @ site[picture])
            found.append(led if unit.position is None else led[self.layout.index(unit.position)])
        return -torch.stack([value.mean() for value in found])
