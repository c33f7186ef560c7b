"""Whether another network finds in pictures of groups of images what real images of the groups have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from fvhooks.errors import MissingInputError, ShapeError
from fvhooks.metrics.specificity import Specificity, specificity


@dataclass(frozen=True, slots=True, eq=False)
class Transfer:
    """What another network says of pictures of groups, beside real images that made none of them.

    Args:
        pictures: how specific the pictures are there.
        real: how specific the set's other images are, those that stand for no group.
    """

    pictures: Specificity
    real: Specificity

    @property
    def kept(self) -> float:
        """The margin of the pictures over that of real images; NaN where real images have none."""
        usual = self.real.margin
        return self.pictures.margin.value / usual.value if usual.low > 0 else float("nan")


def transfer(
    activations: Float[np.ndarray, "picture channel"],
    groups: ArrayLike,
    images: Float[np.ndarray, "image _"],
    *,
    members: Sequence[Int[np.ndarray, " _"]],
    image_groups: Int[np.ndarray, " image"],
    draws: int = 1000,
    seed: int = 0,
) -> Transfer:
    """Judge pictures of groups by the activations of a network that they were not made for.

    Its targets are the mean activations of the images that stand for each group, and what is usual is the
    mean over the set. Groups that this network does not tell apart cannot be found in pictures either:
    `real` says so.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> images = np.repeat(np.eye(2), 4, 0) + 0.1 * rng.normal(size=(8, 2))
        >>> members = [np.array([0, 1]), np.array([4, 5])]
        >>> of = np.repeat([0, 1], 4)
        >>> found = transfer(2 * np.eye(2), [0, 1], images, members=members, image_groups=of)
        >>> found.pictures.retrieved.value, found.real.count
        (1.0, 4)

    Args:
        activations: of each picture in the other network, averaged over positions.
        groups: which group each picture is of.
        images: activations of each image of the set in the other network.
        members: the images that stand for each group, as `find_clusters` gives them.
        image_groups: the group of each image.
        draws: bootstrap resamples.
        seed: of the bootstrap.

    Raises:
        MissingInputError: every image stands for a group, so that none is left to compare with.
        ShapeError: other numbers of channels or groups.
        NonFiniteError: NaN or infinity among the activations.
    """
    given, group = np.asarray(images, np.float64), np.asarray(image_groups)
    if group.shape != (len(given),):
        raise ShapeError(f"Expected a group for each of {len(given)} images, got shape {group.shape}.")
    targets = np.stack([given[rows].mean(0) for rows in members])
    rest = np.setdiff1d(np.arange(len(given)), np.concatenate(list(members)))
    if not len(rest):
        raise MissingInputError(
            "Every image of the set stands for a group: pass more images, or fewer members, so that some are "
            "left to say how specific real images are."
        )
    usual = {"mean": given.mean(0), "deviation": given.std(0), "draws": draws, "seed": seed}
    return Transfer(
        specificity(activations, targets, groups, **usual),
        specificity(given[rest], targets, group[rest], **usual),
    )
