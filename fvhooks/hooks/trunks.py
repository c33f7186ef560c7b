"""Modules around a model that Captum can take as its own."""

import torch
from jaxtyping import Float, Shaped
from torch import nn

from fvhooks.hooks.base import HookedModel
from fvhooks.hooks.latents import spliced
from fvhooks.hooks.probes import layout_of
from fvhooks.hooks.taps import borrowed
from fvhooks.units import LOGITS


class ImagesToLogits(nn.Module):
    """From images in [0, 1] to logits; the user's model is the submodule `model`."""

    def __init__(self, hooked: HookedModel) -> None:
        super().__init__()
        self.model = hooked.model
        self._hooked = (hooked,)  # in a tuple: a HookedModel's cached module would be a cycle of submodules
        self.training = hooked.model.training

    def forward(self, images: Shaped[torch.Tensor, "image rgb y x"]) -> Float[torch.Tensor, "image output"]:
        """Normalise, run in evaluation mode, return the logits."""
        (hooked,) = self._hooked
        with borrowed(self.model), spliced(hooked):
            return hooked.adapter.logits(self.model(hooked.normalize(images, bounded=False)))


class Trunk(nn.Module):
    """From images in [0, 1] to the mean activation of each channel of one layer; the rest is never run.

    Args:
        hooked: the model.
        layer: where it ends.
        position: take each channel there instead of its mean.
    """

    def __init__(self, hooked: HookedModel, layer: str, position: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.model = hooked.model
        self.layer = layer
        self.position = position
        self._hooked = (hooked,)
        self.training = hooked.model.training

    def forward(self, images: Shaped[torch.Tensor, "image rgb y x"]) -> Float[torch.Tensor, "image channel"]:
        """Run up to the layer and average over its positions."""
        (hooked,) = self._hooked
        normalized = hooked.normalize(images, bounded=False)
        activations = hooked.read_normalized(normalized, [self.layer])[self.layer]
        if self.layer == LOGITS:
            return activations
        size = (int(images.shape[-2]), int(images.shape[-1]))
        layout = layout_of(hooked, self.layer, tuple(activations.shape), size)
        channels = layout.to_channels(activations)
        return channels.mean(-1) if self.position is None else channels[..., layout.index(self.position)]
