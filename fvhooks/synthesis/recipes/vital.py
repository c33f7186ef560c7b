"""VITAL: pictures whose activations are distributed as those of real images (Görgün et al., 2025)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from fvhooks.errors import LayerNotFoundError, MissingInputError
from fvhooks.relevance.forms import Attributor
from fvhooks.store.reading import Store
from fvhooks.synthesis.engine import Plan, Schedule
from fvhooks.synthesis.images import FourierImages
from fvhooks.synthesis.matching import expand
from fvhooks.synthesis.objectives import Objective
from fvhooks.synthesis.objectives.sort_matching import SortMatching
from fvhooks.synthesis.recipes import RECIPES, Request
from fvhooks.synthesis.references import NodeReference, ReferenceSettings, class_references, unit_references
from fvhooks.synthesis.transforms import Roll
from fvhooks.units import LOGITS, Unit


@RECIPES.register("vital")
@dataclass(frozen=True)
class Vital:
    """Match, layer by layer, the sorted activations of each channel with those of real images.

    For an output of the model the references are images of its label, all channels alike, from the profiles
    that the store keeps. For an inner channel they are crops of its own top images, and each channel
    counts by how much of it contributes to the unit.

    Example:
        >>> Vital(nodes=("layer1", "layer2"), steps=300).steps
        300

    Args:
        nodes: layers to match; default: all of the store up to the unit's own.
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

    def plan(self, request: Request) -> Plan:
        """One sort-matching term a layer, every layer relative to the size of its profile."""
        store = request.need_store("vital")
        nodes = self._nodes(store, request.layer)
        store.require(request.hooked, nodes)
        per_unit = self._references(request, store, nodes)
        terms: list[tuple[float, Objective]] = [
            (1.0, _matching(request, node, [found[node] for found in per_unit])) for node in nodes
        ]
        start = partial(
            FourierImages, request.size, device=request.device, decay=self.decay, mean=_mean_colour(store)
        )
        roll = Roll(round(self.jitter * min(request.size[1:])))
        schedule = Schedule(request.steps_or(self.steps), self.rate)
        return Plan(
            lambda generators, _: start(generators=generators), terms, schedule, [roll], owners=request.facets
        )

    def _nodes(self, store: Store, layer: str) -> list[str]:
        stored = [name for name in store.layers if name != LOGITS]
        if self.nodes is not None:
            return list(self.nodes)
        if layer == LOGITS:
            return stored
        if layer not in stored:
            store[layer]  # raises, naming what the store has
        return stored[: stored.index(layer) + 1]

    def _references(
        self, request: Request, store: Store, nodes: Sequence[str]
    ) -> list[dict[str, NodeReference]]:
        if not nodes:
            raise LayerNotFoundError(
                "Recipe 'vital' needs at least one layer to match; collect a store with layers=[…]."
            )
        settings = ReferenceSettings(tuple(nodes), self.references, request.facets, self.attributor)
        found: list[dict[str, NodeReference]] = []
        for unit in request.units:
            if not isinstance(unit, Unit):
                raise MissingInputError(
                    f"Recipe 'vital' needs a channel; {unit.id!r} is a direction. Use 'fourier'."
                )
            find = class_references if unit.is_logit else unit_references
            found.extend(find(request.hooked, store, unit, settings))
        return found


def _mean_colour(store: Store) -> list[float]:
    """The mean of each channel over the reference images: their Fourier magnitude at frequency zero."""
    height, width = store.image_shape[1:]
    return [float(value) / math.sqrt(height * width) for value in store.spectrum.values[:, 0, 0]]


def _matching(request: Request, node: str, references: Sequence[NodeReference]) -> SortMatching:
    positions = request.hooked.layout(node).positions
    profiles = np.stack([expand(reference.ranks, reference.profile, positions) for reference in references])
    weights = np.stack([reference.weights for reference in references])
    return SortMatching(
        node, torch.from_numpy(profiles).to(request.device), torch.from_numpy(weights).to(request.device)
    )
