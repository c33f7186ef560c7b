"""Relevance of inner layers for an inner channel, by any Captum layer attributor."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float

from fvhooks.errors import NonFiniteError, ShapeError, UnsupportedModelError
from fvhooks.hooks import HookedModel
from fvhooks.hooks.addresses import Address
from fvhooks.units import Layout

Attributor = Callable[[torch.nn.Module, Any], Any]
"""What makes a Captum attributor from a model and its layers: a class such as `LayerGradientXActivation`."""


def default_attributor() -> Attributor:
    """`LayerGradientXActivation`: one forward and one backward pass for any number of layers."""
    from captum.attr import LayerGradientXActivation  # noqa: PLC0415 - loads matplotlib

    return LayerGradientXActivation  # type: ignore[no-any-return]


def channel_relevance(
    hooked: HookedModel,
    images: Float[torch.Tensor, "image rgb y x"],
    layer: str,
    channel: int,
    nodes: Sequence[str],
    *,
    attributor: Attributor | None = None,
) -> dict[str, Float[torch.Tensor, "image channel position"]]:
    """How much each activation of some layers contributes to the mean activation of one channel.

    Example:
        >>> import fvhooks as fv
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3))
        >>> hooked = fv.attach(net, input_shape=(3, 8, 8))
        >>> channel_relevance(hooked, torch.rand(5, 3, 8, 8), "2", 1, ["1"])["1"].shape
        torch.Size([5, 4, 36])

    Args:
        hooked: the model.
        images: in [0, 1].
        layer: where the channel is.
        channel: the target.
        nodes: the layers to attribute to; the target's own layer may be one of them.
        attributor: makes a Captum layer attributor from (model, layer); default `LayerGradientXActivation`.

    Returns:
        Signed relevance of each node, without a gradient.

    Raises:
        UnsupportedModelError: the attributor refuses the model; in its own words.
        NonFiniteError: NaN or infinite relevance; of which images.
    """
    make = attributor or default_attributor()
    size = (int(images.shape[-2]), int(images.shape[-1]))
    addresses = {node: Address.parse(hooked.resolve(node)) for node in nodes}
    _refuse_earlier_calls(hooked, layer, addresses)
    raw: dict[str, Any] = {}
    for together in [list(nodes)] if _takes_lists(make) else [[node] for node in nodes]:
        raw |= _attribute(hooked, images, layer, channel, {node: addresses[node] for node in together}, make)
    return {node: _as_channels(found.detach(), node, size, len(images)) for node, found in raw.items()}


def _refuse_earlier_calls(hooked: HookedModel, layer: str, addresses: Mapping[str, Address]) -> None:
    """Captum keeps what a module's last call gave; an earlier call would silently get its relevance."""
    probe = hooked.probe()
    for node, address in addresses.items():
        same = [info for name, info in probe.items() if Address.parse(name).module == address.module]
        last = max((Address.parse(i.name).call for i in same if i.order <= probe[layer].order), default=0)
        if address.call != last:
            raise UnsupportedModelError(
                f"Layer {node!r} is call {address.call} of {last + 1} calls of a module up to {layer!r}; "
                "Captum attributors see the last call alone. Match another layer, such as the one around it."
            )


def _takes_lists(make: Attributor) -> bool:
    """Whether an attributor says of itself that it takes several layers in one pass."""
    layer = inspect.signature(make).parameters.get("layer")
    return layer is not None and "list" in str(layer.annotation).lower()


def _attribute(
    hooked: HookedModel,
    images: Float[torch.Tensor, "image rgb y x"],
    layer: str,
    channel: int,
    nodes: Mapping[str, Address],
    make: Attributor,
) -> dict[str, torch.Tensor]:
    modules = hooked.adapter.modules(hooked.model)
    listed = [modules[address.module] for address in nodes.values()]
    layers = listed if len(listed) > 1 else listed[0]
    try:
        with torch.enable_grad():
            raw = make(hooked.trunk(layer), layers).attribute(images, target=channel)
    except (TypeError, RuntimeError, AssertionError, AttributeError, KeyError) as error:
        name, kind = getattr(make, "__name__", type(make).__name__), type(hooked.model).__name__
        raise UnsupportedModelError(
            f"{name} does not work on {kind} at {', '.join(map(repr, nodes))}: {error}. "
            "Use another attributor; LayerGradientXActivation works on every differentiable model."
        ) from error
    each = raw if len(listed) > 1 else [raw]
    return {
        node: _tensor_of(found, address) for (node, address), found in zip(nodes.items(), each, strict=True)
    }


def _tensor_of(found: Any, address: Address) -> torch.Tensor:  # noqa: ANN401 - a tensor, or one a tuple item
    if isinstance(found, torch.Tensor):
        return found
    return address.select(found) if address.items else address.select(found[0])


def _as_channels(
    raw: torch.Tensor, node: str, size: tuple[int, int], images: int
) -> Float[torch.Tensor, "image channel position"]:
    if len(raw) != images:
        raise ShapeError(
            f"Expected relevance of {images} images at layer {node!r}, got shape {tuple(raw.shape)}."
        )
    values = Layout.of(tuple(raw.shape), size).to_channels(raw).float()
    if not bool(torch.isfinite(values).all()):
        bad = (~torch.isfinite(values)).flatten(1).any(1).nonzero().flatten().tolist()
        raise NonFiniteError(
            f"Relevance at layer {node!r} is NaN or infinite for images {bad} of the batch of {images}."
        )
    return values
