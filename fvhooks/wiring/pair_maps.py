"""How strongly each input channel of a convolution speaks for each of its outputs, image by image.

L[i, j] is the largest value over positions of (input channel i ∗ the kernel from i to j), signed, without
bias. The maps themselves are never kept: compiled code takes the maximum in registers where there is a
compiler, and torch makes a few maps at a time elsewhere. Both keep only the strongest few of each output.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch.nn import functional

from fvhooks.wiring.compiled_pairs import CompiledPairs, Spread
from fvhooks.wiring.compiling import library
from fvhooks.wiring.geometry import Geometry

Images = Float[torch.Tensor, "image input y x"]
Maps = Float[torch.Tensor, "image of_group output"]
NOBODY = -1
_ON_CPU = 2**18  # values of maps made at once: they stay in the cache
_ON_DEVICE = 2**27
_NARROW = 48  # outputs from which a maximum along them is faster than along positions


@dataclass(frozen=True, eq=False)
class Strongest:
    """The inputs that speak most for each output.

    Args:
        values: how strongly, falling; −infinity where there are fewer.
        sources: which inputs; `NOBODY` where there are fewer. Of equal ones the lowest comes first.
    """

    values: Float[torch.Tensor, "image vote output"]
    sources: Int[torch.Tensor, "image vote output"]


class PairMaps:
    """One convolution or linear map, ready to be asked about any images.

    Examples:
        >>> kernel = torch.tensor([[1.0, -1.0], [0.0, 2.0]])[..., None, None]
        >>> pairs = PairMaps(kernel, Geometry())
        >>> pairs.maps(torch.ones(1, 2, 3, 3))[0].tolist()
        [[1.0, 0.0], [-1.0, 2.0]]
        >>> pairs.strongest(torch.ones(1, 2, 3, 3), 1).sources.tolist()
        [[[0, 1]]]

    Args:
        kernel: what is folded in, such as a batch normalisation behind it, is in it.
        geometry: how it is placed.
        compiled: whether to use compiled code where it can be had.
    """

    def __init__(
        self,
        kernel: Float[torch.Tensor, "output of_group v u"],
        geometry: Geometry,
        *,
        compiled: bool = True,
    ) -> None:
        self._geometry, self._inputs = geometry, kernel.shape[1]
        self._kernels = torch.split(kernel, kernel.shape[0] // geometry.groups)
        fits = compiled and kernel.device.type == "cpu" and kernel.dtype == torch.float32
        code = library() if fits and not self._is_depthwise else None
        self._compiled = [CompiledPairs(code, part, geometry) for part in self._kernels] if code else []

    def maps(self, images: Images, spread: Spread = map) -> Maps:
        """L of each image: of each output with the inputs of its own group.

        Args:
            images: what the convolution is given.
            spread: how compiled code is spread over threads.
        """
        found = []
        for number, part in enumerate(self._parts(images)):
            if self._compiled:
                found.append(self._compiled[number](part, 1, spread, whole=True)[2])
            else:
                found.append(torch.cat(list(self._chunks(part, number))))
        return torch.cat([maps for maps in found if maps is not None], 2)

    def strongest(self, images: Images, votes: int, spread: Spread = map) -> Strongest:
        """The inputs of the largest L for each output.

        Args:
            images: what the convolution is given.
            votes: how many.
            spread: how compiled code is spread over threads.
        """
        found = []
        for number, part in enumerate(self._parts(images)):
            if self._compiled:
                values, sources, _ = self._compiled[number](part, votes, spread)
            else:
                best = [_best(maps, votes) for maps in self._chunks(part, number)]
                values, sources = (torch.cat(chunks) for chunks in zip(*best, strict=True))
            found.append((values, self._numbered(sources, number)))
        values, sources = (torch.cat(groups, 2) for groups in zip(*found, strict=True))
        return Strongest(values, sources)

    @property
    def _is_depthwise(self) -> bool:
        return self._inputs == 1 and self._geometry.groups > 1

    def _parts(self, images: Images) -> tuple[torch.Tensor, ...]:
        """The inputs of each group; of kernels with an input of their own each, all of them."""
        return (images,) if self._is_depthwise else torch.split(images, self._inputs, 1)

    def _numbered(self, sources: torch.Tensor, group: int) -> torch.Tensor:
        """From an input's number in its group to that in the convolution."""
        first: torch.Tensor | int = group * self._inputs
        if self._is_depthwise:
            outputs = torch.arange(sources.shape[2], device=sources.device)
            first = (outputs // len(self._kernels[0])).to(sources.dtype)
        return (
            torch.where(sources == NOBODY, sources, sources + first)
            if group or self._is_depthwise
            else sources
        )

    def _chunks(self, images: Images, group: int) -> Iterator[torch.Tensor]:
        """L of a few images at a time."""
        if self._is_depthwise:
            yield self._convolved(images, torch.cat(self._kernels))
            return
        weights = self._kernels[group].flatten(2).transpose(0, 1)  # input output tap
        budget = _ON_CPU if images.device.type == "cpu" else _ON_DEVICE
        pairs = weights.shape[0] * weights.shape[1]
        if self._geometry.taps == 1:
            for part in torch.split(images, max(1, budget // pairs)):
                positions = self._geometry.positions(part)
                highest, lowest = positions.amax((2, 3))[..., None], positions.amin((2, 3))[..., None]
                yield torch.maximum(highest * weights[..., 0], lowest * weights[..., 0])
            return
        rows, columns = self._geometry.output(images.shape[2:])
        of_one = max(1, weights.shape[1] * rows * columns)  # values of the maps of an input and an image
        step = max(1, min(len(images), budget // of_one))
        for part in torch.split(images, step):
            yield self._largest(part, weights, max(1, budget // (step * of_one)))

    def _largest(self, images: Images, weights: torch.Tensor, at_once: int) -> Maps:
        """The largest values of the maps of some images, `at_once` inputs at a time."""
        one = self._geometry
        padded = functional.pad(images, (one.start[1], one.stop[1], one.start[0], one.stop[0]))
        taps = functional.unfold(padded, one.kernel, one.dilation, stride=one.stride)
        taps = taps.reshape(len(images), -1, one.taps, taps.shape[2]).transpose(
            0, 1
        )  # input image tap position
        found = []
        for start in range(0, len(weights), at_once):
            values, kernel = taps[start : start + at_once], weights[start : start + at_once]
            if kernel.shape[1] < _NARROW:
                largest = torch.matmul(kernel[:, None], values).amax(-1)
            else:  # one long product, and a maximum along rows of outputs
                flat = values.transpose(2, 3).flatten(1, 2)
                products = torch.matmul(flat, kernel.transpose(1, 2))
                largest = products.view(len(products), len(images), -1, products.shape[2]).amax(2)
            found.append(largest)
        return torch.cat(found).transpose(0, 1)

    def _convolved(self, images: Images, kernel: torch.Tensor) -> Maps:
        """Where each output has one input, the map is the convolution itself."""
        one = self._geometry
        padded = functional.pad(images, (one.start[1], one.stop[1], one.start[0], one.stop[0]))
        out = functional.conv2d(padded, kernel, None, one.stride, 0, one.dilation, one.groups)
        return out.amax((2, 3))[:, None]


def _best(maps: Maps, votes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The strongest inputs of each output; of equal ones `max` gives the first, `topk` any."""
    image, inputs, output = maps.shape
    values = maps.new_full((image, votes, output), -torch.inf)
    sources = torch.full((image, votes, output), NOBODY, dtype=torch.int32, device=maps.device)
    left = maps.clone() if votes < inputs or votes > 1 else maps
    for place in range(min(votes, inputs)):
        best, which = left.max(1)
        values[:, place], sources[:, place] = best, which.to(torch.int32)
        left.scatter_(1, which[:, None], -torch.inf)
    sources[values == -torch.inf] = NOBODY
    return values, sources
