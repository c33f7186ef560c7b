"""Guided back-propagation to inner layers, which Captum has for the input alone."""

from typing import Any

import torch
from captum.attr import LayerGradientXActivation
from captum.log import log_usage
from torch import nn

from fvhooks.errors import UnsupportedModelError
from fvhooks.hooks.rectifiers import Guided, Rectifiers


class LayerGuidedBackprop(LayerGradientXActivation):  # type: ignore[misc]
    """The gradient of a target at inner layers, of which every ReLU lets only the positive part back.

    A Captum layer attributor that takes several layers in one pass and registers nothing on the model's
    ReLUs: functional and reused ones are guided as well.

    Examples:
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
        with Rectifiers(Guided) as guidance:
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
