"""Small patches of pixels distributed as those of real images, at several scales."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from jaxtyping import Float

from fvhooks.synthesis.matching import matching_loss
from fvhooks.synthesis.objectives import Objective, Seen

_FILTERS = 48


@dataclass(frozen=True)
class PatchMatching(Objective):
    """Sliced Wasserstein distance between a picture's patches and those of real images.

    Patches are seen through random filters of unit length, whose answers are sorted and compared: the idea
    of GPDM (Elnekave and Weiss, 2022).

    Args:
        filters: what patches are seen through.
        profiles: of each scale, ascending sorted answers of each unit's images, 0 the finest.
    """

    filters: Float[torch.Tensor, "filter rgb side side"]
    profiles: Sequence[Float[torch.Tensor, "unit filter _"]]

    @property
    def layers(self) -> tuple[str, ...]:
        """None: it looks at pixels."""
        return ()

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture, each scale relative to the mean square of its profiles."""
        losses = []
        for scale, profile in enumerate(self.profiles):
            values = answers(seen.pictures, self.filters.to(seen.pictures), scale)
            sizes = torch.stack([one.square().sum() for one in profile]).clamp(min=1e-12)
            weight = (1 / sizes)[:, None, None].expand(-1, len(self.filters), 1)
            losses.append(matching_loss(values, profile, seen.owner, weight[seen.owner]))
        return torch.stack(losses).mean(0)


def random_filters(rgb: int, side: int = 5, seed: int = 0) -> Float[torch.Tensor, "filter rgb side side"]:
    """Random directions in the space of patches, of unit length.

    Args:
        rgb: colour channels.
        side: of a patch, in pixels.
        seed: of the draw.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(_FILTERS, rgb, side, side, generator=generator)
    return F.normalize(drawn.flatten(1), dim=1).view_as(drawn)


def answers(
    pictures: Float[torch.Tensor, "picture rgb y x"],
    filters: Float[torch.Tensor, "filter rgb side side"],
    scale: int,
) -> Float[torch.Tensor, "picture filter position"]:
    """What the filters give for a picture that is halved so many times.

    Args:
        pictures: in [0, 1].
        filters: what patches are seen through.
        scale: how many times.
    """
    for _ in range(scale):
        pictures = F.avg_pool2d(pictures, 2)
    return F.conv2d(pictures - 0.5, filters).flatten(2)
