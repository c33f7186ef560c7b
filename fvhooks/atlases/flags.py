"""What is wrong with a synthetic picture: its unit does not answer to it as to its strongest real images."""

import numpy as np
from jaxtyping import Float, Int, Shaped

from fvhooks.atlases.items import Items
from fvhooks.store.reading import Store
from fvhooks.store.schema import QUANTILES
from fvhooks.synthesis.visualizations import Visualizations
from fvhooks.units import Unit

RARE = 0.99
"""The natural quantile that a picture must reach."""

FAR = 3.0
"""A picture is far above what is natural from so many times the natural maximum on."""


def against_natural(
    activation: Float[np.ndarray, " item"],
    rare: Float[np.ndarray, " item"],
    highest: Float[np.ndarray, " item"],
) -> Shaped[np.ndarray, " item"]:
    """What is wrong with some pictures, in words; "" where nothing is.

    Args:
        activation: of each unit by its picture; NaN where it is not known.
        rare: the 99th percentile of natural images.
        highest: the maximum over natural images.
    """
    found = np.full(len(activation), "", dtype=object)
    for place, (value, low, high) in enumerate(zip(activation, rare, highest, strict=True)):
        if not np.isfinite(value):
            found[place] = "how strongly it activates its unit is not known"
        elif value < low:
            found[place] = f"below the 99th natural percentile ({value:.3g}, natural {low:.3g})"
        elif high > 0 and value > FAR * high:
            found[place] = f"{value / high:.1f} times the natural maximum ({value:.3g}, natural {high:.3g})"
    return found


def joined(
    flags: Shaped[np.ndarray, " item"], others: Shaped[np.ndarray, " item"]
) -> Shaped[np.ndarray, " item"]:
    """Two flags of each item as one."""
    both = ["; ".join(filter(None, (str(one), str(other)))) for one, other in zip(flags, others, strict=True)]
    return np.array(both, dtype=object)


def synthetic_flags(
    items: Items, vis: Visualizations, store: Store | None, at: Int[np.ndarray, " item"]
) -> Shaped[np.ndarray, " item"]:
    """Flags of pictures of a layer's units, beside the peaks of real images.

    Args:
        items: the units.
        vis: their pictures.
        store: statistics of real images; without it nothing is known.
        at: which picture each item shows, −1 for none.
    """
    flags = np.full(len(at), "", dtype=object)
    known = np.flatnonzero(at >= 0)
    layer = items.about.get("layer")
    if store is None or layer is None:
        flags[known] = "not held against real images"
        return flags
    activation = np.full(len(known), np.nan)
    if "activation" in vis.data:
        activation = vis.data["activation"].transpose("unit", "seed").values[at[known], 0]
    quantiles = np.asarray(store[layer]["quantiles"].values)
    channels = np.array([Unit.parse(items.ids[int(place)]).channel for place in known])
    rare, highest = (quantiles[channels, QUANTILES.index(level)] for level in (RARE, 1.0))
    flags[known] = against_natural(activation, rare, highest)
    if "flag" in vis.data:
        own = vis.data["flag"].transpose("unit", "seed").values[at[known], 0]
        flags[known] = joined(flags[known], own)
    return flags
