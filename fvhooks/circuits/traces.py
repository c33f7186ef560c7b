"""Several layers of one forward pass at once, in one graph of gradients."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float

from fvhooks.hooks import HookedModel

Values = Float[torch.Tensor, "image _ _"]


@dataclass(frozen=True, eq=False)
class Trace:
    """What layers and outputs gave in one pass; each layer passed on the very tensor that is kept here.

    Args:
        activations: of each layer, part of the graph of those behind it.
        logits: at the end of it.
    """

    activations: Mapping[str, Values]
    logits: Float[torch.Tensor, "image output"]


@torch.inference_mode(mode=False)
def trace(
    hooked: HookedModel,
    images: Float[torch.Tensor, "image rgb y x"],
    layers: Sequence[str],
    replaced: Mapping[str, Callable[[Values], Values]] | None = None,
) -> Trace:
    """Run a model once and keep layers so that any of them can be differentiated by any before it.

    What is only read may be a copy, where the model overwrites it later, and then nothing behind depends on
    it. An edit that changes nothing puts what is kept on the way itself.

    Examples:
        >>> import fvhooks as fv
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(True), torch.nn.Flatten())
        >>> seen = trace(fv.attach(net, input_shape=(3, 8, 8)), torch.rand(2, 3, 8, 8), ["0", "1"])
        >>> torch.autograd.grad(seen.logits.sum(), seen.activations["0"])[0].shape
        torch.Size([2, 4, 36])

    Args:
        hooked: the model.
        images: in [0, 1].
        layers: to keep.
        replaced: what some of them are to pass on instead of their values, which is what is kept of them.
    """
    kept: dict[str, Values] = {}
    changes = replaced or {}

    def keeping(layer: str) -> Callable[[Values], Values]:
        def keep(values: Values) -> Values:
            kept[layer] = changes[layer](values) if layer in changes else values
            return kept[layer]

        return keep

    given = images.detach().clone().requires_grad_()
    with torch.enable_grad(), hooked.edit({layer: keeping(layer) for layer in layers}):
        logits = hooked.module(given)
    return Trace({layer: kept[layer] for layer in layers}, logits)


def gradient(value: Float[torch.Tensor, ""], of: Sequence[Values]) -> list[Values | None]:
    """The gradient of a number by some activations, None where there is no path; more can follow."""
    if not value.requires_grad:
        return [None] * len(of)
    found = torch.autograd.grad(value, list(of), retain_graph=True, allow_unused=True)
    return list(found)
