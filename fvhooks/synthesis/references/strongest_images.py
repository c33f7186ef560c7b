"""The real images that show a target most: a channel, a direction, or a latent that the store lacks."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int, Shaped

from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.store.fingerprints import fingerprint_autoencoder
from fvhooks.store.reading import Store
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.visualizations import Target
from fvhooks.units import LOGITS, Direction, Unit

_AT_ONCE = 32  # images
_KEPT = 100  # as many as any recipe asks for by default
_TRIED = 8  # times as many images by their mean as are chosen by their peak


@dataclass(frozen=True, slots=True, eq=False)
class Strongest:
    """Images of the reference split, the strongest first.

    Args:
        ids: of the images.
        values: the largest of the target over each image's positions, all above zero.
        positions: where that is.
    """

    ids: Shaped[np.ndarray, " image"]
    values: Float[np.ndarray, " image"]
    positions: Int[np.ndarray, " image"]


def along(
    activations: Float[torch.Tensor, "image channel position"], target: Unit | Direction
) -> Float[torch.Tensor, "image position"]:
    """A channel, or the scalar product with a direction's vector, at each position.

    Examples:
        >>> along(torch.ones(1, 2, 3), Direction("layer4", np.array([1.0, 2.0]), "both")).tolist()
        [[3.0, 3.0, 3.0]]
    """
    if isinstance(target, Unit):
        return activations[:, target.channel]
    vector = torch.tensor(target.vector).to(activations)
    return torch.einsum("ncp,c->np", activations, vector)


def strongest_images(
    hooked: HookedModel, store: Store, target: Unit | Direction, count: int = 10
) -> Strongest:
    """The reference images of a store that show a target most.

    Peaks of channels are in the store. For a direction in a layer of the store those images are looked at
    whose mean is largest, which the store tells; for a layer that it lacks all reference images are, once:
    what was found is kept in the store. `find_strongest` does so once for many targets.

    Args:
        hooked: the model.
        store: with its data set attached, except for a channel of one of its layers.
        target: a whole channel or a direction.
        count: how many images, at most.

    Raises:
        MissingInputError: the target is above zero in none of the reference images.
    """
    if isinstance(target, Unit) and target.layer in store.layers:
        top = store.top_images(target, k=count, split="reference")
        found = Strongest(top.id.values, top.value.values, top.position.values)
    else:
        found = _kept_or_found(hooked, store, target, count)
    firing = found.values > 0
    if not firing.any():
        raise MissingInputError(
            f"Unit {target.id!r} fires for none of the reference images of the store, so nothing shows "
            "what it looks for. Collect more images, or use recipe 'fourier'."
        )
    return Strongest(found.ids[firing], found.values[firing], found.positions[firing])


def place_in_store(store: Store, target: Unit | Direction) -> tuple[str, int]:
    """The layer and channel under which a store keeps what was made for a target.

    Raises:
        MissingInputError: the store has neither the target's layer nor another inner one.
    """
    inner = [layer for layer in store.layers if layer != LOGITS]
    if target.layer not in store.layers and not inner:
        raise MissingInputError(
            f"Expected a store of one inner layer or more, to keep what is found for {target.id!r}; it has "
            f"the outputs alone. Collect it again, with layers=[{target.layer!r}] for instance."
        )
    layer = target.layer if target.layer in store.layers else inner[0]
    known = isinstance(target, Unit) and layer == target.layer
    return layer, target.channel if known and isinstance(target, Unit) else 0


def name_of(hooked: HookedModel, store: Store, target: Unit | Direction) -> str:
    """What tells a target from others kept at the same place; empty for a channel of the store's layers."""
    if isinstance(target, Unit) and target.layer in store.layers:
        return ""
    said = hashlib.sha256(json.dumps([target.layer]).encode())
    said.update(
        str(target.channel).encode() if isinstance(target, Unit) else target.vector.tobytes() + b"direction"
    )
    coder = hooked.autoencoders.get(target.layer)
    if coder is not None:
        said.update(str(fingerprint_autoencoder(coder)).encode())
    return said.hexdigest()[:12]


def find_strongest(hooked: HookedModel, store: Store, targets: Sequence[Target], count: int = 10) -> None:
    """Look for the images of many targets at once, so that `strongest_images` finds them kept.

    The reference images run through the model once for all targets of a layer that the store lacks. Targets
    of the store's layers, outputs and sets of images need no such search and are passed over.

    Args:
        hooked: the model.
        store: with its data set attached.
        targets: of any kinds and layers.
        count: how many images of each will be asked for, at most.
    """
    wanted: dict[str, list[Unit | Direction]] = {}
    for target in targets:
        if not isinstance(target, (Unit, Direction)) or (
            isinstance(target, Unit) and target.position is not None
        ):
            continue
        if target.layer not in (*store.layers, LOGITS):
            wanted.setdefault(target.layer, []).append(target)
    for some in wanted.values():
        lacking = [target for target in some if _kept(hooked, store, target, count) is None]
        if lacking:
            _find(hooked, store, lacking, count)


def _kept_or_found(hooked: HookedModel, store: Store, target: Unit | Direction, count: int) -> Strongest:
    found = _kept(hooked, store, target, count)
    if found is None:
        (found,) = _find(hooked, store, [target], count)
    return Strongest(found.ids[:count], found.values[:count], found.positions[:count])


def _kept(hooked: HookedModel, store: Store, target: Unit | Direction, count: int) -> Strongest | None:
    kept = store.read_unit(*place_in_store(store, target), _key(hooked, store, target, count))
    return (
        None if kept is None else Strongest(kept["id"].values, kept["value"].values, kept["position"].values)
    )


def _key(hooked: HookedModel, store: Store, target: Unit | Direction, count: int) -> str:
    return f"strongest-{_number(store, target, count)}-{name_of(hooked, store, target)}"


def _number(store: Store, target: Unit | Direction, count: int) -> int:
    """How many are kept: where all images are looked at, enough for whoever asks next."""
    return count if target.layer in store.layers else max(count, _KEPT)


def _find(
    hooked: HookedModel, store: Store, targets: Sequence[Unit | Direction], count: int
) -> list[Strongest]:
    """Of targets for which the same images are looked at; what is found is kept."""
    ids = _candidates(store, targets[0], count)
    all_found = []
    for target, (values, positions) in zip(targets, _peaks(hooked, store, targets, ids), strict=True):
        best = np.lexsort((ids, -values))[: _number(store, target, count)]
        found = Strongest(ids[best], values[best], positions[best])
        arrays = {
            "id": ("top", np.asarray(found.ids, object)),
            "value": ("top", found.values),
            "position": ("top", found.positions),
        }
        data = xr.Dataset(arrays, attrs={"target": target.id})
        store.write_unit(*place_in_store(store, target), _key(hooked, store, target, count), data)
        all_found.append(found)
    return all_found


def _candidates(store: Store, target: Unit | Direction, count: int) -> Shaped[np.ndarray, " image"]:
    table = store.images_table
    rows = np.flatnonzero((table.split.values == "reference") & (table.error.values == ""))
    if target.layer in store.layers and store.keeps_all and isinstance(target, Direction):
        means = np.asarray(store.of_images(target.layer, "average").isel(image=rows)) @ target.vector
        rows = rows[np.argsort(-means, kind="stable")[: _TRIED * count]]
    return np.asarray(table.id.values[rows].astype(str))


@torch.no_grad()
def _peaks(
    hooked: HookedModel,
    store: Store,
    targets: Sequence[Unit | Direction],
    ids: Shaped[np.ndarray, " image"],
) -> list[tuple[Float[np.ndarray, " image"], Int[np.ndarray, " image"]]]:
    """Of each target, which are all of one layer, the largest value in each image and where it is."""
    found: list[tuple[list[Any], list[Any]]] = [([], []) for _ in targets]
    layer = hooked.resolve(targets[0].layer)
    for start in range(0, len(ids), _AT_ONCE):
        images = store.images(ids[start : start + _AT_ONCE]).to(hooked.device)
        activations = look(hooked, images, [layer])[layer]
        for (values, places), target in zip(found, targets, strict=True):
            most = along(activations, target).max(-1)
            values.append(most.values.cpu().numpy())
            places.append(most.indices.cpu().numpy())
    return [(np.concatenate(values), np.concatenate(places)) for values, places in found]
