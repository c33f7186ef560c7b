"""Relevance of inner layers for an output or an inner channel, by any Captum layer attributor."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import nn

from fvhooks.errors import FVHooksError, NonFiniteError, ShapeError, UnsupportedModelError
from fvhooks.hooks import HookedModel, Probe
from fvhooks.hooks.addresses import Address
from fvhooks.hooks.conversions import shown
from fvhooks.images import checked_already
from fvhooks.relevance.forms import Attributions, Attributor, Form
from fvhooks.relevance.inputs import (
    Target,
    batches,
    checked_images,
    checked_layers,
    checked_range,
    checked_target,
    probe_of,
    refuse_earlier_calls,
    refuse_later_layers,
)
from fvhooks.units import LOGITS, Unit


@torch.inference_mode(mode=False)
def attribute(
    hooked: HookedModel,
    images: Shaped[torch.Tensor, "image rgb y x"],
    layers: Iterable[str],
    target: Target | Any,  # noqa: ANN401 - what is no target is refused with advice
    *,
    attributor: Attributor | None = None,
    options: Mapping[str, Any] | None = None,
    batch_size: int = 32,
) -> dict[str, Shaped[torch.Tensor, "image ..."]]:
    """How much each activation of some layers contributed to a target, by any attributor.

    The numbers are those of a call by hand on `hooked.module` (or, for an inner unit, on `hooked.trunk`).

    Examples:
        >>> import fvhooks as fv
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> hooked = fv.attach(net, input_shape=(3, 8, 8))
        >>> found = attribute(hooked, torch.rand(5, 3, 8, 8), ["0", "1"], target=1)
        >>> {layer: tuple(values.shape) for layer, values in found.items()}
        {'0': (5, 4, 6, 6), '1': (5, 4, 6, 6)}

    Args:
        hooked: the model.
        images: `uint8` or in [0, 1].
        layers: one name or several, as in `hooked.layers`; in one pass where the attributor takes a list.
        target: an output, one an image, or a `Unit` of an inner layer.
        attributor: a Captum class (default `LayerGradientXActivation`), an attributor made for
            `hooked.module`, or a function; see `fvhooks.relevance.Attributor`.
        options: further arguments of its `attribute`, such as `{"n_steps": 20}`.
        batch_size: images a call, at most.

    Returns:
        A tensor of the layer's shape for each layer, without a gradient. Positive values speak for the
        target, negative ones against it; nothing is rectified or scaled.

    Raises:
        UnsupportedModelError: the attributor refuses the model, in its own words; belongs to another; or
            is no layer attributor.
        MissingInputError: a target that the model does not have, or a layer behind it; no layer, no batch.
        ImageError: no images, or images of a wrong range, type or channel count.
        ShapeError: attributions of another shape than the layer, or of another number of layers.
        NonFiniteError: NaN or infinite relevance; of which images.
    """
    checked = checked_images(hooked, images)
    checked = checked.clone() if checked.is_inference() else checked  # those cannot be differentiated
    form = Form.of(attributor, options)
    asked = checked_layers(hooked, layers)
    names = list(dict.fromkeys(asked.values()))
    chosen = checked_target(target, len(checked))
    slices = batches(len(checked), batch_size)
    probe = probe_of(hooked, checked)
    model, index, end = _model_and_index(hooked, chosen, probe)
    addresses = {name: hooked.address(name) for name in names}
    refuse_later_layers(hooked, probe, end, addresses)
    refuse_earlier_calls(hooked, probe, end, addresses)
    call = Attribution(hooked, form, model, probe)
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    for part in slices:
        wanted = index[part] if isinstance(index, torch.Tensor) else index
        for together in [names] if form.takes_lists else [[name] for name in names]:
            found = call(checked[part], {name: addresses[name] for name in together}, wanted)
            for name, values in found.items():
                parts[name].append(_checked(values, name, probe, len(checked[part]), form, part.start))
    whole = {name: torch.cat(values) for name, values in parts.items()}
    return {layer: whole[name] for layer, name in asked.items()}


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
    probe = probe_of(hooked, images)
    return {node: probe.layout(node).to_channels(values).float() for node, values in found.items()}


def _model_and_index(
    hooked: HookedModel, target: int | Unit | torch.Tensor, probe: Probe
) -> tuple[nn.Module, int | torch.Tensor, str]:
    """What to attribute through, the output to choose there, and the layer where that ends."""
    if isinstance(target, Unit):
        layer = hooked.resolve(target.layer)
        checked_range(target.channel, probe.layout(layer).channels, f"channels of {layer!r}")
        return hooked.trunk(layer, position=target.position), target.channel, layer
    checked_range(target, probe[LOGITS].shape[-1], "outputs")
    index = target.to(hooked.device) if isinstance(target, torch.Tensor) else target
    return hooked.module, index, LOGITS


@dataclass(frozen=True)
class Attribution:
    """Calls of an attributor on batches of images, and what it says where that fails.

    Args:
        hooked: the model.
        form: the attributor.
        model: what to attribute through.
        probe: what fires for such images.
    """

    hooked: HookedModel
    form: Form
    model: nn.Module
    probe: Probe

    def __call__(
        self, images: torch.Tensor, nodes: Mapping[str, Address], target: int | torch.Tensor | None
    ) -> dict[str, torch.Tensor]:
        """What the attributor gives at some layers, as it gives it: neither shape nor range is checked."""
        layers = [self.hooked.modules[address.module] for address in nodes.values()]
        try:
            with torch.enable_grad(), checked_already():
                raw = self.form(self.model, layers, images, target)
        except FVHooksError:
            raise
        except (TypeError, RuntimeError, AssertionError, AttributeError, KeyError) as error:
            kind = type(self.hooked.model).__name__
            raise UnsupportedModelError(
                f"{self.form.name} does not work on {kind} at {', '.join(map(repr, nodes))}: {error}. "
                "Use another attributor; LayerGradientXActivation works on every differentiable model."
            ) from error
        self._check(raw, list(nodes))
        return {
            node: _tensor_of(shown(layer, found), address, self.probe[node].shape)
            for (node, address), layer, found in zip(nodes.items(), layers, raw, strict=True)
        }

    def _check(self, raw: Attributions, nodes: Sequence[str]) -> None:
        """A tensor a layer, or, for a module that returns several, some tensors."""
        kinds = [type(found).__name__ for found in raw]
        if len(raw) != len(nodes):
            raise ShapeError(
                f"Expected {self.form.name} to give a tensor for each of the {len(nodes)} layers "
                f"{', '.join(map(repr, nodes))}, got {len(raw)} ({', '.join(kinds)}). "
                "Return a list in the layers' order."
            )
        for node, found, kind in zip(nodes, raw, kinds, strict=True):
            parts = found if isinstance(found, (tuple, list)) else [found]
            if not parts or not all(isinstance(part, torch.Tensor) for part in parts):
                raise UnsupportedModelError(
                    f"Expected {self.form.name} to give a tensor at layer {node!r}, got {kind}. "
                    "Return a torch.Tensor of the layer's shape, such as torch.as_tensor(values)."
                )


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
            " LayerGradCam sums channels; give it the option {'attr_dim_summation': False}."
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
