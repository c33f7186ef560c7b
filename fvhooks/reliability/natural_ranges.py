"""The range of every channel among some real images, and a network that is held to it.

A picture may drive a unit by ways that no real image of the unit's kind takes. Held to the ranges of those
images at every layer before the unit, such ways are shut, wherever in the network they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from math import prod

import torch
from jaxtyping import Float

from fvhooks.hooks import HookedModel
from fvhooks.hooks.edits import Target, Value
from fvhooks.hooks.probes import layout_of
from fvhooks.units import LOGITS

_BYTES = 2**28  # of activations of one batch
_BATCH = 64

Values = Float[torch.Tensor, "image channel"]
Bounds = Float[torch.Tensor, " channel"]


@dataclass(frozen=True)
class Extremes:
    """The lowest and the highest value of each channel in each image, by layer.

    Args:
        low: over all positions.
        high: over all positions; the same tensor's values where a layer has one position.
    """

    low: Mapping[str, Values]
    high: Mapping[str, Values]


@dataclass(frozen=True)
class Ranges:
    """Where each channel may lie, by layer.

    Examples:
        >>> from fvhooks.demo import load_network
        >>> hooked = load_network()
        >>> shut = Ranges({"stage1": torch.zeros(8)}, {"stage1": torch.zeros(8)})
        >>> with torch.no_grad(), shut.hold(hooked):  # doctest: +SKIP
        ...     hooked.read(images, ["stage2"])

    Args:
        low: the lowest value.
        high: the highest; never below it.
    """

    low: Mapping[str, Bounds]
    high: Mapping[str, Bounds]

    def hold(self, hooked: HookedModel) -> AbstractContextManager[object]:
        """Clip every channel to its range while the block runs the model."""
        edits: dict[Target, Value] = {
            layer: partial(_clip, self.low[layer], high) for layer, high in self.high.items()
        }
        return hooked.edit(edits) if edits else nullcontext()

    def at(self, layers: Sequence[str]) -> "Ranges":
        """The ranges at some layers alone."""
        known = [layer for layer in layers if layer in self.high]
        return Ranges({name: self.low[name] for name in known}, {name: self.high[name] for name in known})

    def widened(self, other: "Ranges") -> "Ranges":
        """What lies in either range, at the layers of this one."""
        low = {name: torch.minimum(values, other.low[name]) for name, values in self.low.items()}
        return Ranges(
            low, {name: torch.maximum(values, other.high[name]) for name, values in self.high.items()}
        )


def _clip(low: Bounds, high: Bounds, values: torch.Tensor) -> torch.Tensor:
    """`[image, channel, position]` inside the ranges; NaN stays NaN, for the check to see."""
    return values.clamp(low.to(values)[:, None], high.to(values)[:, None])


def layers_before(hooked: HookedModel, layer: str, image: Float[torch.Tensor, "rgb y x"]) -> list[str]:
    """Every layer with channels that fires before a layer, in network order, each tensor once.

    A block often returns the very tensor of its last module: clipped there, it is clipped for both. What
    the layer itself returns is left out by all its names.

    Args:
        hooked: the model.
        layer: where the way ends.
        image: of the size to come.
    """
    probe = hooked.probe(image[None])
    last = probe[layer].order
    names = [name for name, info in probe.items() if info.order < last and info.layout and name != LOGITS]
    with torch.no_grad():
        seen = hooked.read(image[None], [layer, *names])
    first: dict[object, str] = {}
    for name, values in seen.items():
        first.setdefault((values.data_ptr(), values.shape, values.stride()), name)
    return [name for name in first.values() if name != layer]


def extremes_of(
    hooked: HookedModel, activations: Mapping[str, torch.Tensor], images: Float[torch.Tensor, "image rgb y x"]
) -> Extremes:
    """The extremes of each channel in each image.

    Args:
        hooked: the model.
        activations: what its layers gave.
        images: for these.
    """
    low: dict[str, torch.Tensor] = {}
    high: dict[str, torch.Tensor] = {}
    shown = (int(images.shape[-2]), int(images.shape[-1]))
    for layer, values in activations.items():
        channels = layout_of(hooked, layer, tuple(values.shape), shown).to_channels(values)
        ends = torch.aminmax(channels, dim=-1)
        low[layer], high[layer] = ends.min.float().cpu(), ends.max.float().cpu()
    return Extremes(low, high)


def read_extremes(hooked: HookedModel, layers: Sequence[str], images: Iterable[torch.Tensor]) -> Extremes:
    """The extremes of each channel in each image, at all layers in one pass.

    Args:
        hooked: the model.
        layers: where.
        images: batches `image rgb y x`; each is cut so that its activations stay small.
    """
    if not layers:
        return Extremes({}, {})
    numbers = sum(prod(hooked.probe()[layer].shape) for layer in layers)
    size = max(1, min(_BATCH, _BYTES // (4 * numbers)))
    parts = []
    for batch in (part for images_ in images for part in torch.split(images_, size)):
        with torch.no_grad():
            parts.append(extremes_of(hooked, hooked.read(batch, layers), batch))
    lows, highs = (
        {name: torch.cat([getattr(part, end)[name] for part in parts]) for name in layers}
        for end in ("low", "high")
    )
    return Extremes(lows, highs)


def ranges_among(images: Extremes, level: float) -> Ranges:
    """The range that a share of images stay within, at either end, channel by channel.

    Args:
        images: whose range.
        level: the share, such as 0.999.
    """
    low = {layer: torch.quantile(values, 1 - level, dim=0) for layer, values in images.low.items()}
    return Ranges(low, {layer: torch.quantile(values, level, dim=0) for layer, values in images.high.items()})


def silent_channels(images: Extremes) -> Ranges:
    """The one value of each channel that has but one on all images; no bounds for the others."""
    low, high = {}, {}
    for layer, highs in images.high.items():
        value = highs[0]
        silent = (highs == value).all(0) & (images.low[layer] == value).all(0)
        if silent.any():
            low[layer] = torch.where(silent, value, -torch.inf)
            high[layer] = torch.where(silent, value, torch.inf)
    return Ranges(low, high)
