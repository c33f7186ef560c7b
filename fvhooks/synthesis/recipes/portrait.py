"""Portraits: pictures that are like a few real images that are alike, and laid out as these are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.errors import LayerNotFoundError
from fvhooks.relevance.forms import Attributor
from fvhooks.synthesis.cells import by_cell, cells_of, in_cells
from fvhooks.synthesis.engine import Plan, Schedule
from fvhooks.synthesis.objectives import Objective
from fvhooks.synthesis.objectives.nearest_matching import NearestMatching, in_units, places_of
from fvhooks.synthesis.objectives.patch_matching import PatchMatching, answers, random_filters
from fvhooks.synthesis.objectives.sort_matching import SortMatching
from fvhooks.synthesis.parametrisations.images import FourierImages
from fvhooks.synthesis.recipes import RECIPES, Request
from fvhooks.synthesis.references.neighbours import (
    neighbour_groups,
    pooled,
    read_references,
    reference_images,
)
from fvhooks.synthesis.references.nodes import stored_nodes
from fvhooks.synthesis.references.profiles import refuse_position
from fvhooks.synthesis.references.weights import channel_weights
from fvhooks.synthesis.sets import ImageSet, likeness_to_sets, sized_images
from fvhooks.synthesis.transforms import Roll
from fvhooks.synthesis.visualizations import Target
from fvhooks.units import LOGITS


@dataclass(frozen=True)
class _Sitter:
    """What the pictures of one unit are matched with: values and places by layer, and patches by scale."""

    values: dict[str, Float[torch.Tensor, "picture _ _"]]
    weights: dict[str, Float[torch.Tensor, " _"]]
    places: dict[str, Float[torch.Tensor, "picture cell _ _"]]
    factors: dict[str, Float[torch.Tensor, " _"]]
    patches: list[Float[torch.Tensor, "picture filter _"]]
    colours: Float[torch.Tensor, "picture rgb"]


@RECIPES.register("portrait")
@dataclass(frozen=True)
class Portrait:
    """Match real images as `vital` does, but a few that are alike, part by part and place by place.

    Each picture of a unit has references of its own: an image that stands for the unit and those nearest to
    it in the deepest matched layer. Many images that differ have no picture in common; a few that are alike
    do. Activations are sorted within each cell of the layer's grid, so that the layout of the references is
    kept; in the deeper half of the layers each place is also drawn to the nearest place of the references in
    its cell, so that channels go together as they do in real images. With `facets=` so many groups are shared
    by the seeds of a unit.

    Example:
        >>> Portrait(neighbours=8).neighbours
        8

    Args:
        nodes: layers to match; default: all of the store up to the unit's own.
        neighbours: images that a picture is matched with.
        cells: along each side of a layer's grid; 1: layout counts for nothing. Values of the deepest layer
            are sorted as a whole, since cells would make its class stronger there than real images do.
        nearest: weight of a layer's nearest places beside that of its sorted values; 0 leaves them out.
        patches: weight of small patches of pixels beside that of one layer; by default they have none.
        scales: how many sizes of the picture patches are taken from, each half as large as the one before.
        references: images of the unit that neighbours are chosen from, at most.
        steps: of Adam.
        rate: learning rate.
        decay: amplitude of a coefficient falls as frequency to this power.
        jitter: largest circular shift, as a fraction of the side.
        attributor: makes a Captum layer attributor from (model, layer); default `LayerGradientXActivation`.
            The channels of an inner unit's layers count by their relevance for it.
    """

    nodes: tuple[str, ...] | None = None
    neighbours: int = 4
    cells: int = 4
    nearest: float = 1.0
    patches: float = 0.0
    scales: int = 2
    references: int = 50
    steps: int = 160
    rate: float = 0.2
    decay: float = 1.25
    jitter: float = 0.03
    attributor: Attributor | None = None

    def plan(self, request: Request) -> Plan:
        """One term a layer and one for the patches; each group of references has an owner of its own."""
        nodes, filters = self._nodes(request), random_filters(request.size[0])
        owners = request.seeds if request.facets == 1 else request.facets
        sitters = [self._sitter(request, unit, nodes, filters, owners) for unit in request.units]
        terms: list[tuple[float, Objective]] = [
            (1.0, self._matching(request, node, sitters, owners)) for node in nodes
        ]
        terms += [(self.nearest, self._places(request, node, sitters)) for node in self._near(nodes)]
        if self.patches:
            scales = [torch.cat(parts) for parts in zip(*(one.patches for one in sitters), strict=True)]
            terms.append((self.patches, PatchMatching(filters, scales)))
        colours = torch.cat([one.colours for one in sitters])

        def start(generators: Sequence[torch.Generator], owner: Sequence[int]) -> FourierImages:
            mean = colours[list(owner)]
            return FourierImages(request.size, generators, request.device, decay=self.decay, mean=mean)

        return Plan(
            start,
            terms,
            Schedule(request.steps_or(self.steps), self.rate),
            [Roll(round(self.jitter * min(request.size[1:])))],
            owners=owners,
            response=likeness_to_sets(request.hooked, request.units, owners),
        )

    def _nodes(self, request: Request) -> list[str]:
        if self.nodes is not None:
            return list(self.nodes)
        found = stored_nodes(request.hooked, request.need_store("portrait"), request.units)
        if not found:
            raise LayerNotFoundError(
                "Recipe 'portrait' needs at least one layer to match; collect a store with layers=[…]."
            )
        return found

    def _sitter(
        self,
        request: Request,
        unit: Target,
        nodes: Sequence[str],
        filters: Float[torch.Tensor, "filter rgb side side"],
        owners: int,
    ) -> _Sitter:
        images = self._images(request, unit).to(request.device)
        values = read_references(request.hooked, images, nodes)
        groups = neighbour_groups(values[nodes[-1]].mean(-1).cpu().numpy(), owners, self.neighbours)
        weights = {node: torch.ones(found.shape[1]).to(found) for node, found in values.items()}
        if not isinstance(unit, ImageSet) and unit.layer != LOGITS:
            counted = channel_weights(request.hooked, images, unit, nodes, self.attributor)
            weights = {node: torch.from_numpy(found).to(values[node]) for node, found in counted.items()}
        factors = {
            node: in_units(_squares(request, node, values[node]), weights[node]) for node in self._near(nodes)
        }
        scales = range(self.scales if self.patches else 0)
        return _Sitter(
            {node: pooled(in_cells(values[node], self._sorted_in(request, node)), groups) for node in nodes},
            weights,
            {
                node: self._near_places(request, node, values[node], groups) * factors[node]
                for node in factors
            },
            factors,
            [pooled(answers(images, filters.to(images), scale), groups) for scale in scales],
            images.mean((2, 3))[torch.from_numpy(groups).to(images.device)].mean(1),
        )

    def _images(self, request: Request, unit: Target) -> Float[torch.Tensor, "image rgb y x"]:
        if isinstance(unit, ImageSet):
            return sized_images(unit.images, request.size)
        refuse_position("portrait", unit)
        return reference_images(request.hooked, request.need_store("portrait"), unit, self.references)

    def _near(self, nodes: Sequence[str]) -> Sequence[str]:
        """The layers of which places are matched: early ones say little of what goes together."""
        return nodes[len(nodes) // 2 :] if self.nearest else []

    def _cells(self, request: Request, node: str, side: int) -> Int[np.ndarray, "cell position"]:
        return cells_of(request.hooked.layout(request.hooked.resolve(node)), side)

    def _sorted_in(self, request: Request, node: str) -> Int[np.ndarray, "cell position"]:
        deepest = node == self._nodes(request)[-1]
        return self._cells(request, node, 1 if deepest else self.cells)

    def _near_places(
        self,
        request: Request,
        node: str,
        values: Float[torch.Tensor, "image channel position"],
        groups: Int[np.ndarray, "group member"],
    ) -> Float[torch.Tensor, "group cell place channel"]:
        places = places_of(values, self._cells(request, node, self.cells))
        members = places[torch.from_numpy(groups).to(places.device)]
        return members.transpose(1, 2).flatten(2, 3)

    def _places(self, request: Request, node: str, sitters: Sequence[_Sitter]) -> Objective:
        references = torch.cat([one.places[node] for one in sitters])
        owners = len(references) // len(sitters)
        factors = torch.stack([one.factors[node] for one in sitters]).repeat_interleave(owners, 0)
        return NearestMatching(node, references, factors, self._cells(request, node, self.cells))

    def _matching(self, request: Request, node: str, sitters: Sequence[_Sitter], owners: int) -> Objective:
        cells = self._sorted_in(request, node)
        weights = torch.stack([one.weights[node] for one in sitters])
        weights = weights.repeat_interleave(owners, 0).repeat_interleave(len(cells), 1)
        profiles = torch.cat([one.values[node] for one in sitters])
        return by_cell(SortMatching(node, profiles, weights), cells)


def _squares(
    request: Request, node: str, values: Float[torch.Tensor, "image channel position"]
) -> Float[torch.Tensor, " channel"]:
    """Mean square of each channel, over all of the store's images where there is a store.

    In units of the unit's own images, channels that these hardly move would count as much as others.
    """
    if request.store is None or node not in request.store.layers:
        return values.square().mean((0, 2))
    kept = request.store[node]
    return torch.from_numpy((kept.natural_mean**2 + kept.natural_variance).values).to(values)
