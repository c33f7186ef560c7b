"""Activation maximisation in a decorrelated Fourier space (Olah, Mordvintsev and Schubert, 2017)."""

from dataclasses import dataclass, field
from functools import partial

from fvhooks.errors import MissingInputError
from fvhooks.synthesis.engine import Plan, Schedule
from fvhooks.synthesis.images import FourierImages
from fvhooks.synthesis.objectives.activation import Activation
from fvhooks.synthesis.recipes import RECIPES, Request
from fvhooks.synthesis.transforms import Affine


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
        """Minus the mean activation, nothing else."""
        if request.facets != 1:
            raise MissingInputError(
                f"Recipe 'fourier' has no references to split into {request.facets} facets; use 'vital'."
            )
        layout = request.hooked.layout(request.layer)
        start = partial(FourierImages, request.size, device=request.device, decay=self.decay)
        schedule = Schedule(request.steps_or(self.steps), self.rate, warmup=5)
        return Plan(
            lambda generators: start(generators=generators),
            [(1.0, Activation(request.units, layout))],
            schedule,
            [self.transform],
        )
