"""What layers give for pictures that are being made."""

from collections.abc import Sequence

import torch
from jaxtyping import Float

from fvhooks.hooks import HookedModel
from fvhooks.hooks.compiled import Read
from fvhooks.hooks.probes import layout_of


def look(
    hooked: HookedModel,
    images: Float[torch.Tensor, "picture rgb y x"],
    layers: Sequence[str],
    read: Read | None = None,
) -> dict[str, Float[torch.Tensor, "picture channel position"]]:
    """What the layers give for pictures in [0, 1], as `[picture, channel, position]` in float32."""
    normalized = hooked.preprocessing.normalize(images).to(hooked.dtype)
    found = (read or hooked.read_normalized)(normalized, list(layers)) if layers else {}
    size = (int(images.shape[-2]), int(images.shape[-1]))
    return {name: _as_channels(hooked, name, values, size) for name, values in found.items()}


def _as_channels(
    hooked: HookedModel, layer: str, values: torch.Tensor, size: tuple[int, int]
) -> Float[torch.Tensor, "picture channel position"]:
    return layout_of(hooked, layer, tuple(values.shape), size).to_channels(values).float()
