"""`fvhooks.attach`: from a user's model to a `HookedModel`."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fvhooks.hooks.base import HookedModel
from fvhooks.hooks.modules import ModuleAdapter, unwrap
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

    Example:
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
    known = Preprocessing.of(preprocessing, mean=mean, std=std, input_shape=input_shape)
    if known.input_shape is None:
        known = Preprocessing(known.mean, known.std, _shape_of(bare), known.resize)
    return HookedModel(bare, known, ModuleAdapter())


def _shape_of(model: nn.Module) -> tuple[int, int, int] | None:
    """The input shape that a Hugging Face or timm model states itself."""
    config = getattr(model, "config", None)
    side, channels = getattr(config, "image_size", None), getattr(config, "num_channels", None)
    if isinstance(side, int) and isinstance(channels, int):
        return channels, side, side
    stated = getattr(model, "pretrained_cfg", None) or {}
    size = stated.get("input_size") if isinstance(stated, dict) else None
    return tuple(int(n) for n in size) if size and not isinstance(size, torch.Tensor) else None  # type: ignore[return-value]
