"""Which layers of a store a picture is matched in."""

from collections.abc import Sequence

from fvhooks.hooks import HookedModel
from fvhooks.store.reading import Store
from fvhooks.synthesis.visualizations import Target
from fvhooks.units import LOGITS, Unit


def stored_nodes(hooked: HookedModel, store: Store, units: Sequence[Target]) -> list[str]:
    """The layers of a store that come before some units of one layer, and that layer itself.

    Args:
        hooked: the model.
        store: statistics of real images.
        units: all of one layer.

    Raises:
        LayerNotFoundError: the store does not have the layer of a unit.
    """
    layer = units[0].layer
    stored = [name for name in store.layers if name != LOGITS]
    if layer == LOGITS:
        return stored
    if layer in stored:
        return stored[: stored.index(layer) + 1]
    if layer not in hooked.autoencoders and any(isinstance(unit, Unit) for unit in units):
        store[layer]  # raises, naming what the store has
    probe = hooked.probe()
    end = probe[hooked.resolve(layer)].order
    return [name for name in stored if probe[name].order < end]
