"""Latents of sparse autoencoders as layers of the model: read, edited and attributed to as `layer/name`.

While a pass needs them, a hook at their site encodes what it gives, lets the latents pass a module of their
own, which can be hooked like any, and goes on with x + decode(latents) − decode(latents as they were). So the
part that the autoencoder misses is kept, the values are the model's own to the bit where nobody changes the
latents, their gradient is the decoder's, and the gradient of whatever lies before them is the model's own.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch
from jaxtyping import Float, Shaped
from torch import nn

from fvhooks.errors import LayerNotFoundError, ShapeError, UnsupportedModelError, did_you_mean
from fvhooks.hooks.adapters import Adapter
from fvhooks.hooks.addresses import Address
from fvhooks.hooks.sparse_autoencoders import Activations, Autoencoder, axis_of
from fvhooks.hooks.taps import at_start, rewritten
from fvhooks.units import LOGITS

if TYPE_CHECKING:
    from fvhooks.hooks.base import HookedModel

_FORBIDDEN = frozenset("/#[]")
_BATCH = 64
_DECODED = 256  # latents decoded at once: all of them together would take the square of their number


class Autoencoded:
    """The part of a `HookedModel` that knows its sparse autoencoders."""

    if TYPE_CHECKING:
        model: nn.Module
        adapter: Adapter
        _autoencoders: dict[str, Autoencoder]

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Every module that can be hooked, by its layer's name: what a Captum layer attributor is given.

        The latents of a sparse autoencoder too are one; they pass it while `module` or a `trunk` runs.
        """
        found = self.adapter.modules(self.model)
        if not self._autoencoders:
            return found
        found = copy(found)  # it may be a dictionary that answers to aliases too
        found.update({layer: coder.carrier for layer, coder in self._autoencoders.items()})
        return found

    @property
    def autoencoders(self) -> dict[str, Any]:
        """The sparse autoencoders, by the layer that the latents of each are."""
        return {layer: known.coder for layer, known in self._autoencoders.items()}

    def address(self, layer: str) -> Address:
        """Which module, call and item the name of a layer stands for."""
        if layer in self._autoencoders:
            return Address(layer)
        try:
            return Address.parse(layer)
        except LayerNotFoundError as error:
            hint = did_you_mean(layer, self._autoencoders)
            raise LayerNotFoundError(f"{error}{hint}") from None

    def _latents(self, name: str) -> str | None:
        """The layer of latents that is meant, whatever its site is called; None for any other layer."""
        site, _, label = name.rpartition("/")
        known = name if name in self._autoencoders else f"{self.adapter.canonical(self.model, site)}/{label}"
        return known if known in self._autoencoders else None

    def with_sae(self, layer: str, sae: Any, *, name: str = "sae") -> "HookedModel":  # noqa: ANN401
        """The same model with the latents of a sparse autoencoder as one more layer, `layer/name`.

        They are read, collected, visualized, edited and attributed to as any layer. The model computes what
        it did: what the autoencoder misses is kept, so that only an edit changes anything.

        Examples:
            >>> import fvhooks as fv
            >>> from fvhooks.demo import TopK
            >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
            >>> hooked = fv.attach(net, input_shape=(3, 8, 8)).with_sae("1", TopK(4, 16, k=2))
            >>> hooked.layers
            ['0', '1', '1/sae', '2', '3', 'logits']
            >>> hooked.read(torch.rand(5, 3, 8, 8), ["1/sae"])["1/sae"].shape
            torch.Size([5, 16, 6, 6])

        Args:
            layer: the layer that the autoencoder was trained on; each position is a row.
            sae: anything with `encode` and `decode`, as in SAELens, Overcomplete, ViT-Prisma and saev; where
                `encode` returns several tensors the last are the latents. It is used frozen, in evaluation
                mode, on its own device and in its own type, and left as it was.
            name: what to call it; several may sit at one layer.

        Returns:
            A new `HookedModel` over the same model; nothing is copied, and this one stays as it is.

        Raises:
            LayerNotFoundError: no such layer, one that never runs, or one without channels.
            ShapeError: the autoencoder is of another width; found at the first run where the input's shape is
                not known.
            UnsupportedModelError: no autoencoder, or a layer that takes none.
            ValueError: the name is taken, or cannot be one.
        """
        return _with_autoencoder(cast("HookedModel", self), layer, sae, name)

    def reconstruction_error(self, images: Shaped[torch.Tensor, "image rgb y x"], layer: str) -> float:
        """How much of its site a sparse autoencoder misses: the fraction of variance unexplained.

        Σ ‖x − decode(encode(x))‖² / Σ ‖x − mean‖²: both sums over all images and positions, the mean of each
        channel over the same. 0 is perfect, 1 no better than the mean; it can be worse.

        Args:
            images: `uint8` or in [0, 1]; best such that the autoencoder was not trained on.
            layer: of the latents, such as "layer4/sae".

        Raises:
            UnsupportedModelError: the layer is no autoencoder's.
            ShapeError: there is no variance to explain.
        """
        return _unexplained(cast("HookedModel", self), images, layer)


def decoder_rows(
    hooked: "HookedModel", layer: str, channels: Sequence[int]
) -> tuple[str, Float[torch.Tensor, "latent channel"]]:
    """The site of some latents, and what each of them adds to its channels when it is 1."""
    coder = hooked._autoencoders[layer]
    parts = []
    for start in range(0, max(1, len(channels)), _DECODED):
        block = list(channels[start : start + _DECODED])
        one_hot = torch.zeros(len(block) + 1, hooked.layout(layer).channels, device=hooked.device)
        one_hot[range(len(block)), block] = 1.0
        with torch.no_grad():
            decoded = coder.decode(one_hot, -1)
        parts.append((decoded[:-1] - decoded[-1]).float())
    return coder.site, torch.cat(parts)


@contextmanager
def spliced(hooked: "HookedModel", wanted: Iterable[str] = ()) -> Iterator[None]:
    """Let the latents that are wanted, or that anyone hooks, pass their module in each run of the model.

    Args:
        hooked: the model.
        wanted: layers; those that are no latents are left aside.
    """
    coders = {
        layer: coder
        for layer, coder in hooked._autoencoders.items()
        if not coder.carrier.is_spliced and (layer in wanted or coder.is_hooked)
    }
    if not coders:
        yield
        return
    attributed = {layer for layer, coder in coders.items() if coder.is_hooked}
    sizes = [(1, 1)]

    def notice(given: list[Any]) -> None:
        sizes[:] = image_sizes(given) or sizes

    def rewrite(layer: str, activations: Activations) -> Activations:
        coder = coders[layer]
        axis = _axis(hooked, coder, activations, sizes[-1])
        return _passed(coder, axis, activations, attributed=layer in attributed)

    sites = {layer: Address.parse(coder.site) for layer, coder in coders.items()}
    modules = hooked.adapter.modules(hooked.model)
    with ExitStack() as stack:
        stack.enter_context(at_start(hooked.model, notice))
        stack.enter_context(rewritten(modules, sites, rewrite, model=hooked.model))
        for coder in coders.values():
            coder.carrier.is_spliced = True
            stack.callback(coder.carrier.release)
        yield


def _passed(coder: Autoencoder, axis: int, activations: Activations, *, attributed: bool) -> Activations:
    """What the site gives once the latents have passed their module."""
    latents = coder.encode(activations, axis)
    # a node of the graph of its own, so that a gradient to it is not cancelled by the last term
    entering = latents.view_as(latents)
    leaving = coder.carrier(entering)
    if leaving is entering and not (attributed and torch.is_grad_enabled()):
        return activations
    change = coder.decode(leaving, axis) - coder.decode(latents, axis)
    return activations + change.to(activations.dtype)


def _axis(hooked: "HookedModel", coder: Autoencoder, activations: Activations, size: tuple[int, int]) -> int:
    """The channel axis of what the site gives for images of that size."""
    if coder.axis is not None:
        return coder.axis
    return axis_of(hooked.adapter.layout(coder.site, tuple(activations.shape), size), coder.site)


def image_sizes(given: list[Any]) -> list[tuple[int, int]]:
    """Height and width of the images among what a model was given."""
    images = [x for x in given if isinstance(x, torch.Tensor) and x.ndim == 4]
    return [(int(x.shape[-2]), int(x.shape[-1])) for x in images[:1]]


def _with_autoencoder(hooked: "HookedModel", layer: str, coder: Any, name: str) -> "HookedModel":  # noqa: ANN401
    if not callable(getattr(coder, "encode", None)) or not callable(getattr(coder, "decode", None)):
        raise UnsupportedModelError(
            f"Expected an autoencoder with encode(x) and decode(latents), got {type(coder).__name__}. "
            "Wrap it in an object that has both."
        )
    if not name or _FORBIDDEN & set(name):
        raise ValueError(f"Expected a name without '/', '#', '[' and ']', such as 'sae', got {name!r}.")
    site = hooked.resolve(layer)
    if site == LOGITS or site in hooked._autoencoders:
        raise UnsupportedModelError(
            f"{site!r} is not what a module of the model gives, so no autoencoder can sit there. "
            "Name the layer that it is made of."
        )
    if f"{site}/{name}" in hooked.modules:
        raise ValueError(f"There already is a layer '{site}/{name}'; pass another name=.")
    axis = None
    if hooked._probes or hooked.preprocessing.input_shape:
        axis = axis_of(hooked.layout(site), site)
    autoencoder = Autoencoder(site, name, coder, axis)
    if axis is not None:
        autoencoder.check(hooked.layout(site).channels)
    return replace(hooked, _probes={}, _autoencoders=hooked._autoencoders | {autoencoder.layer: autoencoder})


def _unexplained(hooked: "HookedModel", images: Shaped[torch.Tensor, "image rgb y x"], layer: str) -> float:
    coder = hooked._autoencoders.get(hooked.resolve(layer))
    if coder is None:
        known = ", ".join(map(repr, hooked._autoencoders)) or "none; hooked.with_sae(…) adds one"
        raise UnsupportedModelError(f"{layer!r} is no layer of latents. There: {known}.")
    count, missed = 0, 0.0
    total = squares = torch.zeros(())
    for batch in torch.split(images, _BATCH):
        with torch.no_grad():
            site = hooked.read(batch, [coder.site])[coder.site]
            size = (int(batch.shape[-2]), int(batch.shape[-1]))
            axis = _axis(hooked, coder, site, size)
            rest = site.double() - coder.decode(coder.encode(site, axis), axis).double()
        rows = site.double().movedim(axis, -1).flatten(0, -2)
        count += len(rows)
        missed += float(rest.square().sum())
        total, squares = total + rows.sum(0), squares + rows.square().sum(0)
    variance = float((squares - total.square() / max(count, 1)).sum())
    if variance <= 1e-12 * float(squares.sum()):
        raise ShapeError(
            f"Layer {coder.site!r} gives the same at all {count} positions of {len(images)} images, so there "
            "is no variance to explain. Pass more images, real ones."
        )
    return missed / variance
