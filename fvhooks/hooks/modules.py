"""Any `torch.nn.Module`: layers are its submodules, logits are its output."""

from typing import Any

import torch
from torch import nn

from fvhooks.errors import UnsupportedModelError
from fvhooks.hooks.addresses import tensors_in


class ModuleAdapter:
    """How an ordinary module is observed.

    An adapter is two methods: `modules` names what can be hooked, `logits` finds the outputs in what the
    model returns.
    """

    def modules(self, model: nn.Module) -> dict[str, nn.Module]:
        """Every module that can be hooked, by its name, in the model's own order."""
        found: dict[str, nn.Module] = {}
        for name, module in model.named_modules():
            if name:  # a compiled child holds the user's module as `_orig_mod`
                found.setdefault(name.replace("._orig_mod", ""), module)
        return found

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
