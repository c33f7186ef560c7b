"""Whether a layer answers to pictures of groups of images as it does to the groups themselves."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from fvhooks.errors import ShapeError
from fvhooks.metrics.groups import Grouped, group_interval
from fvhooks.metrics.intervals import Interval


@dataclass(frozen=True, slots=True)
class Recovery:
    """How much of each group's mean activations its pictures bring about.

    Args:
        cosine: of a picture's activations and its group's target, both less what is usual; 1 at best.
        distance: of the two, over the size of the target; 0 at best, 1 for what is usual.
        gain: how far the group's strongest channels are raised, over how far the target raises them: 1 is as
            much as in the real images, more is an exaggeration.
        overlap: of the picture's strongest channels with the group's: those in both over those in either.
        count: pictures.
    """

    cosine: Interval
    distance: Interval
    gain: Interval
    overlap: Interval
    count: int


def recovery(  # noqa: PLR0913 - all but three are keyword-only
    activations: Float[np.ndarray, "picture channel"],
    targets: Float[np.ndarray, "group _"],
    groups: ArrayLike,
    *,
    channels: Int[np.ndarray, "_ top"],
    mean: Float[np.ndarray, " _"] | None = None,
    deviation: Float[np.ndarray, " _"] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Recovery:
    """Compare pictures of groups with what the groups do in a layer.

    Without `mean` every picture of anything looks like every target, since the same channels are strong for
    all: give the mean and the standard deviation over many real images.

    Examples:
        >>> targets = np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
        >>> found = recovery(1.5 * targets, targets, [0, 1], channels=np.array([[0], [1]]))
        >>> found.cosine.value, found.distance.value, found.gain.value, found.overlap.value
        (1.0, 0.5, 1.5, 1.0)

    Args:
        activations: of each picture, averaged over positions.
        targets: of each group: the mean activations of the images that stand for it.
        groups: which group each picture is of, as an index into `targets`.
        channels: the strongest channels of each group.
        mean: what is usual of each channel.
        deviation: its standard deviation, so that channels of any scale count alike.
        draws: bootstrap resamples; each draws groups, then pictures within each.
        seed: of the bootstrap.

    Raises:
        ShapeError: other numbers of channels, or of groups than of pictures.
        MissingInputError: a picture of a group without a target.
        NonFiniteError: NaN or infinity among the activations or targets.
    """
    given = Grouped.checked(activations, targets, groups)
    top = np.asarray(channels)
    if top.ndim != 2 or len(top) != len(given.targets):
        raise ShapeError(f"Expected channels (group, top) of {len(given.targets)} groups, got {top.shape}.")
    ours, theirs = given.standardised(mean, deviation)
    wanted, chosen = theirs[given.group], top[given.group]
    sizes = np.maximum(np.linalg.norm(wanted, axis=1), 1e-12)
    raised, usual = (np.take_along_axis(part, chosen, 1) for part in (ours, wanted))
    values = {
        "cosine": (ours * wanted).sum(1) / np.maximum(np.linalg.norm(ours, axis=1) * sizes, 1e-12),
        "distance": np.linalg.norm(ours - wanted, axis=1) / sizes,
        "gain": (raised * usual).sum(1) / np.maximum((usual**2).sum(1), 1e-12),
        "overlap": _overlaps(ours, chosen),
    }
    found = {name: group_interval(part, given.group, draws=draws, seed=seed) for name, part in values.items()}
    return Recovery(**found, count=len(ours))


def _overlaps(
    ours: Float[np.ndarray, "picture channel"], chosen: Int[np.ndarray, "picture top"]
) -> Float[np.ndarray, " picture"]:
    """The Jaccard index of two sets of the same size."""
    count = chosen.shape[1]
    strongest = np.argsort(-ours, axis=1, kind="stable")[:, :count]
    both = np.array([np.isin(a, b).sum() for a, b in zip(strongest, chosen, strict=True)])
    return np.asarray(both / (2 * count - both))
