"""A few real images that are alike, another few for each picture of a unit."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.hooks import HookedModel
from fvhooks.store.reading import Store
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.references.class_images import drawn_images
from fvhooks.synthesis.references.crops import reference_crops
from fvhooks.synthesis.references.profiles import CLASS_IMAGES
from fvhooks.units import Direction, Unit

_AT_ONCE = 32


def neighbour_groups(
    features: Float[np.ndarray, "image feature"], groups: int, size: int
) -> Int[np.ndarray, "group member"]:
    """Groups of images around one each, drawn at random; the first groups are the same however many follow.

    Examples:
        >>> neighbour_groups(np.array([[0.0], [0.1], [5.0], [5.1]]), 4, 2).tolist()
        [[2, 3], [0, 1], [1, 0], [3, 2]]

    Args:
        features: of each image.
        groups: how many; where there are fewer images, some stand in the middle of several.
        size: of a group; all images where there are fewer.
    """
    scaled = (features - features.mean(0)) / (features.std(0) + 1e-6)
    centres = np.resize(np.random.default_rng(0).permutation(len(features)), groups)
    distance = ((scaled[centres][:, None] - scaled) ** 2).sum(2)
    return np.argsort(distance, axis=1, kind="stable")[:, : min(size, len(features))]


def reference_images(
    hooked: HookedModel, store: Store, unit: Unit | Direction, count: int = CLASS_IMAGES
) -> Float[torch.Tensor, "image rgb y x"]:
    """Real images that stand for a unit: of an output's label, else crops of its top images.

    Args:
        hooked: the model.
        store: with its data set attached.
        unit: an output, a channel, a latent or a direction.
        count: how many, at most.

    Raises:
        MissingInputError: no data set, none of the label, or a unit that fires for none.
    """
    if isinstance(unit, Unit) and unit.is_logit:
        return drawn_images(store, store.label_of_logit(unit.channel), count)
    return reference_crops(hooked, store, unit, count)


@torch.no_grad()
def read_references(
    hooked: HookedModel, images: Float[torch.Tensor, "image rgb y x"], nodes: Sequence[str]
) -> dict[str, Float[torch.Tensor, "image channel position"]]:
    """What layers give for references, a few images at a time.

    Args:
        hooked: the model.
        images: in [0, 1].
        nodes: the layers.
    """
    parts = [look(hooked, some.to(hooked.device), nodes) for some in torch.split(images, _AT_ONCE)]
    return {node: torch.cat([part[node] for part in parts]) for node in nodes}


def pooled(
    values: Float[torch.Tensor, "image channel position"], groups: Int[np.ndarray, "group member"]
) -> Float[torch.Tensor, "group channel position"]:
    """Sorted values of all images of a group together, thinned to as many as one image has.

    Each is the mean of as many neighbouring values as the group has images: of all that a picture could
    have, these are the nearest to the group's in the sorted distance.

    Args:
        values: of each image.
        groups: which images each group has.
    """
    found = []
    for members in torch.from_numpy(groups).to(values.device):
        together = values[members].transpose(0, 1).flatten(1).sort(1).values
        found.append(together.view(len(together), values.shape[-1], len(members)).mean(2))
    return torch.stack(found)
