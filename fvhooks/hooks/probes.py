"""What one forward pass shows of a model: which layers fire, how often, with which shapes."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import nn

from fvhooks.errors import LayerNotFoundError, did_you_mean
from fvhooks.hooks.addresses import tensors_in
from fvhooks.hooks.latents import spliced
from fvhooks.hooks.taps import borrowed, observed
from fvhooks.units import LOGITS, Layout

if TYPE_CHECKING:
    from fvhooks.hooks.base import HookedModel


def grey_noise(size: tuple[int, ...]) -> Float[torch.Tensor, "image rgb y x"]:
    """Two images to try a model with, always the same: around grey, so that layers show their signs."""
    return 0.5 + 0.2 * torch.randn(2, *size, generator=torch.Generator().manual_seed(0)).clamp(-2, 2)


def never_fires(name: str, fired: Iterable[str], advice: str = "") -> str:
    """What to say of a module that exists and is never called."""
    reason = advice or "the model does not call it as a module."
    return f"Layer {name!r} exists but its hook never fires: {reason}{did_you_mean(name, fired)}"


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
        advice: how to make some of the silent ones fire, by name.
        canonical: the layer name that an alias stands for; any other name as it is.
    """

    fired: dict[str, LayerInfo]
    silent: tuple[str, ...] = ()
    advice: Mapping[str, str] = field(default_factory=dict)
    canonical: Callable[[str], str] = str

    def __getitem__(self, name: str) -> LayerInfo:
        info = self._find(name)
        if info is not None:
            return info
        raise LayerNotFoundError(self.why_missing(name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def _find(self, name: str) -> LayerInfo | None:
        """A layer that fired, by its own name or an alias, or one head of it."""
        known = name if name in self.fired else self.canonical(name)
        if known in self.fired:
            return self.fired[known] if known == name else replace(self.fired[known], name=name)
        layer, _, item = known.removesuffix("]").rpartition("[")
        whole = self.fired.get(layer)
        if whole is None or whole.layout is None or whole.layout.kind != "heads":
            return None
        if not item.isdecimal() or int(item) >= whole.layout.heads:
            return None
        return replace(whole, name=name, shape=whole.shape[::2], layout=whole.layout.head())

    def why_missing(self, name: str) -> str:
        """What to say of a layer that is not among those that fired, and what to ask for instead."""
        known = self.canonical(name)
        module = re.split(r"[#\[]", known)[0]
        if known in self.silent or module in self.silent:
            return never_fires(name, self.fired, self.advice.get(module, ""))
        whole = self.fired.get(module)
        if whole is not None and whole.layout is not None and whole.layout.kind == "heads":
            return f"Layer {name!r} does not exist: {module!r} has {whole.layout.heads} heads, from [0]."
        calls = [fired for fired in self.fired if re.split(r"[#\[]", fired)[0] == module]
        if calls:
            return f"Layer {name!r} does not exist; the module runs as {', '.join(map(repr, calls))}."
        return f"The model has no layer {name!r}.{did_you_mean(name, self.fired)} All names: hooked.layers."

    def __iter__(self) -> Iterator[str]:
        return iter(self.fired)

    def __len__(self) -> int:
        return len(self.fired)

    def layout(self, name: str) -> Layout:
        """The layout of a layer.

        Raises:
            LayerNotFoundError: no such layer, or its output has no channels.
        """
        info = self[name]
        return _with_channels(info.layout, name, info.shape)

    def __str__(self) -> str:
        rows = [
            f"{info.name:40s} {info.kind:20s} {info.layout.kind if info.layout else '':7s}{info.shape}"
            for info in self.values()
        ]
        rows += [f"{name:40s} never fires" for name in self.silent]
        return "\n".join(rows)


def layout_of(
    hooked: "HookedModel", layer: str, shape: tuple[int, ...], image_size: tuple[int, int]
) -> Layout:
    """The layout of what a layer gave for images of that size, which need not be those of the probe.

    Args:
        hooked: the model.
        layer: its name.
        shape: of what it gave (first axis: images).
        image_size: height and width of the images.

    Raises:
        LayerNotFoundError: there are no channels.
    """
    return _with_channels(hooked.adapter.layout(layer, shape, image_size), layer, shape[1:])


def _with_channels(layout: Layout | None, layer: str, shape: tuple[int, ...]) -> Layout:
    if layout is None:
        raise LayerNotFoundError(
            f"Layer {layer!r} has no channel axis: it gives {shape} for one image. It can be read, and has "
            "no units; hooked.probe() shows the layers that have."
        )
    return layout


def run_probe(hooked: "HookedModel", images: torch.Tensor) -> Probe:
    """Run a model once on normalised images and note everything that it produces."""
    model, adapter, modules = hooked.model, hooked.adapter, hooked.modules
    found: dict[str, LayerInfo] = {}
    calls: dict[str, int] = {}
    size = (int(images.shape[-2]), int(images.shape[-1]))

    def describe(name: str, kind: str, tensor: torch.Tensor) -> LayerInfo:
        layout, numbers = None, tensor.is_floating_point()
        if numbers and tensor.ndim >= 2 and len(tensor) == len(images):
            layout = adapter.layout(name, tuple(tensor.shape), size)
        signed = numbers and bool((tensor < 0).any())
        return LayerInfo(name, kind, tuple(tensor.shape[1:]), layout, len(found), signed)

    def notice(name: str, output: Any) -> None:  # noqa: ANN401
        call = calls[name] = calls.get(name, -1) + 1
        base = f"{name}#{call}" if call else name
        for path, tensor in tensors_in(output).items():
            full = f"{base}{path}"
            found[full] = describe(full, type(modules[name]).__name__, tensor)

    with torch.no_grad(), borrowed(model), observed(modules, notice), spliced(hooked):
        logits = adapter.logits(model(images))
    found[LOGITS] = describe(LOGITS, "output", logits)
    containers = (nn.ModuleList, nn.ModuleDict)
    silent = tuple(n for n in modules if n not in calls and not isinstance(modules[n], containers))
    advice = {name: said for name in silent if (said := adapter.advice(model, name))}
    return Probe(found, silent, advice, partial(adapter.canonical, model))
