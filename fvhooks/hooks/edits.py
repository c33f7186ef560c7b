"""Interventions: what a unit would have been replaced by, while a block runs the model."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float

from fvhooks.errors import MissingInputError, ShapeError, UnsupportedModelError
from fvhooks.hooks.latents import image_sizes, spliced
from fvhooks.hooks.probes import LayerInfo, layout_of
from fvhooks.hooks.taps import at_start, rewritten, uncompiled
from fvhooks.units import LOGITS, Direction, Layout, Unit

if TYPE_CHECKING:
    from fvhooks.hooks.base import HookedModel

Values = Float[torch.Tensor, "image ..."]
Target = Unit | Direction | str
"""A unit, a direction, or the name of a layer, which means all of it."""

Value = float | int | str | torch.Tensor | Callable[[Values], Values]
"""A number, "mean", "resample", values that broadcast, or a function of the values that were there."""


@contextmanager
def edited(
    hooked: "HookedModel", edits: Mapping[Target, Value], means: Mapping[str, torch.Tensor]
) -> Iterator[None]:
    """Replace units while the block runs; see `HookedModel.edit`.

    Args:
        hooked: the model.
        edits: what to replace by what.
        means: of each channel of some layers, by layer; where a layer is missing "mean" is the batch's.
    """
    by_layer: dict[str, list[tuple[Target, Value]]] = {}
    for target, value in edits.items():
        layer = layer_of(target)
        if layer == LOGITS:
            raise UnsupportedModelError(
                "The logits are what the model returns, no module's output; edit the layer that makes them."
            )
        by_layer.setdefault(hooked.resolve(layer), []).append((target, value))
    for layer, targets in by_layer.items():
        _check(hooked, layer, targets)
    known = {layer: hooked.probe()[layer] for layer in by_layer}  # before anything is edited
    sizes: list[tuple[int, int]] = []

    def notice(given: list[Any]) -> None:
        sizes[:] = image_sizes(given)

    def rewrite(layer: str, activations: torch.Tensor) -> torch.Tensor:
        layout = _layout(hooked, known[layer], tuple(activations.shape), sizes)
        channels = layout.to_channels(activations).clone()
        for target, value in by_layer[layer]:
            if isinstance(target, str) and callable(value):
                # a copy: the model may overwrite what it is given, which would be the caller's own tensor
                channels = _new(value, channels, None).clone()
            else:
                _replace(channels, layout, target, value, means.get(layer))
        return layout.from_channels(channels).to(activations.dtype)

    names = {layer: hooked.address(layer) for layer in by_layer}
    with (
        at_start(hooked.model, notice),
        rewritten(hooked.modules, names, rewrite, model=hooked.model),
        spliced(hooked),
        uncompiled(),
    ):
        yield


def checked(edits: Mapping[Any, Any]) -> dict[Target, Value]:
    """The edits, once each of them is from a target to a value.

    Raises:
        MissingInputError: one is not.
    """
    for target, value in edits.items():
        if not isinstance(target, (Unit, Direction, str)):
            raise MissingInputError(
                f"Expected a unit, a direction or the name of a layer to edit, got {target!r}. "
                "A channel of a layer is fvhooks.Unit(layer, channel)."
            )
        if value not in ("mean", "resample") if isinstance(value, str) else not callable(value):
            _as_tensor(value)
    return dict(edits)


def layer_of(target: Target) -> str:
    """The layer that a target lies in."""
    return target if isinstance(target, str) else target.layer


def _layout(
    hooked: "HookedModel", known: LayerInfo, shape: tuple[int, ...], sizes: list[tuple[int, int]]
) -> Layout:
    """The layout in this pass, whose images may be larger than those of the probe."""
    if known.layout is not None and (known.shape == shape[1:] or not sizes):
        return known.layout
    return layout_of(hooked, known.name, shape, sizes[0])


def _check(hooked: "HookedModel", layer: str, targets: list[tuple[Target, Value]]) -> None:
    layout = hooked.layout(layer)
    for target, _ in targets:
        if isinstance(target, Unit):
            if target.channel >= layout.channels:
                raise ShapeError(
                    f"Layer {layer!r} has {layout.channels} channels, counted from 0; got {target.channel}."
                )
            if target.position is not None:
                layout.index(target.position)
        elif isinstance(target, Direction) and len(target.vector) != layout.channels:
            raise ShapeError(
                f"The direction {target.name!r} has {len(target.vector)} values, "
                f"layer {layer!r} {layout.channels} channels."
            )


def _replace(
    channels: torch.Tensor, layout: Layout, target: Target, value: Value, means: torch.Tensor | None
) -> None:
    """Write the new values of one target into `[image, channel, position]`."""
    if isinstance(target, Direction):
        vector = torch.as_tensor(target.vector.copy()).to(channels)
        along = torch.einsum("c,ncp->np", vector, channels) / vector.square().sum()
        mean = None if means is None else vector @ means.to(channels) / vector.square().sum()
        change = _new(value, along, mean) - along
        channels += vector[None, :, None] * change[:, None]
        return
    where: Any = slice(None)
    mean = means
    if isinstance(target, Unit):
        place = slice(None) if target.position is None else layout.index(target.position)
        where = (slice(None), target.channel, place)
        mean = None if means is None else means[target.channel]
    elif means is not None:
        mean = means[None, :, None]
    before = channels[where].clone()
    channels[where] = _new(value, before, mean)


def _as_tensor(value: Any) -> torch.Tensor:  # noqa: ANN401 - the check is what the function is for
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise MissingInputError(
            "Expected a number, 'mean', 'resample', a tensor or a function of the values that were there "
            f"that returns numbers, got {value!r}."
        ) from error


def _new(value: Value, before: torch.Tensor, mean: torch.Tensor | None) -> torch.Tensor:
    if isinstance(value, str):
        if value == "mean" and mean is not None:
            return mean.to(before).expand_as(before)
        if len(before) == 1:
            raise MissingInputError(
                f"{value!r} takes the values of other images, and there is one image in the batch. "
                "Run several at once, or take 'mean' from store=…."
            )
        # another image's values stay natural
        return before.roll(1, 0) if value == "resample" else before.mean(0, keepdim=True).expand_as(before)
    given = value(before) if callable(value) and not isinstance(value, torch.Tensor) else value
    new = _as_tensor(given).to(before)
    try:
        return new.expand_as(before)
    except RuntimeError as error:
        raise ShapeError(
            f"Expected a value that broadcasts to {tuple(before.shape)}, got {tuple(new.shape)}."
        ) from error
