"""Whether a network sees in a picture what it is a picture of: the network it was made for, or another."""

import numpy as np
import torch
from jaxtyping import Int, Shaped
from numpy.typing import ArrayLike

from fvhooks.errors import ShapeError
from fvhooks.hooks import HookedModel
from fvhooks.metrics.intervals import Interval, group_rows, percentile_interval, wilson_interval
from fvhooks.units import LOGITS


def predict(
    hooked: HookedModel, images: Shaped[torch.Tensor, "image rgb y x"], *, batch_size: int = 64
) -> Int[np.ndarray, " image"]:
    """The output with the highest logit for each image.

    Args:
        hooked: the network that judges.
        images: `uint8` or in [0, 1].
        batch_size: images in one forward pass.
    """
    with torch.no_grad():
        parts = [
            hooked.read(batch, [LOGITS])[LOGITS].argmax(1).cpu() for batch in torch.split(images, batch_size)
        ]
    return torch.cat(parts).numpy()


def accuracy(
    predicted: ArrayLike, wanted: ArrayLike, *, by_class: bool = False, draws: int = 1000, seed: int = 0
) -> Interval:
    """The share of pictures that a network takes for what they are of.

    With the predictions of the network that the pictures were made for this is *self* accuracy; with another
    network's, *transfer* accuracy. Only the second says something about the pictures.

    Examples:
        >>> accuracy([3, 3, 5, 5], [3, 3, 5, 4]).value
        0.75

    Args:
        predicted: one output a picture, as `predict` gives them.
        wanted: the output that each picture is of.
        by_class: draw classes, then pictures within each, for the interval: pictures of one class come out
            alike, and a binomial interval, the default, takes them for independent.
        draws: bootstrap resamples.
        seed: of the bootstrap.

    Raises:
        ShapeError: other numbers of predictions than of pictures, or none.
    """
    ours, theirs = np.asarray(predicted), np.asarray(wanted)
    if ours.shape != theirs.shape or ours.ndim != 1 or not len(ours):
        raise ShapeError(
            f"Expected one prediction for each picture, got shapes {ours.shape} and {theirs.shape}."
        )
    hits = ours == theirs
    if not by_class:
        return wilson_interval(int(hits.sum()), len(hits))
    rng = np.random.default_rng(seed)
    groups = [hits[rows] for rows in group_rows(theirs).values()]
    return percentile_interval(float(hits.mean()), [_draw(groups, rng) for _ in range(draws)])


def _draw(groups: list[np.ndarray], rng: np.random.Generator) -> float:
    chosen = [groups[i] for i in rng.integers(len(groups), size=len(groups))]
    return float(np.concatenate([hits[rng.integers(len(hits), size=len(hits))] for hits in chosen]).mean())
