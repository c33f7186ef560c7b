"""Prototype generation: from a picture of no class to one of the unit (Tagade and Rumbelow, 2023)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from fvhooks.synthesis.engine import Plan, Schedule, synthesise, typical_scale
from fvhooks.synthesis.firing import firing
from fvhooks.synthesis.objectives.evenness import Evenness
from fvhooks.synthesis.objectives.roughness import Roughness
from fvhooks.synthesis.parametrisations.images import PixelImages
from fvhooks.synthesis.recipes import RECIPES, Request, refuse_below
from fvhooks.synthesis.transforms import Affine
from fvhooks.units import LOGITS


@RECIPES.register("prototype")
@dataclass(frozen=True)
class Prototype:
    """The picture that makes a unit fire most, of pixels, from a picture that the model takes for nothing.

    Noise is first changed until all outputs are equally likely, which is the same for every unit. Then the
    unit is made to fire, under random affine changes, with a price on differences of neighbouring pixels.

    A reading of public descriptions of arXiv 2309.17144 (reviews, the manual of its authors' tool): its own
    text was not at hand. *Unverified* are the forms and weights of both losses, the sizes of the affine
    changes, the number of steps, and that pixels themselves are optimised. The activation is divided by what
    is usual of the layer for noise, so that one weight does for many; pictures of inner units are an addition
    of this package, and so is what their baseline is: the outputs', not the layer's.

    Examples:
        >>> Prototype(roughness=30.0).roughness
        30.0

    Args:
        steps: of Adam, after the baseline.
        rate: learning rate, of pixels in [0, 1].
        baseline: steps towards equally likely outputs, as a share of `steps`; 0: noise as it is. A model
            with a single output has none.
        roughness: weight of the mean squared difference of neighbouring pixels.
        transform: what the model sees of a picture at each step.
    """

    steps: int = 256
    rate: float = 0.05
    baseline: float = 0.25
    roughness: float = 300.0
    transform: Affine = field(default_factory=lambda: Affine(shift=0.1, scale=(0.8, 1.2), rotate=15.0))

    def plan(self, request: Request) -> Plan:
        """The activation relative to what the layer gives for noise, and the differences of neighbours."""
        request.refuse_facets("prototype")
        refuse_below(self, steps=1, baseline=0, roughness=0)
        steps = request.steps_or(self.steps)
        scale = typical_scale(request.hooked, request.layer, request.size)
        even = round(self.baseline * steps) if request.hooked.layout(LOGITS).channels > 1 else 0
        return Plan(
            lambda generators, owner: self._begun(request, even, generators, owner),
            [(1.0 / scale, firing(request.hooked, request.units)), (self.roughness, Roughness())],
            Schedule(steps, self.rate, warmup=5),
            [self.transform],
        )

    def _begun(
        self, request: Request, steps: int, generators: Sequence[torch.Generator], owner: Sequence[int]
    ) -> PixelImages:
        """Noise, changed in so many steps until every output is as likely."""
        pictures = PixelImages(request.size, generators, request.device)
        if steps:
            terms = [(1.0, Evenness())]
            plan = Plan(
                lambda _generators, _owner: pictures, terms, Schedule(steps, self.rate, warmup=5), alpha=False
            )
            synthesise(request.hooked, plan, owner, [(0,)] * len(owner))  # changes the pictures themselves
        return pictures
