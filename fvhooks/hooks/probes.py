"""What one forward pass shows of a model: which layers fire, how often, with which shapes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fvhooks.errors import LayerNotFoundError, did_you_mean
from fvhooks.units import Layout


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
