"""Which axis of an array of images holds the channels."""

from collections.abc import Sequence

import torch
from jaxtyping import Shaped

from fvhooks.errors import ImageError

_USUAL = (1, 3, 4)


def channel_axis(shape: Sequence[int], channels: int | None) -> int | None:
    """Axis 1 or 3, whichever has as many places as images have channels; None where images have no such axis.

    Examples:
        >>> channel_axis((10, 32, 32, 3), None), channel_axis((10, 1, 28, 28), None)
        (3, 1)

    Args:
        shape: of all images.
        channels: how many channels the model takes; where not known, 1, 3 and 4 are tried.

    Raises:
        ImageError: another number of axes, or both axes could be the channels.
    """
    if len(shape) == 3 and channels == 1:
        return None
    if len(shape) != 4:
        grey = " Grey images without a channel axis need a model with one channel." if len(shape) == 3 else ""
        raise ImageError(
            f"Expected images as (image, channel, y, x) or (image, y, x, channel), got {tuple(shape)}.{grey}"
        )
    counts = _USUAL if channels is None else (channels,)
    fitting = [axis for axis in (1, 3) if shape[axis] in counts]
    if len(fitting) == 2:
        raise ImageError(
            f"Images of shape {tuple(shape)} could be (image, channel, y, x) or (image, y, x, channel). Pass "
            "a list of images (channel, y, x), such as [*images] or [*images.transpose(0, 3, 1, 2)]."
        )
    return fitting[0] if fitting else 1  # what does not fit is refused when it is read


def channels_first(
    image: Shaped[torch.Tensor, "..."], axis: int | None
) -> Shaped[torch.Tensor, "channel y x"]:
    """One image with its channels in front; `axis` is that of `channel_axis`."""
    if axis is None:
        return image.unsqueeze(0)
    return image if axis == 1 else image.permute(2, 0, 1).contiguous()
