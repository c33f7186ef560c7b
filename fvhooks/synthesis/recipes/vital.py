"""VITAL: pictures whose activations are distributed as those of real images (Görgün et al., 2025)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from fvhooks.errors import LayerNotFoundError
from fvhooks.relevance.forms import Attributor
from fvhooks.synthesis.engine import Plan, Schedule
from fvhooks.synthesis.matching import expand
from fvhooks.synthesis.objectives import Objective
from fvhooks.synthesis.objectives.sort_matching import SortMatching
from fvhooks.synthesis.parametrisations.images import FourierImages, Pictures
from fvhooks.synthesis.recipes import RECIPES, Request
from fvhooks.synthesis.references.nodes import stored_nodes
from fvhooks.synthesis.references.profiles import (
    NodeReference,
    ReferenceSettings,
    class_references,
    image_references,
    unit_references,
)
from fvhooks.synthesis.references.strongest_images import find_strongest
from fvhooks.synthesis.sets import ImageSet, likeness_to_sets, sized_images
from fvhooks.synthesis.transforms import Roll
from fvhooks.synthesis.visualizations import Target
from fvhooks.units import Unit


@RECIPES.register("vital")
@dataclass(frozen=True)
class Vital:
    """Match, layer by layer, the sorted activations of each channel with those of real images.

    For an output of the model the references are images of its label, all channels alike, from the profiles
    that the store keeps. For an inner channel, a direction or a latent they are crops of the images that show
    it most, and each channel counts by how much of it contributes to the unit. For an `ImageSet` they are its
    images, all channels alike.

    Examples:
        >>> Vital(nodes=("layer1", "layer2"), steps=300).steps
        300

    Args:
        nodes: layers to match; default: all of the store up to the unit's own.
        images: real images to match instead of the store's, `image rgb y x`, `uint8` or in [0, 1]: with them
            and `nodes` no store is needed.
        steps: of Adam.
        rate: learning rate.
        decay: amplitude of a coefficient falls as frequency to this power.
        jitter: largest circular shift, as a fraction of the side.
        references: how many top images an inner channel is matched with.
        attributor: makes a Captum layer attributor from (model, layer); default `LayerGradientXActivation`.
    """

    nodes: tuple[str, ...] | None = None
    steps: int = 160
    rate: float = 0.2
    decay: float = 1.25
    jitter: float = 0.1
    references: int = 10
    attributor: Attributor | None = None
    images: Any | None = None

    def plan(self, request: Request) -> Plan:
        """One sort-matching term a layer, every layer relative to the size of its profile."""
        given = [self._given(request, unit) for unit in request.units]
        nodes = self._nodes(request, needs_store=any(images is None for images in given))
        if request.store is not None and any(images is None for images in given):
            request.store.require(request.hooked, [] if self.nodes is None else nodes)
        per_unit = self._references(request, given, nodes)
        terms: list[tuple[float, Objective]] = [
            (1.0, _matching(request, node, [found[node] for found in per_unit])) for node in nodes
        ]
        start = partial(
            FourierImages,
            request.size,
            device=request.device,
            decay=self.decay,
            mean=_mean_colour(request, given),
        )
        roll = Roll(round(self.jitter * min(request.size[1:])))
        schedule = Schedule(request.steps_or(self.steps), self.rate)
        return Plan(
            lambda generators, _: start(generators=generators),
            terms,
            schedule,
            [roll],
            owners=request.facets,
            response=likeness_to_sets(request.hooked, request.units, request.facets),
        )

    def _given(self, request: Request, unit: Target) -> Pictures | None:
        """The images that the caller brings for a unit."""
        given = unit.images if isinstance(unit, ImageSet) else self.images
        return None if given is None else sized_images(given, request.size)

    def _nodes(self, request: Request, *, needs_store: bool) -> list[str]:
        if self.nodes is not None:
            if needs_store:
                request.need_store("vital")
            return list(self.nodes)
        return stored_nodes(request.hooked, request.need_store("vital"), request.units)

    def _references(
        self, request: Request, given: Sequence[Pictures | None], nodes: Sequence[str]
    ) -> list[dict[str, NodeReference]]:
        if not nodes:
            raise LayerNotFoundError(
                "Recipe 'vital' needs at least one layer to match; collect a store with layers=[…]."
            )
        settings = ReferenceSettings(tuple(nodes), self.references, request.facets, self.attributor)
        found: list[dict[str, NodeReference]] = []
        if request.store is not None and any(images is None for images in given):
            find_strongest(request.hooked, request.store, request.units, self.references)
        for unit, images in zip(request.units, given, strict=True):
            target = None if isinstance(unit, ImageSet) else unit
            if images is not None:
                found.extend(image_references(request.hooked, images, target, settings))
                continue
            store = request.need_store("vital")
            if isinstance(unit, Unit) and unit.is_logit:
                found.extend(class_references(request.hooked, store, unit, settings))
            elif target is not None:
                found.extend(unit_references(request.hooked, store, target, settings))
        return found


def _mean_colour(request: Request, given: Sequence[Pictures | None]) -> list[float]:
    """The mean of each channel over the images that are given, or over the store's reference images."""
    brought = [images for images in given if images is not None]
    if len(brought) == len(given):
        return [float(value) for value in torch.cat(brought).mean((0, 2, 3))]
    store = request.need_store("vital")
    height, width = store.image_shape[1:]  # Fourier magnitude at frequency zero
    return [float(value) / math.sqrt(height * width) for value in store.spectrum.values[:, 0, 0]]


def _matching(request: Request, node: str, references: Sequence[NodeReference]) -> SortMatching:
    positions = request.hooked.layout(node).positions
    profiles = np.stack([expand(reference.ranks, reference.profile, positions) for reference in references])
    weights = np.stack([reference.weights for reference in references])
    return SortMatching(
        node, torch.from_numpy(profiles).to(request.device), torch.from_numpy(weights).to(request.device)
    )
