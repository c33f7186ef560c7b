"""How much of the picture a position of a layer sees."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.relevance.inputs import probe_of
from fvhooks.store.examples import Field, Statistics
from fvhooks.units import LOGITS, Unit

_MASS = 0.95  # of the gradient: what lies beyond hardly matters, though it can be far wider
_SEEN = 4  # images over which receptive fields are averaged


def receptive_fields(
    hooked: HookedModel, layers: Sequence[str], images: Float[torch.Tensor, "image rgb y x"]
) -> dict[str, Field]:
    """The window around the middle position of each layer that holds 95 % of its gradient to the picture.

    Examples:
        >>> from torch import nn
        >>> from fvhooks.hooks import attach
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(1024, 2)).eval()
        >>> hooked = attach(model, mean=[0, 0, 0], std=[1, 1, 1], input_shape=(3, 16, 16))
        >>> receptive_fields(hooked, ["0"], torch.rand(1, 3, 16, 16))
        {'0': (0.1875, 0.1875)}

    Args:
        hooked: the model.
        layers: where the positions are; the logits see all of it.
        images: over which it is averaged.
    """
    found: dict[str, Field] = dict.fromkeys(layers, (1.0, 1.0))
    inner = [layer for layer in layers if layer != LOGITS]
    if not inner:
        return found
    probe = probe_of(hooked, images)
    pictures = images.detach().clone().requires_grad_()
    with torch.enable_grad():
        read = hooked.read(pictures, inner)
        for layer in inner:
            layout = probe.layout(layer)
            if layout.grid == (1, 1):
                continue
            middle = layout.index((layout.grid[0] // 2, layout.grid[1] // 2))
            seen = layout.to_channels(read[layer])[..., middle]
            signs = torch.arange(seen.shape[1], device=seen.device) % 2 * 2 - 1  # channels must not cancel
            (slope,) = torch.autograd.grad((seen * signs).sum(), pictures, retain_graph=True)
            mass = slope.abs().sum((0, 1)).cpu().double().numpy()
            centre = [(place // 2 + 0.5) / place for place in layout.grid]
            found[layer] = _span(mass.sum(1), centre[0]), _span(mass.sum(0), centre[1])
    return found


def fields_of(store: Statistics, hooked: HookedModel, units: Sequence[Unit]) -> dict[str, Field]:
    """What positions of the layers of some units see, over some of the store's own images.

    Args:
        store: whose images; nothing is known where no data set is attached to it.
        hooked: the model.
        units: whose layers.
    """
    if not units:
        return {}
    try:
        seen = store.images(store.top_images(units[0], k=_SEEN)["id"].values)
    except MissingInputError:
        return {}
    return receptive_fields(hooked, list(dict.fromkeys(unit.layer for unit in units)), seen)


def _span(mass: Float[np.ndarray, " place"], centre: float) -> float:
    """The share of an axis, around the centre, that holds most of a mass."""
    places = np.arange(len(mass))
    away = np.abs(places - (centre * len(mass) - 0.5))
    order = np.argsort(away, kind="stable")
    held = np.cumsum(mass[order])
    if held[-1] <= 0:
        return 1.0
    enough = int(np.searchsorted(held, _MASS * held[-1]))
    return float(min(1.0, (2 * away[order[min(enough, len(order) - 1)]] + 1) / len(mass)))
