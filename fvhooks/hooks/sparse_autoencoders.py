"""Sparse autoencoders by duck type: whatever has `encode` and `decode` is one, no library is imported."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import nn

from fvhooks.errors import ShapeError, UnsupportedModelError
from fvhooks.hooks.addresses import tensors_in
from fvhooks.hooks.taps import borrowed
from fvhooks.units import Layout

Activations = Float[torch.Tensor, "image ..."]
Rows = Float[torch.Tensor, "row channel"]

_ADVICE = "Attach it at the layer that it was trained on; hooked.probe() shows the shape of each."
_AXES = {"map": 1, "channels_last": -1, "tokens": -1, "flat": -1}


class Latents(nn.Identity):
    """Where latents pass on their way through the model: what taps, edits and Captum hook."""

    is_spliced = False

    def release(self) -> None:
        """They no longer pass."""
        self.is_spliced = False


@dataclass(frozen=True, eq=False)
class Autoencoder:
    """One sparse autoencoder at one layer.

    Args:
        site: the layer that it was trained on.
        name: what its latents are called, behind the site's name.
        coder: what encodes and decodes; the user's, never copied.
        axis: which axis of the site's activations is the channel, where that is known.
        carrier: the module that its latents pass.
    """

    site: str
    name: str
    coder: Any
    axis: int | None = None
    carrier: Latents = field(default_factory=Latents)
    _fitting: set[int] = field(default_factory=set, repr=False)

    @property
    def layer(self) -> str:
        """The name of the layer that its latents are."""
        return f"{self.site}/{self.name}"

    @property
    def is_hooked(self) -> bool:
        """Whether anyone waits for the latents to pass."""
        return bool(self.carrier._forward_hooks or self.carrier._forward_pre_hooks)

    def encode(self, activations: Activations, axis: int) -> Activations:
        """The latents of a layer's activations, laid out as those are; in the autoencoder's own type.

        Args:
            activations: what the layer gives.
            axis: which of its axes is the channel.
        """
        self.check(activations.shape[axis])
        return self._by_rows(lambda rows: _codes(self.coder.encode(rows)), activations, axis)

    def decode(self, latents: Activations, axis: int) -> Activations:
        """What the autoencoder makes of latents, laid out as they are; in its own type."""
        return self._by_rows(lambda rows: _decoded(self.coder.decode(rows)), latents, axis)

    def check(self, width: int) -> None:
        """Make sure that it takes rows of as many channels, and gives back as many.

        Raises:
            ShapeError: what was expected, and what came.
        """
        if width in self._fitting:
            return
        kind, stated = type(self.coder).__name__, _width(self.coder)
        expected = f"Expected an autoencoder of {width} channels at layer {self.site!r}"
        if stated not in (None, width):
            raise ShapeError(f"{expected}, got one of {stated} ({kind}). {_ADVICE}")
        try:
            with torch.no_grad():
                rows = self._by_rows(lambda r: _codes(self.coder.encode(r)), torch.zeros(2, width), -1)
                back = self.decode(rows, -1)
        except (RuntimeError, ValueError, AssertionError) as error:
            raise ShapeError(
                f"{expected}, got {kind}, which fails on rows of them: {error}. {_ADVICE}"
            ) from error
        if tuple(back.shape) != (2, width):
            raise ShapeError(f"{expected}, got {kind}, which decodes to {back.shape[-1]} channels. {_ADVICE}")
        self._fitting.add(width)

    def _by_rows(self, call: Callable[[Rows], Rows], values: Activations, axis: int) -> Activations:
        """Call it frozen, in evaluation mode, with rows of its own type on its own device."""
        placed = values.movedim(axis, -1)
        rows = placed.reshape(-1, placed.shape[-1])  # some libraries take two axes only
        own = next((tensor for _, tensor in weights_of(self.coder) if tensor.is_floating_point()), rows)
        with borrowed(self.coder) if isinstance(self.coder, nn.Module) else nullcontext():
            found = call(rows.to(own.device, own.dtype)).to(values.device)
        return found.reshape(*placed.shape[:-1], found.shape[-1]).movedim(-1, axis)


def axis_of(layout: Layout | None, site: str) -> int:
    """Which axis of a layer's activations is the channel.

    Raises:
        UnsupportedModelError: there is none, or more than one.
    """
    if layout is None or layout.kind not in _AXES:
        raise UnsupportedModelError(
            f"An autoencoder takes one vector a position, and layer {site!r} has "
            f"{'no channel axis' if layout is None else layout.kind}. Attach it at a layer around it."
        )
    return _AXES[layout.kind]


def weights_of(coder: Any) -> list[tuple[str, torch.Tensor]]:  # noqa: ANN401 - anything with encode and decode
    """The tensors of an autoencoder with their names, in its own order."""
    if isinstance(coder, nn.Module):
        return [*coder.named_parameters(), *coder.named_buffers()]
    return [(name, value) for name, value in vars(coder).items() if isinstance(value, torch.Tensor)]


def _codes(encoded: Any) -> torch.Tensor:  # noqa: ANN401
    """The latents among what `encode` returned: the last tensor of it."""
    tensors = tensors_in(encoded) or tensors_in(getattr(encoded, "__dict__", {}))
    if not tensors:
        raise UnsupportedModelError(f"Expected latents from encode(x), got {type(encoded).__name__}.")
    return list(tensors.values())[-1]


def _decoded(decoded: Any) -> torch.Tensor:  # noqa: ANN401
    """The reconstruction among what `decode` returned: of several prefixes the whole."""
    rows = _codes(decoded)
    return rows[:, -1] if rows.ndim == 3 else rows


def _width(coder: Any) -> int | None:  # noqa: ANN401
    """How many channels it was made for, where it says so."""
    config, decoder = getattr(coder, "cfg", None), getattr(coder, "W_dec", None)
    stated = getattr(config, "d_in", None)
    if isinstance(stated, int):
        return stated
    return int(decoder.shape[-1]) if isinstance(decoder, torch.Tensor) and decoder.ndim == 2 else None
