"""The compiled way to the pair maps of one convolution without groups, on a CPU in single precision."""

import ctypes
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.wiring.geometry import Geometry

Spread = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""How work is spread over threads: `map`, or an executor's."""

_SCRATCH = 2**13  # values of padded channels held at once: half of a first-level cache
_AT_ONCE = 16  # images at most that share the weights that are loaded


class CompiledPairs:
    """A kernel as the compiled code wants it: outputs side by side, filled up to whole vectors.

    Args:
        library: the compiled code.
        kernel: in single precision.
        geometry: how it is placed.
    """

    def __init__(
        self, library: ctypes.CDLL, kernel: Float[torch.Tensor, "output input v u"], geometry: Geometry
    ) -> None:
        self._library, self._geometry = library, geometry
        self._outputs, self._inputs = kernel.shape[:2]
        lanes = int(library.fvhooks_lanes())
        self._padded = -(-self._outputs // lanes) * lanes
        self._weights = torch.zeros(self._inputs, geometry.taps, self._padded)
        self._weights[..., : self._outputs] = kernel.flatten(2).permute(1, 2, 0)

    def __call__(
        self,
        images: Float[torch.Tensor, "image input y x"],
        votes: int,
        spread: Spread,
        *,
        whole: bool = False,
    ) -> tuple[
        Float[torch.Tensor, "image vote output"],
        Int[torch.Tensor, "image vote output"],
        Float[torch.Tensor, "image input output"] | None,
    ]:
        """The strongest inputs of each output, which they are, and if wanted how strong each input is.

        Args:
            images: what the convolution is given.
            votes: how many of the strongest.
            spread: how images are spread over threads.
            whole: whether every input is wanted.
        """
        count = len(images)
        values = torch.empty(count, votes, self._padded)
        sources = torch.empty(count, votes, self._padded, dtype=torch.int32)
        maps = torch.empty(count, self._inputs, self._padded) if whole else None
        step, run = self._task(images.contiguous(), votes, values, sources, maps)
        for _ in spread(run, range(0, count, step)):
            pass
        kept = slice(self._outputs)
        return values[..., kept], sources[..., kept], None if maps is None else maps[..., kept]

    def _task(
        self, images: torch.Tensor, votes: int, values: torch.Tensor, sources: torch.Tensor,
        maps: torch.Tensor | None,
    ) -> tuple[int, Callable[[int], None]]:  # fmt: skip
        """How many images a task takes, and the task; ctypes lets go of the interpreter's lock in it."""
        count, _, height, width = images.shape
        rows, columns = (
            size + self._geometry.start[n] + self._geometry.stop[n] for n, size in enumerate((height, width))
        )
        out = self._geometry.output((height, width))
        one_tap = self._geometry.taps == 1
        step = 1 if one_tap else max(1, min(_AT_ONCE, -(-count // 2), _SCRATCH // (rows * columns)))
        extremes = _extremes(images, self._geometry) if one_tap else (images,)

        def run(first: int) -> None:
            number = min(step, count - first)
            placed = (*self._geometry.start, rows, columns, *self._geometry.kernel)
            steps = (*self._geometry.stride, *self._geometry.dilation, *out)
            shape = (number, self._inputs, height, width, self._padded, votes)
            sizes = np.array([*shape, *placed, *steps], np.int32)
            scratch = torch.empty(number * (rows * columns + self._padded))
            function = self._library.fvhooks_ranges if one_tap else self._library.fvhooks_pairs
            function(
                *(extreme[first].data_ptr() for extreme in extremes), self._weights.data_ptr(),
                sizes.ctypes.data, values[first].data_ptr(), sources[first].data_ptr(),
                None if maps is None else maps[first].data_ptr(), scratch.data_ptr(),
            )  # fmt: skip

        return step, run


def _extremes(images: torch.Tensor, geometry: Geometry) -> tuple[torch.Tensor, torch.Tensor]:
    positions = geometry.positions(images)
    return positions.amax((2, 3)).contiguous(), positions.amin((2, 3)).contiguous()
