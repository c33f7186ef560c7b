"""What can be said of units before time is spent on them, and of those that cannot be moved."""

import logging
from collections.abc import Sequence

import numpy as np

from fvhooks.errors import ImageError
from fvhooks.hooks import HookedModel
from fvhooks.hooks.probes import grey_noise
from fvhooks.store.reading import Store
from fvhooks.synthesis.visualizations import Target
from fvhooks.units import LOGITS, Unit

BLOCKED = "no gradient reached the picture"
_FEW = 32  # firing images, of which none need be a reference
_log = logging.getLogger("fvhooks")


def warnings_of(store: Store | None, units: Sequence[Target]) -> dict[str, str]:
    """What real images say against some units, by id; nothing for those that the store does not know.

    Args:
        store: statistics of real images.
        units: what is to be visualized.
    """
    if store is None:
        return {}
    found: dict[str, str] = {}
    for layer in dict.fromkeys(unit.layer for unit in units):
        if layer in store.layers:
            found |= _of_layer(store, layer, [one for one in units if one.layer == layer])
    for name, said in found.items():
        _log.warning("%s is %s", name, said)
    return found


def silent_in_references(store: Store, units: Sequence[Target]) -> list[int]:
    """The places of inner channels that no reference image of the store moves, so that none can show them."""
    shares = {
        layer: np.asarray(store[layer]["active_fraction"].values)
        for layer in {unit.layer for unit in units}
        if layer in store.layers and layer != LOGITS
    }
    found = []
    for place, unit in enumerate(units):
        if not isinstance(unit, Unit) or unit.layer not in shares:
            continue
        if shares[unit.layer][unit.channel] * store.size > _FEW:
            continue
        top = store.top_images(Unit(unit.layer, unit.channel), k=1, split="reference")
        if not bool((top.value.values > 0).any()):
            found.append(place)
    return found


def check_size(hooked: HookedModel, size: tuple[int, int, int]) -> None:
    """Run the model once on a picture of the size that pictures will have.

    Raises:
        ImageError: it cannot take them; in its own words, and what to do.
    """
    try:
        hooked.probe(grey_noise(size))  # what is found is kept: plain grey would not show signs
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ImageError(
            f"{type(hooked.model).__name__} cannot take pictures of {size}: {reason}. Attach it with the "
            "size that it was trained with: fvhooks.attach(model, …, input_shape=(channels, height, width))."
        ) from error


def silent_before(hooked: HookedModel, layer: str) -> str:
    """Why a layer passes no gradient on where it is silent, and which layer before it does."""
    probe = hooked.probe()
    own = probe[hooked.resolve(layer)]
    if own.signed or own.layout is None:
        return ""
    earlier = [
        info
        for info in probe.values()
        if info.order < own.order
        and info.signed
        and info.layout is not None
        and info.layout.channels == own.layout.channels
    ]
    why = ", since the unit is silent for its start, where a rectifier passes none on"
    if not earlier:
        return why
    nearest = max(earlier, key=lambda info: info.order)
    near = f"{nearest.name!r}, the nearest layer before it with negative values"
    return f"{why}; look at the same channel of {near}"


def _of_layer(store: Store, layer: str, units: Sequence[Target]) -> dict[str, str]:
    stored = store[layer]
    highest = np.asarray(stored["quantiles"].isel(quantile=-1).values)
    said = {}
    for unit in units:
        if not isinstance(unit, Unit) or unit.channel >= len(highest) or not highest[unit.channel] <= 0:
            continue
        top = float(highest[unit.channel])
        kind = "dead in the data: never above 0" if top == 0 else f"negative-only: never above {top:.3g}"
        said[unit.id] = f"{kind} in {store.size} real images"
    return said
