"""What one forward pass shows of a model: which layers fire, how often, with which shapes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fvhooks.errors import LayerNotFoundError, did_you_mean
from fvhooks.hooks.adapters import Adapter
from fvhooks.hooks.addresses import tensors_in
from fvhooks.hooks.taps import borrowed, observed
from fvhooks.units import LOGITS, Layout


def never_fires(name: str, fired: Iterable[str]) -> str:
    """What to say of a module that exists and is never called."""
    fact = f"Layer {name!r} exists but its hook never fires: the model does not call it as a module."
    return f"{fact}{did_you_mean(name, fired)}"


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One layer as a forward pass saw it.

    Args:
        name: how to ask for it.
        kind: class name of its module.
        shape: what it produced for one image, the image axis left out.
        layout: which axis is the channel; None where the output is no map, token sequence or vector.
        order: when it first fired, counting from 0.
        signed: whether any activation was negative.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    layout: Layout | None
    order: int
    signed: bool


@dataclass(frozen=True)
class Probe(Mapping[str, LayerInfo]):
    """The layers that fired, by name, in the order in which they did.

    Args:
        fired: every layer that can be read.
        silent: modules that exist and never ran, such as `out_proj` of `nn.MultiheadAttention`.
    """

    fired: dict[str, LayerInfo]
    silent: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> LayerInfo:
        if name in self.fired:
            return self.fired[name]
        if name in self.silent:
            raise LayerNotFoundError(never_fires(name, self.fired))
        hint = did_you_mean(name, self.fired)
        raise LayerNotFoundError(f"The model has no layer {name!r}.{hint} All names: hooked.layers.")

    def __contains__(self, name: object) -> bool:
        return name in self.fired

    def __iter__(self) -> Iterator[str]:
        return iter(self.fired)

    def __len__(self) -> int:
        return len(self.fired)

    def layout(self, name: str) -> Layout:
        """The layout of a layer.

        Raises:
            LayerNotFoundError: no such layer, or its output has no channels.
        """
        layout = self[name].layout
        if layout is None:
            shape = self[name].shape
            raise LayerNotFoundError(f"Layer {name!r} has no channel axis: it gives {shape} for one image.")
        return layout

    def __str__(self) -> str:
        rows = [
            f"{info.name:40s} {info.kind:20s} {info.layout.kind if info.layout else '':7s}{info.shape}"
            for info in self.values()
        ]
        rows += [f"{name:40s} never fires" for name in self.silent]
        return "\n".join(rows)


def run_probe(model: nn.Module, adapter: Adapter, images: torch.Tensor) -> Probe:
    """Run a model once on normalised images and note everything that it produces."""
    modules = adapter.modules(model)
    found: dict[str, LayerInfo] = {}
    calls: dict[str, int] = {}
    size = (int(images.shape[-2]), int(images.shape[-1]))

    def notice(name: str, output: Any) -> None:  # noqa: ANN401
        call = calls[name] = calls.get(name, -1) + 1
        base = f"{name}#{call}" if call else name
        for path, tensor in tensors_in(output).items():
            full = f"{base}{path}"
            found[full] = _describe(full, type(modules[name]).__name__, tensor, len(found), size, len(images))

    with torch.no_grad(), borrowed(model), observed(modules, notice):
        logits = adapter.logits(model(images))
    found[LOGITS] = _describe(LOGITS, "output", logits, len(found), size, len(images))
    containers = (nn.ModuleList, nn.ModuleDict)
    silent = tuple(n for n in modules if n not in calls and not isinstance(modules[n], containers))
    return Probe(found, silent)


def _describe(
    name: str, kind: str, tensor: torch.Tensor, order: int, size: tuple[int, int], images: int
) -> LayerInfo:
    layout = None
    if 2 <= tensor.ndim <= 4 and tensor.is_floating_point() and len(tensor) == images:
        layout = Layout.of(tuple(tensor.shape), size)
    signed = tensor.is_floating_point() and bool((tensor < 0).any())
    return LayerInfo(name, kind, tuple(tensor.shape[1:]), layout, order, signed)
