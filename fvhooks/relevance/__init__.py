"""How much of the flow to a target passes each channel."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fvhooks.relevance.flow import FlowLRP

__all__ = ["FlowLRP"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name in __all__:  # captum loads matplotlib, so it comes when first used
        return getattr(import_module("fvhooks.relevance.flow"), name)
    raise AttributeError(f"module 'fvhooks.relevance' has no attribute {name!r}")
