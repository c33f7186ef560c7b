"""Whether resembling a picture tells which real images move the channels that it is of."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from fvhooks.errors import MissingInputError, ShapeError
from fvhooks.metrics.groups import Grouped, group_interval
from fvhooks.metrics.intervals import Interval
from fvhooks.metrics.paths import spearman


def agreement(
    activations: Float[np.ndarray, "picture channel"],
    images: Float[np.ndarray, "image _"],
    responses: Float[np.ndarray, "group _"],
    groups: ArrayLike,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Rank correlation, over real images, of resembling a picture and moving its group's channels.

    Resemblance is the cosine of activations less their mean over the images, best in a network that the
    pictures were not made for: in their own it holds for anything that moves those channels.

    Examples:
        >>> images = np.array([[3.0, 0.0], [2.0, 1.0], [1.0, 2.0], [0.0, 3.0]])
        >>> agreement(np.array([[5.0, 0.0]]), images, np.array([[9.0, 4.0, 3.0, 1.0]]), [0]).value
        0.8944...

    Args:
        activations: of each picture, averaged over positions.
        images: the same of real images that made no picture, at least three.
        responses: of each group's channels to each of those images, in the network that is looked into.
        groups: which group each picture is of, as an index into `responses`.
        draws: bootstrap resamples; each draws groups, then pictures within each.
        seed: of the bootstrap.

    Raises:
        MissingInputError: fewer than three images, or a picture of a group without responses.
        ShapeError: other numbers of channels, groups or images.
        NonFiniteError: NaN or infinity.
    """
    given = Grouped.checked(activations, images, np.zeros(len(activations), np.int64))
    shown, wanted, group = given.targets, np.asarray(responses, np.float64), np.asarray(groups)
    if wanted.shape[1:] != (len(shown),) or group.shape != (len(activations),):
        raise ShapeError(
            f"Expected responses (group, {len(shown)} images) and a group for each of {len(activations)} "
            f"pictures, got shapes {wanted.shape} and {group.shape}."
        )
    if len(shown) < 3 or not np.isin(group, np.arange(len(wanted))).all():
        raise MissingInputError(
            f"Ranks need three images and responses of every group, got {len(shown)} images, "
            f"{len(wanted)} groups and pictures of {np.unique(group).tolist()}."
        )
    ours, theirs = given.standardised(shown.mean(0), shown.std(0))
    sizes = np.outer(np.linalg.norm(ours, axis=1), np.linalg.norm(theirs, axis=1))
    found = spearman(ours @ theirs.T / np.maximum(sizes, 1e-12), wanted)
    own = found[np.arange(len(ours)), group].astype(np.float64)
    return group_interval(own, group.astype(np.int64), draws=draws, seed=seed)
