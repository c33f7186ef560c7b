"""Cheap numbers by which pictures and real images differ, and a linear classifier that tells them apart."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch.nn import functional

_RIDGE = 1.0  # times the mean of the diagonal: as many features as pictures must not be fitted by heart
_SCALES = 3


def image_traits(images: Float[torch.Tensor, "image rgb y x"]) -> Float[np.ndarray, "image trait"]:
    """Mean and deviation of each colour, how colours go together, contrast at three scales, saturation.

    Examples:
        >>> image_traits(torch.rand(2, 3, 8, 8)).shape
        (2, 13)

    Args:
        images: in [0, 1].
    """
    flat = images.flatten(2)
    deviation = flat.std(-1)
    off = flat - flat.mean(-1, keepdim=True)
    pairs = [(first, second) for first in range(flat.shape[1]) for second in range(first)]
    together = [
        (off[:, a] * off[:, b]).mean(-1) / (deviation[:, a] * deviation[:, b] + 1e-6) for a, b in pairs
    ]
    extreme = ((flat < 0.02) | (flat > 0.98)).float().mean((1, 2))
    parts = [
        flat.mean(-1),
        deviation,
        extreme[:, None],
        *[one[:, None] for one in together],
        _contrast(images),
    ]
    return torch.cat(parts, 1).double().cpu().numpy()


def _contrast(images: Float[torch.Tensor, "image rgb y x"]) -> Float[torch.Tensor, "image scale"]:
    """How much neighbouring pixels differ, in the logarithm, at sizes halved again and again."""
    found = []
    for _ in range(_SCALES):
        steps = (images.diff(dim=-1).abs().mean((1, 2, 3)) + images.diff(dim=-2).abs().mean((1, 2, 3))) / 2
        found.append((steps.nan_to_num() + 1e-4).log())
        images = functional.avg_pool2d(images, 2, ceil_mode=True)
    return torch.stack(found, 1)


def linear_scores(
    traits: Float[np.ndarray, "image trait"],
    is_picture: Bool[np.ndarray, " image"],
    asked: Float[np.ndarray, "other trait"],
) -> Float[np.ndarray, " other"]:
    """How much each of some images looks like a picture to a linear classifier fitted to others.

    Ridge regression on standardised traits, pictures and real images with the same total weight.

    Examples:
        >>> seen, is_picture = np.array([[0.0], [1.0]]), np.array([False, True])
        >>> scores = linear_scores(seen, is_picture, np.array([[0.1], [2.0]]))
        >>> bool(scores[1] > scores[0])
        True

    Args:
        traits: of the images that it is fitted to.
        is_picture: which of those are pictures.
        asked: traits of the images to score.
    """
    mean, deviation = traits.mean(0), traits.std(0)
    scale = np.where(deviation > 1e-9, deviation, 1.0)
    rows, asked = (traits - mean) / scale, (asked - mean) / scale
    weight = np.where(is_picture, 0.5 / max(is_picture.sum(), 1), 0.5 / max((~is_picture).sum(), 1))
    target = np.where(is_picture, 1.0, -1.0)
    gram = (rows * weight[:, None]).T @ rows
    gram += np.eye(len(gram)) * (_RIDGE * np.trace(gram) / len(gram) + 1e-12)
    return np.asarray(asked @ np.linalg.solve(gram, (rows * (weight * target)[:, None]).sum(0)))


def area_under_curve(pictures: Float[np.ndarray, " _"], real: Float[np.ndarray, " other"]) -> float:
    """The probability that a picture scores above a real image; ties count half.

    Examples:
        >>> area_under_curve(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
        0.875
    """
    above = pictures[:, None] - real[None]
    return float((above > 0).mean() + 0.5 * (above == 0).mean())
