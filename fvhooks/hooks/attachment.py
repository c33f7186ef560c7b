"""`fvhooks.attach`: from a user's model to a `HookedModel`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from fvhooks.errors import UnsupportedModelError
from fvhooks.hooks.adapters import adapter_for
from fvhooks.hooks.base import HookedModel
from fvhooks.hooks.preprocessing import Preprocessing


def attach(
    model: nn.Module | Any,  # noqa: ANN401 - compiled models are callables of other classes
    preprocessing: Any = None,  # noqa: ANN401 - objects of several libraries
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    input_shape: Sequence[int] | None = None,
) -> HookedModel:
    """Make any PyTorch image model observable, without changing it.

    Examples:
        >>> import fvhooks as fv
        >>> hooked = fv.attach(nn.Conv2d(3, 8, 3), mean=[0.5] * 3, std=[0.5] * 3, input_shape=(3, 16, 16))
        >>> hooked
        HookedModel(Conv2d, input_shape=(3, 16, 16), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

    Args:
        model: any `torch.nn.Module` from images to logits; a compiled model is unwrapped.
        preprocessing: a torchvision weights enum or its `transforms()`, a Hugging Face image processor,
            a timm configuration, or a `Preprocessing`. Without it and without `mean` and `std` the model is
            given images in [0, 1] as they are: a normalisation is never guessed.
        mean: per channel, in units of [0, 1].
        std: per channel, in units of [0, 1].
        input_shape: (channels, height, width).

    Returns:
        The model with names for its layers. Nothing is registered on it until it is read.

    Raises:
        UnsupportedModelError: a scripted or data-parallel model, or a preprocessing of unknown kind.
        ImageError: mean, std and input_shape that do not fit together.
    """
    bare = unwrap(model)
    adapter = adapter_for(bare)
    known = Preprocessing.of(preprocessing, mean=mean, std=std, input_shape=input_shape)
    if known.input_shape is None:
        known = replace(known, input_shape=adapter.input_shape(bare))
    return HookedModel(bare, known, adapter)


def unwrap(model: Any) -> nn.Module:  # noqa: ANN401 - the check is what the function is for
    """The bare module inside a compiled one; refuses what hooks cannot reach, with the reason."""
    model = getattr(model, "_orig_mod", model)
    if isinstance(model, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
        reason = "A scripted module runs outside Python and never calls hooks"
        raise UnsupportedModelError(f"{reason}; attach the module it was scripted from.")
    if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        raise UnsupportedModelError(
            f"{type(model).__name__} runs copies of the model; attach the module inside: model.module."
        )
    if not isinstance(model, nn.Module):
        raise UnsupportedModelError(f"Expected a torch.nn.Module, got {type(model).__name__}.")
    return model
