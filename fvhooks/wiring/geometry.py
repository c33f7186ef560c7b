"""How a convolution was called: one form for all the ways to say it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch.nn import functional

from fvhooks.errors import UnsupportedModelError
from fvhooks.wiring.calls import Weighted, plain_name


@dataclass(frozen=True)
class Geometry:
    """Rows and columns of everything that places a kernel; a linear map is a kernel of one tap.

    Args:
        kernel: its size.
        stride: from one position to the next.
        start: zeros before the first row and column.
        stop: zeros behind the last.
        dilation: from one tap to the next.
        groups: of channels that are kept apart.
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    start: tuple[int, int] = (0, 0)
    stop: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def taps(self) -> int:
        """How many weights each pair of channels has."""
        return self.kernel[0] * self.kernel[1]

    def output(self, size: Sequence[int]) -> tuple[int, int]:
        """How many positions an input of that size has."""
        spans = [self.dilation[axis] * (self.kernel[axis] - 1) + 1 for axis in (0, 1)]
        rows, columns = (
            (size[axis] + self.start[axis] + self.stop[axis] - spans[axis]) // self.stride[axis] + 1
            for axis in (0, 1)
        )
        return rows, columns

    def positions(
        self, images: Float[torch.Tensor, "image input y x"]
    ) -> Float[torch.Tensor, "image input v u"]:
        """The values that a kernel of one tap is placed on."""
        if any(self.start) or any(self.stop):
            images = functional.pad(images, (self.start[1], self.stop[1], self.start[0], self.stop[0]))
        return images[:, :, :: self.stride[0], :: self.stride[1]]


def as_images(
    weighted: Weighted,
) -> tuple[Float[torch.Tensor, "image input y x"], Float[torch.Tensor, "output of_group v u"], Geometry]:
    """The input and the kernel of a call as those of a 2-D convolution, and how it was called.

    Args:
        weighted: the call; of a linear map each row but the first dimension is a position.

    Raises:
        UnsupportedModelError: a convolution in three dimensions.
    """
    given, weight = weighted.input, weighted.weight
    if plain_name(weighted.func) == "linear":
        positions = given.reshape(len(given), -1, given.shape[-1]).transpose(1, 2)
        return positions[..., None], weight[..., None, None], Geometry()
    if weight.ndim not in (3, 4):
        raise UnsupportedModelError(
            f"Expected convolutions in one or two dimensions, got a kernel of shape {tuple(weight.shape)}."
        )
    stride, padding, dilation, groups = _said(weighted.rest, weighted.options)
    flat = weight.ndim == 3
    given, weight = (given[:, :, None], weight[:, :, None]) if flat else (given, weight)
    kernel = (weight.shape[2], weight.shape[3])
    steps = _pair(dilation, 1, flat=flat)
    start, stop = _padding(padding, kernel, steps, flat=flat)
    return given, weight, Geometry(kernel, _pair(stride, 1, flat=flat), start, stop, steps, int(groups))


def _said(rest: Sequence[Any], options: dict[str, Any]) -> list[Any]:
    usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    return [
        rest[place] if place < len(rest) else options.get(name, value)
        for place, (name, value) in enumerate(usual.items())
    ]


def _pair(value: Any, filler: int, *, flat: bool) -> tuple[int, int]:  # noqa: ANN401 - a number or several
    listed = [int(number) for number in value] if isinstance(value, Sequence) else [int(value)] * 2
    return (filler, listed[-1]) if flat else (listed[0], listed[-1])


def _padding(
    padding: Any,  # noqa: ANN401 - a number, several, or a word
    kernel: tuple[int, int],
    dilation: tuple[int, int],
    *,
    flat: bool,
) -> tuple[tuple[int, int], tuple[int, int]]:
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        rows, columns = (dilation[axis] * (kernel[axis] - 1) for axis in (0, 1))
        start = (rows // 2, columns // 2)
        return start, (rows - start[0], columns - start[1])
    both = _pair(padding, 0, flat=flat)
    return both, both
