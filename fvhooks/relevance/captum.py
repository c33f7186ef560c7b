"""Relevance of inner layers for an output or an inner channel, by any Captum layer attributor."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import nn

from fvhooks.errors import FVHooksError, MissingInputError, NonFiniteError, ShapeError, UnsupportedModelError
from fvhooks.hooks import HookedModel, Probe
from fvhooks.hooks.addresses import Address
from fvhooks.hooks.conversions import shown
from fvhooks.images import as_images, checked_already
from fvhooks.relevance.forms import Attributor, Form, default_attributor
from fvhooks.units import LOGITS, Unit

Target = int | Unit | Sequence[int] | torch.Tensor
"""An output of the model, one an image, or a unit of an inner layer."""


@torch.inference_mode(mode=False)
def attribute(
    hooked: HookedModel,
    images: Shaped[torch.Tensor, "image rgb y x"],
    layers: Iterable[str],
    target: Target,
    *,
    attributor: Attributor | None = None,
    options: Mapping[str, Any] | None = None,
    batch_size: int = 32,
) -> dict[str, Shaped[torch.Tensor, "image ..."]]:
    """How much each activation of some layers contributed to a target, by any attributor.

    The numbers are those of a call by hand on `hooked.module` (or, for an inner unit, on `hooked.trunk`).

    Example:
        >>> import fvhooks as fv
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> hooked = fv.attach(net, input_shape=(3, 8, 8))
        >>> found = attribute(hooked, torch.rand(5, 3, 8, 8), ["0", "1"], target=1)
        >>> {layer: tuple(values.shape) for layer, values in found.items()}
        {'0': (5, 4, 6, 6), '1': (5, 4, 6, 6)}

    Args:
        hooked: the model.
        images: `uint8` or in [0, 1].
        layers: names as in `hooked.layers`. Attributors that take several layers get them in one pass.
        target: an output, one an image, or a `Unit` of an inner layer.
        attributor: a Captum class (default `LayerGradientXActivation`), an attributor made for
            `hooked.module`, or a function; see `fvhooks.relevance.Attributor`.
        options: further arguments of its `attribute`, such as `{"n_steps": 20}`.
        batch_size: images a call, at most.

    Returns:
        A tensor of the layer's shape for each layer, without a gradient. Positive values speak for the
        target, negative ones against it; nothing is rectified or scaled.

    Raises:
        UnsupportedModelError: the attributor refuses the model, in its own words; or belongs to another.
        MissingInputError: a target that the model does not have.
        ShapeError: attributions of another shape than the layer.
        NonFiniteError: NaN or infinite relevance; of which images.
    """
    checked = as_images(images, channels=hooked.preprocessing.channels)
    checked = checked.clone() if checked.is_inference() else checked  # those cannot be differentiated
    form = Form(default_attributor() if attributor is None else attributor, options or {})
    probe = hooked.probe(checked[:1])
    asked = list(layers)
    names = [hooked.resolve(layer) for layer in asked]
    model, index, end = _model_and_index(hooked, target, probe, len(checked))
    addresses = {name: hooked.address(name) for name in names}
    _refuse_earlier_calls(hooked, probe, end, addresses)
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    for start in range(0, len(checked), batch_size):
        part = checked[start : start + batch_size]
        chosen = index[start : start + batch_size] if isinstance(index, torch.Tensor) else index
        for together in [names] if form.takes_lists else [[name] for name in names]:
            found = _call(hooked, form, model, part, {name: addresses[name] for name in together}, chosen)
            for name, values in found.items():
                parts[name].append(_checked(values, name, probe, len(part), form, start))
    whole = {name: torch.cat(values) for name, values in parts.items()}
    return {layer: whole[name] for layer, name in zip(asked, names, strict=True)}


def channel_relevance(
    hooked: HookedModel,
    images: Float[torch.Tensor, "image rgb y x"],
    layer: str,
    channel: int,
    nodes: Sequence[str],
    *,
    attributor: Attributor | None = None,
) -> dict[str, Float[torch.Tensor, "image channel position"]]:
    """`attribute` for the mean activation of one channel, by channel and position.

    Args:
        hooked: the model.
        images: in [0, 1].
        layer: where the channel is.
        channel: the target.
        nodes: the layers to attribute to; the target's own layer may be one of them.
        attributor: as in `attribute`.
    """
    found = attribute(hooked, images, nodes, Unit(layer, channel), attributor=attributor)
    probe = hooked.probe(images[:1])
    return {node: probe.layout(node).to_channels(values).float() for node, values in found.items()}


def _model_and_index(
    hooked: HookedModel, target: Target, probe: Probe, images: int
) -> tuple[nn.Module, int | torch.Tensor, str]:
    """What to attribute through, the output to choose there, and the layer where that ends."""
    if isinstance(target, Unit) and not target.is_logit:
        layer = hooked.resolve(target.layer)
        _check_range(torch.tensor([target.channel]), probe.layout(layer).channels, f"channels of {layer!r}")
        return hooked.trunk(layer, position=target.position), target.channel, layer
    index = torch.as_tensor(target.channel if isinstance(target, Unit) else target)
    if index.is_floating_point() or index.ndim > 1 or (index.ndim == 1 and len(index) != images):
        raise MissingInputError(
            f"Expected target to be an output, one for each of the {images} images, or a Unit, "
            f"got {type(target).__name__} of shape {tuple(index.shape)}."
        )
    _check_range(index, probe[LOGITS].shape[-1], "outputs")
    return hooked.module, int(index) if index.ndim == 0 else index.to(hooked.device), LOGITS


def _check_range(index: torch.Tensor, count: int, what: str) -> None:
    wrong = index.flatten()[(index.flatten() < 0) | (index.flatten() >= count)]
    if len(wrong):
        raise MissingInputError(f"Expected a target from 0 to {count - 1}, the {what}, got {int(wrong[0])}.")


def _refuse_earlier_calls(
    hooked: HookedModel, probe: Probe, end: str, addresses: Mapping[str, Address]
) -> None:
    """Captum keeps what a module's last call gave; an earlier call would silently get its relevance."""
    for node, address in addresses.items():
        same = [info for name, info in probe.items() if hooked.address(name).module == address.module]
        last = max((hooked.address(i.name).call for i in same if i.order <= probe[end].order), default=0)
        if address.call != last:
            raise UnsupportedModelError(
                f"Layer {node!r} is call {address.call} of {last + 1} calls of a module up to {end!r}; "
                "Captum attributors see the last call alone. Match another layer, such as the one around it."
            )


def _call(
    hooked: HookedModel,
    form: Form,
    model: nn.Module,
    images: torch.Tensor,
    nodes: Mapping[str, Address],
    target: int | torch.Tensor,
) -> dict[str, torch.Tensor]:
    layers = [hooked.modules[address.module] for address in nodes.values()]
    try:
        with torch.enable_grad(), checked_already():
            raw = form(model, layers, images, target)
    except FVHooksError:
        raise
    except (TypeError, RuntimeError, AssertionError, AttributeError, KeyError) as error:
        kind = type(hooked.model).__name__
        raise UnsupportedModelError(
            f"{form.name} does not work on {kind} at {', '.join(map(repr, nodes))}: {error}. "
            "Use another attributor; LayerGradientXActivation works on every differentiable model."
        ) from error
    seen = map(shown, layers, raw)
    probe = hooked.probe(images[:1])
    return {
        node: _tensor_of(found, nodes[node], probe[node].shape)
        for node, found in zip(nodes, seen, strict=True)
    }


def _tensor_of(found: Any, address: Address, shape: tuple[int, ...]) -> torch.Tensor:  # noqa: ANN401
    """The tensor of one item of what a module returned, or of a head; Captum unpacks tuples of one."""
    if isinstance(found, torch.Tensor):
        whole = tuple(found.shape[1:]) == shape or not address.items
        return found if whole else address.select(found)
    return address.select(found) if address.items else address.select(found[0])


def _checked(
    raw: torch.Tensor, node: str, probe: Probe, images: int, form: Form, start: int
) -> Shaped[torch.Tensor, "image ..."]:
    expected = (images, *probe[node].shape)
    if tuple(raw.shape) != expected:
        hint = (
            " LayerGradCam sums channels unless options={'attr_dim_summation': False}."
            if "GradCam" in form.name
            else ""
        )
        raise ShapeError(
            f"Expected {form.name} to give relevance of shape {expected} at layer {node!r}, "
            f"got {tuple(raw.shape)}.{hint}"
        )
    values = raw.detach()
    if not bool(torch.isfinite(values).all()):
        bad = (~torch.isfinite(values)).flatten(1).any(1).nonzero().flatten() + start
        raise NonFiniteError(
            f"{form.name}'s relevance at layer {node!r} is NaN or infinite for images {bad.tolist()}."
        )
    return values
