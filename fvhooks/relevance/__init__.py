"""How much of the flow to a target passes each channel."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fvhooks.relevance.captum import attribute
    from fvhooks.relevance.flow import FlowLRP
    from fvhooks.relevance.forms import Attributor
    from fvhooks.relevance.guided import LayerGuidedBackprop

_LAZY = {  # captum loads matplotlib
    "Attributor": "forms",
    "FlowLRP": "flow",
    "LayerGuidedBackprop": "guided",
    "attribute": "captum",
}

__all__ = ["Attributor", "FlowLRP", "LayerGuidedBackprop", "attribute"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name in _LAZY:
        return getattr(import_module(f"fvhooks.relevance.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'fvhooks.relevance' has no attribute {name!r}")
