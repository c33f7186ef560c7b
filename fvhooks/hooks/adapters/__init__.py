"""How each kind of model is observed: one adapter a file."""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from fvhooks.registries import Registry
from fvhooks.units import Layout


@runtime_checkable
class Adapter(Protocol):
    """What fvhooks needs to know of a kind of model.

    Args:
        specificity: of several adapters that claim a model the one with the highest observes it.
    """

    specificity: int

    def claims(self, model: nn.Module) -> bool:
        """Whether this adapter knows the model's kind; must not import a library that is not loaded."""
        ...

    def modules(self, model: nn.Module) -> dict[str, nn.Module]:
        """Every module that can be hooked, by the name of its layer, in the model's own order.

        It may answer to aliases too, which iterating does not list.
        """
        ...

    def canonical(self, model: nn.Module, name: str) -> str:
        """The layer name that an alias stands for; any other name as it is."""
        ...

    def logits(self, output: Any) -> torch.Tensor:  # noqa: ANN401
        """The outputs `image output` inside what the model returned."""
        ...

    def layout(self, name: str, shape: tuple[int, ...], image_size: tuple[int, int]) -> Layout | None:
        """How the layer lays out activations of a shape (first axis: images); None without a channel axis."""
        ...

    def advice(self, model: nn.Module, name: str) -> str:
        """How to make a layer fire that exists and did not; empty where nothing helps."""
        ...

    def input_shape(self, model: nn.Module) -> tuple[int, int, int] | None:
        """(channels, height, width) where the model states it itself."""
        ...


ADAPTERS: Registry[Adapter] = Registry("fvhooks.hooks.adapters", "adapter")


def adapter_for(model: nn.Module) -> Adapter:
    """The most specific adapter that claims a model; any module has one."""
    return max((a for a in ADAPTERS.values() if a.claims(model)), key=lambda adapter: adapter.specificity)


__all__ = ["ADAPTERS", "Adapter", "adapter_for"]
