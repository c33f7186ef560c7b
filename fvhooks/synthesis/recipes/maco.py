"""MACO: activation maximisation over the phases alone (Fel et al., 2023)."""

from dataclasses import dataclass, field

import torch

from fvhooks.synthesis.engine import Plan, Schedule
from fvhooks.synthesis.firing import firing
from fvhooks.synthesis.parametrisations.phases import PhaseImages
from fvhooks.synthesis.recipes import RECIPES, Request
from fvhooks.synthesis.transforms import Affine, Noise, Transform


@RECIPES.register("maco")
@dataclass(frozen=True)
class Maco:
    """The picture that makes a unit fire most, of those with the Fourier magnitudes of real images.

    The magnitudes are the mean over the reference images of the store, so of the user's own data, whatever
    they are; the original takes those of ImageNet from a download.

    Examples:
        >>> Maco(steps=64).steps
        64

    Args:
        steps: of Adam.
        rate: learning rate, in radians.
        zoom: what the model sees of a picture at each step: shifted, up to so much of it enlarged.
        noise: standard deviation of what is added to the pixels then.
    """

    steps: int = 256
    rate: float = 0.1
    zoom: Affine = field(default_factory=lambda: Affine(shift=0.15, scale=(1.0, 1.6), rotate=5.0))
    noise: float = 0.04

    def plan(self, request: Request) -> Plan:
        """Minus the mean activation, nothing else."""
        request.refuse_facets("maco")
        magnitude = torch.from_numpy(request.need_store("maco").spectrum.values)
        size, device = request.size, request.device
        transforms: list[Transform] = [self.zoom, Noise(self.noise)]
        return Plan(
            lambda generators, _: PhaseImages(magnitude, size, generators, device),
            [(1.0, firing(request.hooked, request.units))],
            Schedule(request.steps_or(self.steps), self.rate, warmup=5),
            transforms,
        )
