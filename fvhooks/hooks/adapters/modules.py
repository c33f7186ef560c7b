"""Any `torch.nn.Module`: layers are its submodules, logits are its output."""

from typing import Any

import torch
from torch import nn

from fvhooks.errors import UnsupportedModelError
from fvhooks.hooks.adapters import ADAPTERS
from fvhooks.hooks.addresses import tensors_in
from fvhooks.units import Layout


class ModuleAdapter:
    """How an ordinary module is observed; the adapter of everything that no other claims."""

    specificity = 0

    def claims(self, model: nn.Module) -> bool:  # noqa: ARG002 - the protocol's
        """Any module."""
        return True

    def modules(self, model: nn.Module) -> dict[str, nn.Module]:
        """Every module that can be hooked, by its name, in the model's own order."""
        found: dict[str, nn.Module] = {}
        for name, module in model.named_modules():
            if name:  # a compiled child holds the user's module as `_orig_mod`
                found.setdefault(name.replace("._orig_mod", ""), module)
        return found

    def canonical(self, model: nn.Module, name: str) -> str:  # noqa: ARG002 - the protocol's
        """The name itself: dotted paths have no aliases."""
        return name

    def layout(self, name: str, shape: tuple[int, ...], image_size: tuple[int, int]) -> Layout | None:  # noqa: ARG002
        """What the shape says."""
        return Layout.of(shape, image_size) if 2 <= len(shape) <= 4 else None

    def advice(self, model: nn.Module, name: str) -> str:  # noqa: ARG002 - the protocol's
        """None: which modules a model calls is its own code."""
        return ""

    def input_shape(self, model: nn.Module) -> tuple[int, int, int] | None:
        """What a Hugging Face or timm model states."""
        config = getattr(model, "config", None)
        side, channels = getattr(config, "image_size", None), getattr(config, "num_channels", None)
        if isinstance(side, (list, tuple)) and len(side) == 2 and isinstance(channels, int):
            return channels, int(side[0]), int(side[1])
        if isinstance(side, int) and isinstance(channels, int):
            return channels, side, side
        stated = getattr(model, "pretrained_cfg", None) or {}
        size = stated.get("input_size") if isinstance(stated, dict) else None
        return (int(size[0]), int(size[1]), int(size[2])) if size else None

    def logits(self, output: Any) -> torch.Tensor:  # noqa: ANN401
        """The model's outputs `image output` inside what its forward pass returned."""
        if isinstance(output, torch.Tensor):
            return output
        logits = output.get("logits") if isinstance(output, dict) else getattr(output, "logits", None)
        if isinstance(logits, torch.Tensor):
            return logits
        tensors = tensors_in(output)
        flat = [tensor for tensor in tensors.values() if tensor.ndim == 2]
        if len(flat) == 1 or (flat and isinstance(output, tuple)):
            return flat[0]  # (logits, auxiliary, …), as torchvision's Inception returns
        found = (
            ", ".join(f"{path or 'the output'} {tuple(tensor.shape)}" for path, tensor in tensors.items())
            or "no tensor"
        )
        raise UnsupportedModelError(
            f"Cannot tell which output of the model holds its logits. Found {found}. "
            "Wrap the model in a module that returns them as one tensor (image, output)."
        )


ADAPTERS.register("modules")(ModuleAdapter())
