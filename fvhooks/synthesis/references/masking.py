"""Which part of a layer's activations counts for a unit: times a mask from relevance, channel by channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int

from fvhooks.hooks import HookedModel
from fvhooks.relevance.aims import AimedRelevance
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.objectives import Seen

Activations = Mapping[str, Float[torch.Tensor, "image channel position"]]
_LEAST = 1e-6  # the authors'
_AT_ONCE = 8  # images


def minmax_mask(
    relevance: Float[torch.Tensor, "image channel position"],
) -> Float[torch.Tensor, "image channel position"]:
    """The positive part of relevance, scaled from 0 to 1 over the positions of each channel and image.

    Examples:
        >>> minmax_mask(torch.tensor([[[1.0, 3.0, -1.0]]])).round(decimals=3).tolist()
        [[[0.3330000042915344, 1.0, 0.0]]]
    """
    shifted = relevance.clamp(min=0)
    shifted = shifted - shifted.amin(-1, keepdim=True)
    return shifted / (shifted.amax(-1, keepdim=True) + _LEAST)


def importance(
    relevance: Float[torch.Tensor, "image channel position"], epsilon: float = _LEAST
) -> Float[torch.Tensor, "image channel"]:
    """The largest positive relevance of each channel, scaled from 0 to 1 over the channels of each image.

    Examples:
        >>> importance(torch.tensor([[[0.0, 2.0], [-1.0, 0.0], [1.0, 1.0]]]), epsilon=1e-20).tolist()
        [[1.0, 0.0, 0.5]]

    Args:
        relevance: signed.
        epsilon: what is added to the range that is divided by.
    """
    strongest = relevance.clamp(min=0).amax(-1)
    strongest = strongest - strongest.amin(1, keepdim=True)
    return strongest / (strongest.amax(1, keepdim=True) + epsilon)


@dataclass(frozen=True, eq=False)
class Masking:
    """What of the activations of some layers is matched.

    Args:
        relevance: gives the masks; None: nothing is masked, and all channels count alike.
        mask: "minmax" as in `minmax_mask`, or "raw": the positive part of the relevance itself.
        dropped: of some layers, how many first positions are left out.
    """

    relevance: AimedRelevance | None = None
    mask: str = "minmax"
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def changes_nothing(self) -> bool:
        """Whether all activations are matched as they are."""
        return self.relevance is None and not any(self.dropped.values())

    def seen(self, seen: Seen) -> Seen:
        """Of pictures: relevance is computed anew, and takes no part in the gradient."""
        masked, _ = self.applied(seen.activations, seen.pictures, seen.owner)
        return replace(seen, activations=masked)

    def applied(
        self,
        activations: Activations,
        images: Float[torch.Tensor, "image rgb y x"],
        owner: Int[torch.Tensor, " image"],
    ) -> tuple[Activations, dict[str, Float[torch.Tensor, "image channel"]]]:
        """Masked activations, and how important each channel is.

        Args:
            activations: of each layer.
            images: that they belong to.
            owner: the target that each image is for.
        """
        kept = {name: values[..., self.dropped.get(name, 0) :] for name, values in activations.items()}
        if self.relevance is None:
            return kept, {name: torch.ones_like(values[..., 0]) for name, values in kept.items()}
        found = self.relevance(images, owner)
        cut = {name: values[..., self.dropped.get(name, 0) :] for name, values in found.items()}
        masks = {
            name: minmax_mask(values) if self.mask == "minmax" else values.clamp(min=0)
            for name, values in cut.items()
        }
        masked = {name: values * masks[name] for name, values in kept.items()}
        return masked, {name: importance(values) for name, values in cut.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What one layer gives for the references of one unit.

    Args:
        profile: mean over the images of the sorted (masked) activations.
        weights: mean importance of each channel.
        activations: of each image, unsorted, where they were asked for.
    """

    profile: Float[torch.Tensor, "channel position"]
    weights: Float[torch.Tensor, " channel"]
    activations: Float[torch.Tensor, "image channel position"] | None


@torch.no_grad()
def measure(
    hooked: HookedModel,
    images: Float[torch.Tensor, "image rgb y x"],
    nodes: Sequence[str],
    masking: Masking,
    owner: int = 0,
    *,
    keep: bool = False,
) -> dict[str, Measured]:
    """Profiles and weights of reference images, a few at a time.

    Args:
        hooked: the model.
        images: in [0, 1].
        nodes: the layers.
        masking: what of them is matched.
        owner: the target that the images are for.
        keep: keep their activations too, all in memory.
    """
    sums: dict[str, torch.Tensor] = {}
    weights: dict[str, torch.Tensor] = {}
    kept: dict[str, list[torch.Tensor]] = {node: [] for node in nodes}
    for some in torch.split(images, _AT_ONCE):
        part = some.to(hooked.device)
        whose = torch.full((len(part),), owner)
        masked, important = masking.applied(look(hooked, part, nodes), part, whose)
        for node in nodes:
            ordered = masked[node].sort(-1).values.double().sum(0)
            sums[node] = sums.get(node, torch.zeros_like(ordered)) + ordered
            count = important[node].double().sum(0)
            weights[node] = weights.get(node, torch.zeros_like(count)) + count
            if keep:
                kept[node].append(masked[node].clone())
    return {
        node: Measured(
            (sums[node] / len(images)).float(),
            (weights[node] / len(images)).float(),
            torch.cat(kept[node]) if keep else None,
        )
        for node in nodes
    }
