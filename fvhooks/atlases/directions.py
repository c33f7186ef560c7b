"""Where in weight space a unit points: its row of weights; of a latent, its row of the decoder."""

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.hooks.latents import decoder_rows

_TRANSPOSED = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
_BY_UNIT = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d  # whose weights have a row a unit


def weight_directions(hooked: HookedModel, layer: str) -> Float[np.ndarray, "unit weight"]:
    """What each unit of a layer is made with.

    Args:
        hooked: the model.
        layer: a convolution or a linear layer, or the latents of an autoencoder.

    Raises:
        MissingInputError: a layer without a row of weights for each unit, such as a block or an activation.
    """
    name = hooked.resolve(layer)
    if name in hooked.autoencoders:
        _, rows = decoder_rows(hooked, name, range(hooked.layout(name).channels))
        return np.asarray(rows.detach().float().cpu().numpy())
    module = hooked.modules.get(name)
    weight = getattr(module, "weight", None)
    channels = hooked.layout(name).channels
    if isinstance(module, _TRANSPOSED) and module.groups == 1:
        weight = module.weight.transpose(0, 1)
    elif not isinstance(module, _BY_UNIT):
        weight = None
    if not isinstance(weight, torch.Tensor) or weight.ndim < 2 or weight.shape[0] != channels:
        kind = type(module).__name__
        raise MissingInputError(
            f"Layer {layer!r} ({kind}) has no row of weights for each of its {channels} units. Name the "
            "convolution or linear layer before it, or pass by='classes' or by='images'."
        )
    return np.array(weight.detach().flatten(1).float().cpu().numpy())  # a copy: these are the user's weights
