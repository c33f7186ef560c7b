"""The Mind's Eye: what a layer sees in all images of a set (Stergiou, 2021)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Float

from fvhooks.errors import MissingInputError
from fvhooks.synthesis.engine import Plan, Response, Schedule, Start
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.objectives import Objective
from fvhooks.synthesis.objectives.set_response import NearTargets, RaisedChannels
from fvhooks.synthesis.objectives.sparsity import Sparsity
from fvhooks.synthesis.objectives.total_variation import TotalVariation
from fvhooks.synthesis.parametrisations.images import FourierImages
from fvhooks.synthesis.recipes import RECIPES, Request
from fvhooks.synthesis.references.crops import reference_crops
from fvhooks.synthesis.sets import Clusters, ImageSet, find_clusters, likeness, strongest_channels
from fvhooks.synthesis.transforms import Focus, Roll, Transform
from fvhooks.units import LOGITS, Unit

_FEW = 16
_FOCUS = 0.124  # of the side: the public code narrows its mask from 0.137 to 0.111
_PENALTY = 3e-4  # its weight of the sum of absolute activations grows from 1e-4 to 5e-4
STARTS = ("blend", "medoid", "noise")


@RECIPES.register("minds_eye")
@dataclass(frozen=True)
class MindsEye:
    """A picture that a layer answers to as it does to the images of a set, or to one group of them a facet.

    One term raises the channels that are most unusual in the set, one keeps all channels near their mean
    over its most typical images. A unit in the place of a set stands for the images that show it:
    references of its label, or crops of its top images.

    Examples:
        >>> MindsEye(raise_weight=0.0).near_weight  # inversion only
        1.0
        >>> MindsEye.as_coded(penalty_layer="layer3.2.conv2").comparable
        False

    Args:
        channels: how many are raised; by default a tenth of the layer's, 5 to 50.
        members: images that stand for a group, at most: those nearest to its centre.
        raise_weight: of the channels that are raised.
        near_weight: of the distance to the set.
        comparable: measure both terms in what is usual of each channel, so that weights of 1 are comparable;
            else take the activations as they are, as the authors' public code does.
        penalty_layer: a layer to keep quiet, and by what weight.
        start: from the weighted "blend" of the members, the "medoid", or "noise".
        noise: how much of a fresh picture is laid over that, so that seeds differ.
        steps: of Adam.
        rate: learning rate.
        decay: amplitude of a coefficient falls as frequency to this power.
        jitter: largest circular shift, as a fraction of the side.
        focus: let the middle change most, by a Gaussian of so many shorter sides; None: all alike.
        variation: weight of the total variation, by pixel.
    """

    channels: int | None = None
    members: int = 10
    raise_weight: float = 1.0
    near_weight: float = 1.0
    comparable: bool = True
    penalty_layer: tuple[str, float] | None = None
    start: str = "blend"
    noise: float = 1.0
    steps: int = 200
    rate: float = 0.05
    decay: float = 1.0
    jitter: float = 0.06
    focus: float | None = None
    variation: float = 1e-4

    @classmethod
    def as_coded(cls, penalty_layer: str | None = None, *, steps: int = 200) -> Self:
        """The loss, the start and the mask of the authors' public code, without what look like its slips.

        Channels are the strongest ones, not the most unusual; the terms are as they come, so that the first
        one has nearly all the say; only the middle of the blend changes. The optimiser and the Fourier
        coefficients stay those of this recipe, and the total variation stands for its denoising.

        Args:
            penalty_layer: whose mean absolute activation is kept low.
            steps: of Adam; the public code takes 2,001 of plain gradient descent.
        """
        penalty = None if penalty_layer is None else (penalty_layer, _PENALTY)
        return cls(comparable=False, penalty_layer=penalty, noise=0.0, focus=_FOCUS, steps=steps)

    def plan(self, request: Request) -> Plan:
        """The terms over all units, each with one owner a facet."""
        if self.start not in STARTS:
            raise MissingInputError(f"Expected start to be one of {STARTS}, got {self.start!r}.")
        of_sets = isinstance(request.units[0], ImageSet)
        if any(isinstance(unit, ImageSet) != of_sets for unit in request.units):
            raise MissingInputError("Expected sets of images or units of a layer, got both: make two calls.")
        layer = self._layer(request)
        sets = [self._images(request, unit) for unit in request.units]
        found = [
            find_clusters(request.hooked, layer, images, request.facets, self.members) for images in sets
        ]
        targets = np.concatenate([clusters.targets for clusters in found])
        usual = [self._usual(request, layer, clusters) for clusters in found]
        centre, scale = (np.repeat(np.stack(part), request.facets, 0) for part in zip(*usual, strict=True))
        chosen = strongest_channels(targets, self._count(targets.shape[1]), centre, scale)
        wanted, middle, spread = (torch.from_numpy(part) for part in (targets, centre, scale))
        terms: list[tuple[float, Objective]] = [
            (
                self.raise_weight,
                RaisedChannels(
                    layer, wanted, torch.from_numpy(chosen), middle, spread, relative=self.comparable
                ),
            ),
            (self.near_weight, NearTargets(layer, wanted, spread)),
            (self.variation, TotalVariation()),
        ]
        if self.penalty_layer is not None:
            name, weight = self.penalty_layer
            sizes = [self._size(request, name, images) for images in sets for _ in range(request.facets)]
            terms.append((weight, Sparsity(name, torch.tensor(sizes))))
        starts = torch.cat(
            [self._starts(clusters, images) for clusters, images in zip(found, sets, strict=True)]
        )
        return Plan(
            self._start(request, starts),
            terms,
            Schedule(request.steps_or(self.steps), self.rate, warmup=5),
            [*self._masks(), Roll(round(self.jitter * min(request.size[1:])))],
            owners=request.facets,
            response=Response(layer, likeness(layer, wanted)) if of_sets else None,
        )

    def _masks(self) -> list[Transform]:
        return [] if self.focus is None else [Focus(self.focus)]

    def _usual(
        self, request: Request, layer: str, clusters: Clusters
    ) -> tuple[Float[np.ndarray, " channel"], Float[np.ndarray, " channel"]]:
        if self.comparable:
            return _usual(request, layer, clusters)
        count = clusters.means.shape[1]
        return np.zeros(count, np.float32), np.ones(count, np.float32)

    def _size(self, request: Request, layer: str, images: Float[torch.Tensor, "image rgb y x"]) -> float:
        """What the mean absolute activation is divided by; one over the count for the plain sum."""
        if self.comparable:
            return _size(request, layer, images)
        layout = request.hooked.layout(request.hooked.resolve(layer))
        return 1 / (layout.channels * layout.positions)

    def _count(self, channels: int) -> int:
        return min(channels, self.channels or int(np.clip(channels // 10, 5, 50)))

    @staticmethod
    def _layer(request: Request) -> str:
        """The layer of the set; of outputs of the model the deepest that the store has beside them."""
        if request.layer != LOGITS or isinstance(request.units[0], ImageSet):
            return request.layer
        inner = [name for name in request.need_store("minds_eye").layers if name != LOGITS]
        if not inner:
            raise MissingInputError("Recipe 'minds_eye' needs a layer before the logits: collect one.")
        return inner[-1]

    def _images(self, request: Request, unit: object) -> Float[torch.Tensor, "image rgb y x"]:
        if isinstance(unit, ImageSet):
            if tuple(unit.images.shape[1:]) != request.size:
                raise MissingInputError(
                    f"Expected images of shape {request.size}, got {tuple(unit.images.shape[1:])}. Resize."
                )
            images: torch.Tensor = unit.images
            return images
        if not isinstance(unit, Unit):
            raise MissingInputError(
                "Recipe 'minds_eye' shows a set of images: pass fvhooks.ImageSet(layer, images) or a channel."
            )
        store, count = request.need_store("minds_eye"), self.members * request.facets
        if not unit.is_logit:
            return reference_crops(request.hooked, store, unit, count)
        table = store.images_table
        label = store.label_of_logit(unit.channel)
        rows = (
            (table.label.values == label) & (table.split.values == "reference") & (table.error.values == "")
        )
        ids = [str(name) for name in table.id.values[np.flatnonzero(rows)[: 5 * count]]]
        if not ids:
            raise MissingInputError(f"The store has no reference image of label {label}.")
        return store.images(ids)

    def _starts(
        self, clusters: Clusters, images: Float[torch.Tensor, "image rgb y x"]
    ) -> Float[torch.Tensor, "cluster rgb y x"]:
        if self.start == "medoid":
            return images[torch.tensor([int(members[0]) for members in clusters.members])]
        return clusters.blends(images)

    def _start(self, request: Request, starts: Float[torch.Tensor, "owner rgb y x"]) -> Start:
        device, decay = request.device, self.decay

        def start(generators: Sequence[torch.Generator], owner: Sequence[int]) -> FourierImages:
            if self.start == "noise":
                return FourierImages(request.size, generators, device, decay=decay)
            shown = starts[list(owner)].to(device)
            return FourierImages.showing(shown, generators, decay=decay, noise=self.noise)

        return start


def _usual(
    request: Request, layer: str, clusters: Clusters
) -> tuple[Float[np.ndarray, " channel"], Float[np.ndarray, " channel"]]:
    """Mean and deviation of each channel over all images of the store, or over a set that has groups.

    A single group and no store say nothing of what is usual: zero, and the same scale for all channels.
    """
    store = request.store
    if store is not None and layer in store.layers and store.keeps_all:
        average = store.of_images(layer, "average")
        mean, deviation = average.mean("image").values, average.std("image").values
    elif request.facets > 1:
        mean, deviation = clusters.means.mean(0), clusters.means.std(0)
    else:
        size = np.sqrt(np.square(clusters.means).mean(dtype=np.float64))
        mean, deviation = np.zeros(clusters.means.shape[1]), np.full(clusters.means.shape[1], size)
    least = max(0.05 * float(np.abs(clusters.targets).mean()), 1e-6)
    return mean.astype(np.float32), np.maximum(deviation, least).astype(np.float32)


@torch.no_grad()
def _size(request: Request, layer: str, images: Float[torch.Tensor, "image rgb y x"]) -> float:
    """Mean absolute activation of a layer for a few images."""
    few = images[:_FEW].to(request.device)
    return max(float(look(request.hooked, few, [layer])[layer].abs().mean()), 1e-6)
