"""Activation maximisation in a decorrelated Fourier space (Olah, Mordvintsev and Schubert, 2017)."""

from dataclasses import dataclass, field
from functools import partial

from fvhooks.synthesis.engine import Plan, Schedule
from fvhooks.synthesis.firing import firing
from fvhooks.synthesis.parametrisations.images import FourierImages
from fvhooks.synthesis.recipes import RECIPES, Request
from fvhooks.synthesis.transforms import Affine


@RECIPES.register("fourier")
@dataclass(frozen=True)
class Fourier:
    """The picture that makes a unit fire most, under small shifts, rotations and changes of scale.

    Examples:
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
        request.refuse_facets("fourier")
        start = partial(FourierImages, request.size, device=request.device, decay=self.decay)
        schedule = Schedule(request.steps_or(self.steps), self.rate, warmup=5)
        return Plan(
            lambda generators, _: start(generators=generators),
            [(1.0, firing(request.hooked, request.units))],
            schedule,
            [self.transform],
        )
