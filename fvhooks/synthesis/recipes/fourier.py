"""Activation maximisation in a decorrelated Fourier space (Olah, Mordvintsev and Schubert, 2017)."""

from dataclasses import dataclass, field
from functools import partial

from fvhooks.errors import MissingInputError
from fvhooks.hooks.latents import decoder_rows
from fvhooks.synthesis.engine import Plan, Schedule
from fvhooks.synthesis.images import FourierImages
from fvhooks.synthesis.objectives import Objective
from fvhooks.synthesis.objectives.activation import Activation
from fvhooks.synthesis.objectives.latent_activation import LatentActivation
from fvhooks.synthesis.recipes import RECIPES, Request
from fvhooks.synthesis.transforms import Affine
from fvhooks.units import Unit


@RECIPES.register("fourier")
@dataclass(frozen=True)
class Fourier:
    """The picture that makes a unit fire most, under small shifts, rotations and changes of scale.

    Example:
        >>> Fourier(steps=64).steps
        64

    Args:
        steps: of Adam.
        rate: learning rate.
        decay: amplitude of a coefficient falls as frequency to this power.
        transform: what the model sees of a picture at each step.
    """

    steps: int = 256
    rate: float = 0.3
    decay: float = 1.0
    transform: Affine = field(default_factory=Affine)

    def plan(self, request: Request) -> Plan:
        """Minus the mean activation, nothing else; of latents with a gradient where they are silent."""
        if request.facets != 1:
            raise MissingInputError(
                f"Recipe 'fourier' has no references to split into {request.facets} facets; use 'vital'."
            )
        start = partial(FourierImages, request.size, device=request.device, decay=self.decay)
        schedule = Schedule(request.steps_or(self.steps), self.rate, warmup=5)
        return Plan(
            lambda generators: start(generators=generators),
            [(1.0, _objective(request))],
            schedule,
            [self.transform],
        )


def _objective(request: Request) -> Objective:
    hooked, layer = request.hooked, request.hooked.resolve(request.layer)
    layout = hooked.layout(layer)
    units = [unit for unit in request.units if isinstance(unit, Unit)]
    if layer not in hooked.autoencoders or len(units) < len(request.units):
        return Activation(request.units, layout)
    site, directions = decoder_rows(hooked, layer, [unit.channel for unit in units])
    return LatentActivation(units, layout, site, directions)
