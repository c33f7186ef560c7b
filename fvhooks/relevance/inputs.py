"""What relevance is asked for: images, layers and a target, checked before anything runs."""

import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float

from fvhooks.errors import ImageError, MissingInputError, UnsupportedModelError
from fvhooks.hooks import HookedModel, Probe
from fvhooks.hooks.addresses import Address
from fvhooks.images import as_images
from fvhooks.units import LOGITS, Unit

Target = int | Unit | Sequence[int] | torch.Tensor
"""An output of the model, one an image, or a unit of an inner layer."""


def checked_images(
    hooked: HookedModel,
    images: Any,  # noqa: ANN401 - images as `as_images` takes them
) -> Float[torch.Tensor, "image rgb y x"]:
    """At least one image as the model takes them.

    Raises:
        ImageError: none at all, or what `as_images` refuses.
    """
    checked = as_images(images, channels=hooked.preprocessing.channels)
    if not len(checked):
        raise ImageError(f"Expected one image or more, got an empty batch of shape {tuple(checked.shape)}.")
    return checked


def checked_layers(hooked: HookedModel, layers: Iterable[str]) -> dict[str, str]:
    """Full names of inner layers, by the names asked for; a string is one name.

    Raises:
        MissingInputError: no layer.
        LayerNotFoundError: a layer that the model does not have.
        UnsupportedModelError: the logits.
    """
    asked = [layers] if isinstance(layers, str) else list(layers)
    if not asked:
        raise MissingInputError("Expected one layer or more, got none. hooked.layers lists their names.")
    if LOGITS in asked:
        raise UnsupportedModelError(
            f"Expected inner layers, got {LOGITS!r}: they are what the model returns, no module's output. "
            "Attribute to a layer before them."
        )
    return {layer: hooked.resolve(layer) for layer in asked}


def checked_target(target: Any, images: int) -> int | Unit | torch.Tensor:  # noqa: ANN401 - refused with advice
    """An output, a unit of an inner layer, or whole numbers (int64), one for each image.

    Args:
        target: a `Target`.
        images: how many there are.

    Raises:
        MissingInputError: anything else.
    """
    if isinstance(target, Unit):
        return target.channel if target.is_logit else target
    try:
        index = torch.as_tensor(target)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _no_target(target, images) from error
    whole = not (index.is_floating_point() or index.is_complex() or index.dtype == torch.bool)
    if not whole or index.ndim > 1 or (index.ndim == 1 and len(index) != images):
        raise _no_target(target, images)
    return int(index) if index.ndim == 0 else index.long().clone()  # theirs may be of inference mode


def _no_target(target: Any, images: int) -> MissingInputError:  # noqa: ANN401
    kind = type(target).__name__
    if isinstance(target, torch.Tensor):
        got = f"{kind} of shape {tuple(target.shape)} and type {target.dtype}"
    else:
        got = f"{kind} {reprlib.repr(target)}" if target is not None else "None"
    return MissingInputError(
        f"Expected target to be an output, one for each of the {images} images, or a Unit, got {got}. "
        "For what the model predicts pass hooked.module(images).argmax(1)."
    )


def checked_range(index: int | torch.Tensor, count: int, what: str) -> None:
    """Refuse indices that are not there.

    Raises:
        MissingInputError: the first that is not, and which are.
    """
    given = torch.as_tensor(index).flatten()
    wrong = given[(given < 0) | (given >= count)]
    if len(wrong):
        raise MissingInputError(f"Expected a target from 0 to {count - 1}, the {what}, got {int(wrong[0])}.")


def batches(count: int, batch_size: int) -> Iterator[slice]:
    """The images of each call.

    Raises:
        MissingInputError: batches of no image.
    """
    if batch_size < 1:
        raise MissingInputError(f"Expected batches of one image or more, got batch_size={batch_size}.")
    return (slice(start, start + batch_size) for start in range(0, count, batch_size))


def probe_of(hooked: HookedModel, images: Float[torch.Tensor, "image rgb y x"]) -> Probe:
    """What fires for such images, from two of them: an edit may need the others of a batch."""
    return hooked.probe(images[:1].detach().repeat(2, 1, 1, 1))


def refuse_later_layers(
    hooked: HookedModel, probe: Probe, end: str, addresses: Mapping[str, Address]
) -> None:
    """Nothing behind the target runs.

    Raises:
        MissingInputError: a layer that comes after the target's.
    """
    target = hooked.address(end) if end != LOGITS else Address(LOGITS)
    for layer, address in addresses.items():
        latents = (
            layer in hooked.autoencoders and layer.rpartition("/")[0] == end
        )  # they fire after their site
        if probe[layer].order > probe[end].order and address.module != target.module and not latents:
            raise MissingInputError(
                f"Expected layers before the target, got {layer!r}, which comes after the target's layer "
                f"{end!r} and cannot have caused it. Attribute to an earlier layer, or choose a later target."
            )


def refuse_earlier_calls(
    hooked: HookedModel, probe: Probe, end: str, addresses: Mapping[str, Address]
) -> None:
    """Captum keeps what a module's last call gave; an earlier call would silently get its relevance.

    Raises:
        UnsupportedModelError: a layer that is not the last call of its module.
    """
    for layer, address in addresses.items():
        same = [info for name, info in probe.items() if hooked.address(name).module == address.module]
        last = max((hooked.address(i.name).call for i in same if i.order <= probe[end].order), default=0)
        if address.call != last:
            raise UnsupportedModelError(
                f"Layer {layer!r} is call {address.call} of {last + 1} calls of a module up to {end!r}; "
                "Captum attributors see the last call alone. Match another layer, such as the one around it."
            )
