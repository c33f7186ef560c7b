"""Guided back-propagation to inner layers, which Captum has for the input alone."""

from collections.abc import Callable
from typing import Any

import torch
from captum.attr import LayerGradientXActivation
from captum.log import log_usage
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.overrides import TorchFunctionMode

from fvhooks.errors import UnsupportedModelError

_IN_PLACE = frozenset({torch.relu_, torch.Tensor.relu_, F.relu_})
_RELUS = _IN_PLACE | {torch.relu, torch.Tensor.relu, F.relu}


class _Guided(torch.autograd.Function):
    """A ReLU that lets only positive gradients back."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        fired = x.clamp(min=0)
        ctx.save_for_backward(fired)
        return fired

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        (fired,) = ctx.saved_tensors
        return torch.where(fired > 0, gradients[0].clamp(min=0), 0.0)


class _Guidance(TorchFunctionMode):
    """While it is entered, every ReLU is guided, that of a function too."""

    def __init__(self) -> None:
        super().__init__()
        self.met = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - torch's signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Run one operation, a ReLU with another way back."""
        given = kwargs or {}
        if func not in _RELUS:
            return func(*args, **given)
        self.met += 1
        x = args[0] if args else given["input"]
        fired = _Guided.apply(x)
        overwrites = func in _IN_PLACE or given.get("inplace", any(args[1:2]))
        return x.copy_(fired) if overwrites else fired  # whoever reads the input later sees it changed


class LayerGuidedBackprop(LayerGradientXActivation):  # type: ignore[misc]
    """The gradient of a target at inner layers, of which every ReLU lets only the positive part back.

    A Captum layer attributor that takes several layers in one pass and registers nothing on the model's
    ReLUs: functional and reused ones are guided as well.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> found = LayerGuidedBackprop(net, [net[0], net[1]]).attribute(torch.rand(5, 3, 8, 8), target=1)
        >>> [bool((part >= 0).all()) for part in found]
        [True, True]

    Args:
        model: any module whose output is a tensor, such as `hooked.module` or `hooked.trunk(layer)`.
        layer: the module, or modules, to attribute to.
    """

    def __init__(self, model: nn.Module, layer: nn.Module | list[nn.Module]) -> None:
        super().__init__(model, layer, multiply_by_inputs=False)

    @log_usage()  # type: ignore[untyped-decorator]
    def attribute(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - Captum's
        """As of `LayerGradientXActivation`; what speaks against the target is zero.

        Raises:
            UnsupportedModelError: no ReLU ran, so that there is nothing to guide.
        """
        with _Guidance() as guidance:
            found = super().attribute(*args, **options)
        if not guidance.met:
            raise UnsupportedModelError(
                "Guided back-propagation changes what ReLUs let back, and none ran in "
                f"{type(self.forward_func).__name__}. Use LayerGradientXActivation."
            )
        return _positive(found)


def _positive(found: Any) -> Any:  # noqa: ANN401 - Captum's forms of a result
    if isinstance(found, torch.Tensor):
        return found.clamp(min=0)
    return type(found)(_positive(part) for part in found)
