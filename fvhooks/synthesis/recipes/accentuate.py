"""Feature accentuation: what a unit looks for in a given picture (Hamblin et al., 2024)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float

from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.images import as_images
from fvhooks.synthesis.engine import Plan, Schedule, typical_scale
from fvhooks.synthesis.firing import firing
from fvhooks.synthesis.objectives import Objective
from fvhooks.synthesis.objectives.closeness import Closeness
from fvhooks.synthesis.parametrisations.images import FourierImages
from fvhooks.synthesis.recipes import RECIPES, Request
from fvhooks.synthesis.sets import mean_activations
from fvhooks.synthesis.transforms import Affine
from fvhooks.units import LOGITS, Unit


@RECIPES.register("accentuate")
@dataclass(frozen=True)
class Accentuate:
    """A real picture, changed so that a unit fires more in it while the rest of the network sees the same.

    The idea of arXiv 2402.10039, an image as the seed and a penalty in the network's own layers. Its text was
    not at hand: which penalty, which views and which weights it takes is *unverified*, and they differ here.

    Examples:
        >>> Accentuate(closeness=0.3).closeness
        0.3

    Args:
        images: to begin from, `image rgb y x`, `uint8` or in [0, 1]; picture `i` of a unit begins from image
            `i` and so on in turns. Without them those reference images of the store for which the unit fires
            most.
        steps: of Adam.
        rate: learning rate.
        decay: amplitude of a coefficient changes as frequency to minus this power.
        closeness: weight of what keeps the picture what it is, against the activation.
        anchors: layers in which it is kept; by default those of the store before the unit's own, or that one.
        transform: what the model sees of a picture at each step.
    """

    images: Any | None = None
    steps: int = 96
    rate: float = 0.05
    decay: float = 1.0
    closeness: float = 1.0
    anchors: tuple[str, ...] | None = None
    transform: Affine = field(default_factory=lambda: Affine(shift=0.03, scale=(0.97, 1.05), rotate=3.0))

    def plan(self, request: Request) -> Plan:
        """The activation relative to what the layer gives for noise, and closeness in each anchor."""
        request.refuse_facets("accentuate")
        seeds = self._seeds(request)
        owners = len(seeds) // len(request.units)
        anchors = self._anchors(request)
        scale = typical_scale(request.hooked, request.layer, request.size)
        targets = [unit for unit in request.units for _ in range(owners)]
        terms: list[tuple[float, Objective]] = [(1.0 / scale, firing(request.hooked, targets))]
        terms += [
            (self.closeness / len(anchors), Closeness(name, _means(request.hooked, name, seeds)))
            for name in anchors
        ]
        decay = self.decay
        return Plan(
            lambda generators, owner: FourierImages.showing(seeds[list(owner)], generators, decay=decay),
            terms,
            Schedule(request.steps_or(self.steps), self.rate, warmup=5),
            [self.transform],
            owners=owners,
        )

    def _anchors(self, request: Request) -> Sequence[str]:
        if self.anchors is not None:
            return self.anchors
        stored = [] if request.store is None else [name for name in request.store.layers if name != LOGITS]
        probe, hooked = request.hooked.probe(), request.hooked
        if request.layer != LOGITS:
            last = probe[hooked.resolve(request.layer)].order
            stored = [name for name in stored if probe[name].order < last]
        return stored or [request.layer]

    def _seeds(self, request: Request) -> Float[torch.Tensor, "owner rgb y x"]:
        """The images that each unit's pictures begin from, unit after unit."""
        if self.images is not None:
            given = as_images(self.images)
            if tuple(given.shape[1:]) != request.size:
                raise MissingInputError(
                    f"Expected images of shape {request.size} to begin from, got {tuple(given.shape[1:])}."
                )
            return given[: request.seeds].repeat(len(request.units), 1, 1, 1).to(request.device)
        store = request.need_store("accentuate")
        found = []
        for unit in request.units:
            if not isinstance(unit, Unit) or unit.position is not None:
                raise MissingInputError(
                    f"The store knows top images of whole channels, not of {unit.id!r}; say which "
                    "pictures to begin from: recipe=Accentuate(images=…)."
                )
            top = store.top_images(unit, k=request.seeds, split="reference")
            found.append(store.images([str(name) for name in top.id.values]))
        return torch.cat(found).to(request.device)


def _means(
    hooked: HookedModel, layer: str, images: Float[torch.Tensor, "owner rgb y x"]
) -> Float[torch.Tensor, "owner channel"]:
    return torch.from_numpy(mean_activations(hooked, layer, images))
