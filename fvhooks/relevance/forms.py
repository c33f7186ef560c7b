"""The forms in which users bring an attributor, and how each is called."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from fvhooks.errors import UnsupportedModelError
from fvhooks.hooks.trunks import ImagesToLogits, Trunk

Attributor = Any
"""What says how much each activation of a layer contributed to a target. One of:

- a Captum layer attributor's class, or any `make(model, layer)` that gives an object with `attribute`, such
  as `lambda model, layer: NoiseTunnel(LayerGradientXActivation(model, layer))`;
- such an object itself, made for `hooked.module` or a trunk and for the layers asked for;
- a function `(model, layers, images, target)` that gives a tensor a layer, for other libraries.
"""

Attributions = list[Any]
"""A tensor a layer, or what Captum returns for a layer with several outputs."""


_ONE_BY_ONE = frozenset({"LayerIntegratedGradients"})
"""They take a list, and replace all of its layers at once, which cuts a layer off from one behind it."""


def default_attributor() -> Attributor:
    """`LayerGradientXActivation`: one forward and one backward pass for any number of layers."""
    from captum.attr import LayerGradientXActivation  # noqa: PLC0415 - loads matplotlib

    return LayerGradientXActivation


@dataclass(frozen=True)
class Form:
    """An attributor, ready to be called.

    Args:
        given: as the user brought it.
        options: further arguments of its `attribute`, such as `n_steps`.
    """

    given: Attributor
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Attributor | None, options: Mapping[str, Any] | None) -> "Form":
        """What was asked for, or the default attributor."""
        return cls(default_attributor() if given is None else given, options or {})

    def __post_init__(self) -> None:
        if not self.is_bound and not callable(self.given):
            raise UnsupportedModelError(
                f"Expected an attributor: a Captum class, an object with `attribute`, or a function, got "
                f"{type(self.given).__name__} {self.given!r}. Pass the class itself, such as "
                "captum.attr.LayerIntegratedGradients."
            )
        self._refuse_other_kinds(self._inner)

    @property
    def _inner(self) -> Any:  # noqa: ANN401
        return self.given.func if isinstance(self.given, partial) else self.given

    @property
    def name(self) -> str:
        """What to call it."""
        return getattr(self._inner, "__name__", type(self._inner).__name__)

    @property
    def is_bound(self) -> bool:
        """Whether it was made for a model and a layer already."""
        return hasattr(self.given, "attribute") and not inspect.isclass(self.given)

    @property
    def takes_lists(self) -> bool:
        """Whether it says of itself that it takes several layers in one pass."""
        if self.is_bound:
            return isinstance(getattr(_innermost(self.given), "layer", None), (list, tuple))
        if self.is_direct:
            return True
        if self.name in _ONE_BY_ONE:
            return False
        layer = inspect.signature(self.given).parameters.get("layer")
        return layer is not None and "list" in str(layer.annotation).lower()

    @property
    def is_direct(self) -> bool:
        """Whether it is a function of model, layers, images and target."""
        if inspect.isclass(self._inner):
            return False
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = inspect.signature(self.given).parameters.values()
        return sum(p.kind in kinds and p.default is p.empty for p in parameters) == 4

    def __call__(
        self,
        model: nn.Module,
        layers: Sequence[nn.Module],
        images: torch.Tensor,
        target: Any,  # noqa: ANN401
    ) -> Attributions:
        """The attributions of some images at some modules, in their order."""
        together: Any = list(layers) if len(layers) > 1 else layers[0]
        if self.is_bound:
            self._check_binding(model, layers)
            several = isinstance(_innermost(self.given).layer, (list, tuple))
            raw = self.given.attribute(images, target=target, **self.options)
        elif self.is_direct:
            raw = self.given(model, list(layers), images, target, **self.options)
            several = isinstance(raw, (list, tuple))
        else:
            several = len(layers) > 1
            made = self.given(model, together)
            self._refuse_other_kinds(made)
            raw = made.attribute(images, target=target, **self.options)
            several = several and isinstance(raw, (list, tuple))
        return list(raw) if several else [raw]

    def _refuse_other_kinds(self, attributor: Any) -> None:  # noqa: ANN401
        """Captum has attributors of inputs and of neurons too; some take a layer for another argument."""
        from captum.attr import Attribution, LayerAttribution  # noqa: PLC0415 - loads matplotlib

        inner = _innermost(attributor)
        kind = inner if inspect.isclass(inner) else type(inner)
        foreign = issubclass(kind, Attribution) and not issubclass(kind, LayerAttribution)
        if foreign or (self.is_bound and not hasattr(inner, "layer")):
            raise UnsupportedModelError(
                f"Expected a layer attributor such as LayerIntegratedGradients, got {kind.__name__}, which "
                "attributes to no layer. Pass Captum's attributor for layers; a NoiseTunnel goes around one: "
                "lambda model, layer: NoiseTunnel(LayerGradientXActivation(model, layer))."
            )

    def _check_binding(self, model: nn.Module, layers: Sequence[nn.Module]) -> None:
        inner = _innermost(self.given)
        own = getattr(inner, "forward_func", getattr(inner, "model", None))
        if not _same_model(own, model):
            raise UnsupportedModelError(
                f"{self.name} was made for another model ({type(own).__name__}). Make it for "
                f"{_wanted(model)}, or pass its class."
            )
        bound = inner.layer if isinstance(inner.layer, (list, tuple)) else [inner.layer]
        if [id(module) for module in bound] != [id(module) for module in layers]:
            raise UnsupportedModelError(
                f"{self.name} was made for other layers ({', '.join(type(m).__name__ for m in bound)}) than "
                "those asked for. Ask for its own layers in their order, or pass its class."
            )


def _innermost(attributor: Any) -> Any:  # noqa: ANN401
    """The attributor inside a `NoiseTunnel`."""
    while hasattr(attributor, "attribution_method"):
        attributor = attributor.attribution_method
    return attributor


def _same_model(own: Any, wanted: nn.Module) -> bool:  # noqa: ANN401
    if isinstance(own, Trunk) and isinstance(wanted, Trunk):
        return own.model is wanted.model and (own.layer, own.position) == (wanted.layer, wanted.position)
    if isinstance(own, ImagesToLogits) and isinstance(wanted, ImagesToLogits):
        return own.model is wanted.model
    return own is wanted


def _wanted(model: nn.Module) -> str:
    if not isinstance(model, Trunk):
        return "hooked.module, which takes images in [0, 1]"
    place = "" if model.position is None else f", position={model.position}"
    return f"hooked.trunk({model.layer!r}{place})"
