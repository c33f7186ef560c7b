"""VITAL as its authors' code runs it (Görgün et al., 2025), without that code's defects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float

from fvhooks.errors import MissingInputError, UnsupportedModelError
from fvhooks.hooks import HookedModel
from fvhooks.relevance.aims import AimedRelevance, Start
from fvhooks.relevance.forms import Attributor
from fvhooks.synthesis.engine import Plan, Schedule
from fvhooks.synthesis.objectives import Objective, Seen, Sum
from fvhooks.synthesis.objectives.pixel_norm import PixelNorm
from fvhooks.synthesis.objectives.rank_gather import RankGather
from fvhooks.synthesis.objectives.sort_matching import SortMatching
from fvhooks.synthesis.objectives.through import Through
from fvhooks.synthesis.objectives.total_variation import TotalVariation
from fvhooks.synthesis.parametrisations.pixels import NormalizedPixels
from fvhooks.synthesis.recipes import RECIPES, Request
from fvhooks.synthesis.references.class_images import drawn_images
from fvhooks.synthesis.references.crops import ranked_patches
from fvhooks.synthesis.references.masking import Masking, Measured, measure
from fvhooks.synthesis.references.profiles import refuse_position
from fvhooks.synthesis.references.published_nodes import MatchedNodes, before, published_nodes
from fvhooks.synthesis.references.strongest_images import find_strongest
from fvhooks.synthesis.sets import ImageSet, likeness_to_sets, sized_images
from fvhooks.synthesis.transforms import Flip, Roll, Transform
from fvhooks.synthesis.visualizations import Target
from fvhooks.units import Direction, Unit

_CHOICES = {
    "references": ("whole_image", "patch_crop"),
    "mask": ("minmax", "raw"),
    "maxpool_rule": ("avg2x2", "winner"),
}
_RELEVANCE = ("lrp_zplus", "lrp_restricted", "guided_bp")
_PUBLISHED_JITTER = 30 / 224


@RECIPES.register("vital_faithful")
@dataclass(frozen=True)
class VitalFaithful:
    """The published schedule of VITAL: 2,000 steps on raw pixels, for inner units with relevance in each.

    It is here to be compared with; recipe "vital" makes its pictures in a fraction of the time. Every picture
    has its own loss, jitter and norms, so batches may hold any pictures.

    Examples:
        >>> VitalFaithful(relevance="guided_bp", references="patch_crop").steps
        2000

    Args:
        nodes: layers to match, for inner units those up to the unit's own; default: the authors' for ResNet,
            DenseNet, ConvNeXt and ViT, for inner units those before the unit's layer.
        weights: of the loss of each node that is matched; default: the authors', or 1 each where `nodes` are
            given, for inner units a tenth for the first.
        images: real images to match instead of the store's, `image rgb y x`, `uint8` or in [0, 1].
        steps: of Adam at rate `rate`, after a warm-up of 100, with a cosine decay.
        rate: learning rate, in units of the normalised pixels.
        jitter: largest circular shift in pixels; default: 30 of 224, in proportion at other sizes.
        flip: mirror the picture in half of the steps.
        count: how many reference images a unit.
        references: of inner units: the "whole_image" that holds a top patch, or that "patch_crop" alone.
        candidates: of how many of an inner unit's strongest images patches are tried.
        relevance: of inner units: "lrp_zplus", "lrp_restricted" (from the likest position alone),
            "guided_bp", "captum:NAME" for a layer attributor of Captum, an attributor, or "none"; default:
            "lrp_zplus" where FlowLRP has rules for the model, else "captum:LayerGradientXActivation", as for
            a ViT.
        mask: of the activations: "minmax", or the "raw" relevance.
        channel_weight: let each channel count by its relevance.
        maxpool_rule: how "lrp_…" passes max-poolings: as the average pooling of the authors, or "winner".
        vit_include_cls: match tokens that lie nowhere in the picture too.
        variation: weight of the total variation of the normalised picture; default: the authors'.
        norm: weight of its Euclidean norm; default: the authors'.
        resort: sort all reference images anew in every step, as the authors do. Nothing but the time changes.
        seed: of the draw of a class's reference images.
    """

    nodes: tuple[str, ...] | None = None
    weights: tuple[float, ...] | None = None
    images: Any | None = None
    steps: int = 2000
    rate: float = 1.0
    jitter: int | None = None
    flip: bool = False
    count: int = 50
    references: str = "whole_image"
    candidates: int = 100
    relevance: str | Attributor | None = None
    mask: str = "minmax"
    channel_weight: bool = True
    maxpool_rule: str = "avg2x2"
    vit_include_cls: bool = True
    variation: float | None = None
    norm: float | None = None
    resort: bool = False
    seed: int = 0

    def plan(self, request: Request) -> Plan:
        """One term a node and unit, all at the scale that the layer has; total variation and norm."""
        request.refuse_facets("vital_faithful")
        self._check(request.units)
        known = self._nodes(request)
        masking = self._masking(request, known.nodes)
        if self.images is None and self._is_inner(request):
            store = request.need_store("vital_faithful")
            find_strongest(request.hooked, store, request.units, max(self.count, self.candidates))
        found = [self._measured(request, known, masking, place) for place in range(len(request.units))]
        matching: Objective = Sum(
            [
                (weight, self._matching(node, [one[node] for one in found]))
                for node, weight in zip(known.nodes, known.weights, strict=True)
            ]
        )
        if not masking.changes_nothing:
            matching = Through(matching, masking.seen)
        terms: list[tuple[float, Objective]] = [(1.0, matching)]
        penalties = [(known.variation, TotalVariation()), (known.norm, PixelNorm())]
        if any(weight for weight, _ in penalties):
            terms.append((1.0, Through(Sum(penalties), partial(_normalized, request))))
        return Plan(
            lambda generators, _: NormalizedPixels(
                request.size, generators, request.hooked.preprocessing, request.device
            ),
            terms,
            Schedule(request.steps_or(self.steps), self.rate, warmup=100, betas=(0.5, 0.9)),
            self._transforms(request),
            response=likeness_to_sets(request.hooked, request.units),
        )

    def _check(self, units: Sequence[Target]) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise MissingInputError(f"Expected {name} to be one of {known}, got {getattr(self, name)!r}.")
        if isinstance(self.relevance, str) and not (
            self.relevance in (*_RELEVANCE, "none") or self.relevance.startswith("captum:")
        ):
            raise MissingInputError(
                f"Expected relevance to be one of {_RELEVANCE}, 'captum:NAME', 'none' or an attributor, got "
                f"{self.relevance!r}."
            )
        for unit in units:
            refuse_position("vital_faithful", unit)

    def _nodes(self, request: Request) -> MatchedNodes:
        """The nodes with their weights, as published unless said otherwise."""
        hooked, layer, inner = request.hooked, request.layer, self._is_inner(request)
        if self.nodes is None:
            known = published_nodes(hooked)
            known = before(hooked, known, layer) if inner else known
        else:
            known = MatchedNodes(self.nodes, (1.0,) * len(self.nodes))
            known = before(hooked, known, layer, inclusive=True) if inner else known
        weights = known.weights if self.weights is None else self.weights
        if len(weights) != len(known.nodes):
            raise MissingInputError(
                f"Expected a weight for each of the {len(known.nodes)} nodes {known.nodes}, got {weights}."
            )
        return replace(
            known,
            weights=weights,
            variation=known.variation if self.variation is None else self.variation,
            norm=known.norm if self.norm is None else self.norm,
        )

    @staticmethod
    def _is_inner(request: Request) -> bool:
        unit = request.units[0]
        return isinstance(unit, Direction) or (isinstance(unit, Unit) and not unit.is_logit)

    def _masking(self, request: Request, nodes: Sequence[str]) -> Masking:
        dropped = {node: request.hooked.layout(node).prefix for node in nodes}
        dropped = {} if self.vit_include_cls else dropped
        targets = [unit for unit in request.units if not isinstance(unit, ImageSet)]
        if not self._is_inner(request) or self.relevance == "none":
            return Masking(dropped=dropped)
        relevance = self._relevance(request.hooked, request.size, targets, nodes)
        return Masking(relevance, self.mask, dropped)

    def _relevance(
        self,
        hooked: HookedModel,
        size: tuple[int, int, int],
        targets: Sequence[Unit | Direction],
        nodes: Sequence[str],
    ) -> AimedRelevance:
        """What was asked for; by default FlowLRP if it can follow the model, which one picture tells."""
        attributor, start = self._attributor()
        if self.relevance is not None:
            return AimedRelevance(hooked, targets, nodes, attributor, start)
        noise = torch.rand(1, *size, generator=torch.Generator().manual_seed(0))
        try:
            found = AimedRelevance(hooked, targets, nodes, attributor, start)
            found(noise.to(hooked.device), torch.zeros(1, dtype=torch.int64))
        except UnsupportedModelError:
            return AimedRelevance(hooked, targets, nodes)
        return found

    def _attributor(self) -> tuple[Attributor, Start]:
        from fvhooks.relevance.flow import FlowLRP  # noqa: PLC0415 - they load matplotlib
        from fvhooks.relevance.guided import LayerGuidedBackprop  # noqa: PLC0415 - as above

        if self.relevance is not None and not isinstance(self.relevance, str):
            return self.relevance, "mean"
        rule: Literal["average", "winner"] = "average" if self.maxpool_rule == "avg2x2" else "winner"
        if self.relevance == "guided_bp":
            return LayerGuidedBackprop, "mean"
        if self.relevance is not None and self.relevance.startswith("captum:"):
            return _of_captum(self.relevance.removeprefix("captum:")), "mean"
        return partial(FlowLRP, max_pool=rule), "likest" if self.relevance == "lrp_restricted" else "sum"

    def _measured(
        self, request: Request, known: MatchedNodes, masking: Masking, place: int
    ) -> Mapping[str, Measured]:
        images = self._images(request, request.units[place])
        found = measure(request.hooked, images, known.nodes, masking, place, keep=self.resort)
        if self.channel_weight:
            return found
        return {node: replace(one, weights=torch.ones_like(one.weights)) for node, one in found.items()}

    def _images(self, request: Request, unit: Target) -> Float[torch.Tensor, "image rgb y x"]:
        if isinstance(unit, ImageSet):
            return sized_images(unit.images, request.size)
        if self.images is not None:
            return sized_images(self.images, request.size)
        store = request.need_store("vital_faithful")
        if isinstance(unit, Unit) and unit.is_logit:
            return drawn_images(store, store.label_of_logit(unit.channel), self.count, self.seed)
        whole, patches = ranked_patches(request.hooked, store, unit, self.count, self.candidates)
        return whole if self.references == "whole_image" else patches

    def _matching(self, node: str, found: Sequence[Measured]) -> Objective:
        weights = torch.stack([one.weights for one in found])
        if self.resort:
            kept = tuple(one.activations for one in found if one.activations is not None)
            return RankGather(node, kept, weights)
        return SortMatching(node, torch.stack([one.profile for one in found]), weights, relative=False)

    def _transforms(self, request: Request) -> list[Transform]:
        pixels = self.jitter
        if pixels is None:
            pixels = round(_PUBLISHED_JITTER * min(request.size[1:]))
        return [Roll(pixels), Flip()] if self.flip else [Roll(pixels)]


def _of_captum(name: str) -> Attributor:
    import captum.attr  # noqa: PLC0415 - loads matplotlib

    found = getattr(captum.attr, name, None)
    if found is None:
        raise MissingInputError(
            f"Captum has no attributor {name!r}; one is 'captum:LayerGradientXActivation'."
        )
    return found


def _normalized(request: Request, seen: Seen) -> Seen:
    return replace(seen, pictures=request.hooked.preprocessing.normalize(seen.pictures))
