"""Images as they cross every public border: `uint8`, or float in [0, 1], `n c h w`."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from fvhooks.errors import ImageError, NonFiniteError

_SLACK = 1e-4  # resampling filters and colour conversions overshoot [0, 1] by rounding
_NORMALISED = "leave Normalize out of the transform, fvhooks normalises with the model's own mean and std."
_OUTSIDE = (
    "Images outside [0, 1] reach the model. That is right for the noise or the baselines of an attribution "
    f"method, and wrong for images that are normalised already: {_NORMALISED}"
)


@contextmanager
def checked_already() -> Iterator[None]:
    """No warning of images outside [0, 1] in the block: what a method adds to checked ones is its own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=re.escape(_OUTSIDE[:40]))
        yield


def as_images(
    images: Any,  # noqa: ANN401 - anything that holds numbers, checked below
    *,
    channels: int | None = None,
    size: tuple[int, int] | None = None,
    bounded: bool = True,
) -> Float[torch.Tensor, "image rgb y x"]:
    """Images as float32 in [0, 1] and four axes, or an error that says what is wrong with them.

    Examples:
        >>> as_images(np.zeros((3, 8, 8), np.uint8)).shape
        torch.Size([1, 3, 8, 8])

    Args:
        images: tensor or array `n c h w` or `c h w`; `uint8`, or float in [0, 1]; gradients are kept.
        channels: how many channels the model takes, where that is known.
        size: height and width that the model takes, where they are fixed.
        bounded: refuse values outside [0, 1]; otherwise only warn.

    Raises:
        ImageError: another number of axes, type, range, channel count or size.
        NonFiniteError: NaN or infinity; which images.
    """
    tensor = images if isinstance(images, torch.Tensor) else _from_numpy(np.asarray(images))
    if tensor.ndim == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim != 4:
        raise ImageError(f"Expected images as (image, channel, y, x), got shape {tuple(tensor.shape)}.")
    if channels is not None and tensor.shape[1] != channels:
        hint = (
            " Channels come before height and width: permute(0, 3, 1, 2)."
            if tensor.shape[-1] == channels
            else ""
        )
        raise ImageError(f"Expected {channels} image channels, got shape {tuple(tensor.shape)}.{hint}")
    if size is not None and tuple(tensor.shape[-2:]) != tuple(size):
        raise ImageError(
            f"Expected images of {size[0]} × {size[1]} pixels, got {tensor.shape[-2]} × {tensor.shape[-1]}."
        )
    if tensor.dtype == torch.uint8:
        return tensor.float() / 255
    if not tensor.is_floating_point():
        raise ImageError(f"Expected images as uint8 or floating point, got {tensor.dtype}.")
    if tensor.numel():
        _check_range(tensor, bounded=bounded)
    return tensor.float()


def as_bytes(pictures: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Pictures in [0, 1] as `uint8`, as they are shown and kept; values outside are clipped, NaN is black.

    Examples:
        >>> as_bytes(np.array([0.0, 0.5, 1.2, np.nan])).tolist()
        [0, 128, 255, 0]
    """
    return np.asarray((np.nan_to_num(pictures).clip(0, 1) * 255).round(), np.uint8)


def _from_numpy(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _check_range(images: torch.Tensor, *, bounded: bool) -> None:
    low, high = (float(end) for end in torch.aminmax(images.detach()))
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = (~torch.isfinite(images.detach())).flatten(1).any(1).nonzero().flatten().tolist()
        raise NonFiniteError(
            f"Images must be finite; NaN or infinity in images {bad[:8]} of the batch of {len(images)}."
        )
    if low < -_SLACK:
        advice = f"They look normalised already: {_NORMALISED}"
    elif high > 1 + _SLACK:
        bytes_as_floats = high <= 255 * (1 + _SLACK)
        advice = "Divide by 255, or pass them as uint8." if bytes_as_floats else "Scale them to [0, 1]."
    else:
        return
    if bounded:
        raise ImageError(f"Expected images in [0, 1], got values from {low:.3g} to {high:.3g}. {advice}")
    warnings.warn(_OUTSIDE, stacklevel=4)
