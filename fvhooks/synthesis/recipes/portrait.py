"""Portraits: pictures that are like a few real images that are alike, and laid out as these are."""

import logging
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
from fvhooks.synthesis.objectives.nearest_matching import (
    NearestMatching,
    even_places,
    in_units,
    places_of,
    thinned,
)
from fvhooks.synthesis.objectives.patch_matching import PatchMatching, answers, random_filters
from fvhooks.synthesis.objectives.sort_matching import SortMatching
from fvhooks.synthesis.parametrisations.images import FourierImages
from fvhooks.synthesis.recipes import RECIPES, Request, refuse_below
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

MOST_PLACES = 256
"""Of the references in a cell: a large layer has thousands, most of them alike."""
_log = logging.getLogger("fvhooks")


@dataclass(frozen=True)
class _Layer:
    """A layer to match: the cells of places, and those that values are sorted in."""

    name: str
    cells: Int[np.ndarray, "cell position"]
    sorted_in: Int[np.ndarray, "_ _"]
    squares: Float[torch.Tensor, " channel"] | None  # over real images, where the store has them


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
    do. Activations are sorted within each cell of the layer's grid, those of the deepest layer as a whole, so
    that the layout of the references is kept; each place of a layer is also drawn to the nearest place of the
    references in its cell, so that channels go together as they do in real images.
    With `facets=` so many groups are shared by the seeds of a unit.

    Examples:
        >>> Portrait(neighbours=8).neighbours
        8

    Args:
        nodes: layers to match; default: all of the store up to the unit's own.
        neighbours: images that a picture is matched with. A unit with fewer gets a picture that draws them
            again, of one image nearly a copy; a warning of the logger `fvhooks` says so.
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
    steps: int = 240
    rate: float = 0.4
    decay: float = 1.25
    jitter: float = 0.03
    attributor: Attributor | None = None

    def plan(self, request: Request) -> Plan:
        """Terms of layers, of places and of patches; each group of references has an owner of its own."""
        refuse_below(self, neighbours=1, cells=1, nearest=0, patches=0, scales=1, references=1, steps=1)
        layers = self._layers(request)
        owners = request.seeds if request.facets == 1 else request.facets
        sitters = [self._sitter(request, unit, layers, owners) for unit in request.units]
        terms: list[tuple[float, Objective]] = [(1.0, _sorting(layer, sitters, owners)) for layer in layers]
        if self.nearest:
            terms += [(self.nearest, _placing(layer, sitters, owners)) for layer in layers]
        if self.patches:
            scales = [torch.cat(parts) for parts in zip(*(one.patches for one in sitters), strict=True)]
            terms.append((self.patches, PatchMatching(random_filters(request.size[0]), scales)))
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

    def _layers(self, request: Request) -> list[_Layer]:
        """From the first to the deepest, whatever order they were named in."""
        hooked, nodes = request.hooked, self.nodes
        if nodes is None:
            nodes = tuple(stored_nodes(hooked, request.need_store("portrait"), request.units))
        if not nodes:
            raise LayerNotFoundError(
                "Recipe 'portrait' needs at least one layer to match; collect a store with layers=[…]."
            )
        probe = hooked.probe()
        nodes = tuple(sorted(nodes, key=lambda node: probe[hooked.resolve(node)].order))
        return [
            _Layer(
                node,
                cells_of(hooked.layout(hooked.resolve(node)), self.cells),
                cells_of(hooked.layout(hooked.resolve(node)), 1 if node == nodes[-1] else self.cells),
                _squares(request, node) if self.nearest else None,
            )
            for node in nodes
        ]

    def _sitter(self, request: Request, unit: Target, layers: Sequence[_Layer], owners: int) -> _Sitter:
        images, nodes = self._images(request, unit).to(request.device), [layer.name for layer in layers]
        values = read_references(request.hooked, images, nodes)
        groups = neighbour_groups(values[nodes[-1]].mean(-1).cpu().numpy(), owners, self.neighbours)
        weights = {node: torch.ones(found.shape[1]).to(found) for node, found in values.items()}
        if not isinstance(unit, ImageSet) and unit.layer != LOGITS:
            counted = channel_weights(request.hooked, images, unit, nodes, self.attributor)
            weights = {node: torch.from_numpy(found).to(values[node]) for node, found in counted.items()}
        factors, places = {}, {}
        for layer in layers if self.nearest else ():
            found = values[layer.name]
            squares = found.square().mean((0, 2)) if layer.squares is None else layer.squares.to(found)
            factors[layer.name] = in_units(squares, weights[layer.name])
            places[layer.name] = _places(layer, found, groups) * factors[layer.name]
        filters, scales = (
            random_filters(request.size[0]).to(images),
            range(self.scales if self.patches else 0),
        )
        return _Sitter(
            {layer.name: pooled(in_cells(values[layer.name], layer.sorted_in), groups) for layer in layers},
            weights,
            places,
            factors,
            [pooled(answers(images, filters, scale), groups) for scale in scales],
            images.mean((2, 3))[torch.from_numpy(groups).to(images.device)].mean(1),
        )

    def _images(self, request: Request, unit: Target) -> Float[torch.Tensor, "image rgb y x"]:
        if isinstance(unit, ImageSet):
            return sized_images(unit.images, request.size)
        refuse_position("portrait", unit)
        found = reference_images(request.hooked, request.need_store("portrait"), unit, self.references)
        if len(found) < self.neighbours:
            _log.warning(
                "%s has %d reference image(s) to choose from, fewer than the %d that a portrait follows: its "
                "pictures repeat them. Collect more images of it, or read its pictures beside them.",
                unit.id,
                len(found),
                self.neighbours,
            )
        return found


def _squares(request: Request, node: str) -> Float[torch.Tensor, " channel"] | None:
    """Mean square of each channel over the store's reference images.

    In units of the unit's own images, channels that these hardly move would count as much as others.
    """
    store, layer = request.store, request.hooked.resolve(node)
    if store is None or layer not in store.layers:
        return None
    kept = store[layer]
    return torch.from_numpy((kept.natural_mean**2 + kept.natural_variance).values)


def _places(
    layer: _Layer,
    values: Float[torch.Tensor, "image channel position"],
    groups: Int[np.ndarray, "group member"],
) -> Float[torch.Tensor, "group cell place channel"]:
    """What the places of each group's images are, cell by cell."""
    members = values[torch.from_numpy(groups).to(values.device).flatten()]
    places = places_of(members, layer.cells)
    return thinned(places.view(*groups.shape, *places.shape[1:]).transpose(1, 2).flatten(2, 3), MOST_PLACES)


def _placing(layer: _Layer, sitters: Sequence[_Sitter], owners: int) -> Objective:
    factors = torch.stack([one.factors[layer.name] for one in sitters]).repeat_interleave(owners, 0)
    references = even_places([one.places[layer.name] for one in sitters])
    return NearestMatching(layer.name, references, factors, layer.cells)


def _sorting(layer: _Layer, sitters: Sequence[_Sitter], owners: int) -> Objective:
    weights = torch.stack([one.weights[layer.name] for one in sitters])
    weights = weights.repeat_interleave(owners, 0).repeat_interleave(len(layer.sorted_in), 1)
    profiles = torch.cat([one.values[layer.name] for one in sitters])
    return by_cell(SortMatching(layer.name, profiles, weights), layer.sorted_in)
