"""What the units of a store can be sorted by: one number a unit for each statistic."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from fvhooks.atlases.forms.units_of_layer import selectivity
from fvhooks.store.reading import Store
from fvhooks.units import Unit

SELECTIVITY, FIRES = "selectivity", "share of images it fires for"
QUANTILES = {
    1.0: "highest peak",
    0.99: "99th percentile of peaks",
    0.95: "95th percentile of peaks",
    0.5: "median peak",
    0.0: "lowest peak",
}
MEAN, DEVIATION = "mean activation", "standard deviation"


def measured(store: Store, *, labels: bool) -> xr.Dataset:
    """A row for each unit of a store: `measure` (unit, statistic), `dead` and `signed` (unit).

    Args:
        store: statistics of real images.
        labels: whether to read the peaks of all images for their means by label, `class_mean` (unit, label)
            and `best_label` (unit); without them no unit has a selectivity.
    """
    return xr.concat([_of_layer(store, layer, labels=labels) for layer in store.layers], dim="unit")


def has_means(store: Store) -> bool:
    """Whether a store can say what the images of a label do: they have labels, and it keeps all of them."""
    return store.keeps_all and len(np.unique(store.labels[store.labels >= 0])) > 1


def selectivity_for(
    means: Float[np.ndarray, "channel label"], place: int, signed: Bool[np.ndarray, " channel"]
) -> Float[np.ndarray, " channel"]:
    """How much more units answer to one label than to the others: (its − others) / (its + others).

    In [−1, 1]; for signed units the lowest label counts as zero. NaN where nothing moves a unit.

    Examples:
        >>> selectivity_for(np.array([[3.0, 1.0, 1.0]]), 0, np.array([False]))
        array([0.5], dtype=float32)

    Args:
        means: mean peaks of each label; NaN for a label without images.
        place: of the label.
        signed: whether a unit has negative values.
    """
    floor = np.where(signed, np.nanmin(means, axis=1), 0.0)[:, None]
    raised = np.maximum(means - floor, 0.0)
    own = raised[:, place]
    others = np.nanmean(np.delete(raised, place, axis=1), axis=1)
    whole = own + others
    found = np.full(len(own), np.nan)
    np.divide(own - others, whole, out=found, where=whole > 0)
    return found.astype(np.float32)


def _of_layer(store: Store, layer: str, *, labels: bool) -> xr.Dataset:
    kept, signed = store[layer], store.is_signed(layer)
    channels = store.layout(layer).channels
    active = np.asarray(kept["active_fraction"].values, np.float32)
    quantiles = kept["quantiles"].transpose("quantile", "channel").load()
    columns = {FIRES: active}
    for share, name in QUANTILES.items():
        columns[name] = quantiles.sel(quantile=share, method="nearest").values
    columns[MEAN] = kept["natural_mean"].values
    columns[DEVIATION] = np.sqrt(kept["natural_variance"].values)
    found: dict[str, Any] = {
        "dead": ("unit", np.zeros(channels, bool) if signed else active == 0),
        "signed": ("unit", np.full(channels, signed)),
    }
    if labels:
        means = store.class_means(layer).transpose("channel", "label").compute()
        columns = {SELECTIVITY: selectivity(means.values.T, signed=signed)} | columns
        best = means["label"].values[np.argmax(np.nan_to_num(means.values, nan=-np.inf), axis=1)]
        found["best_label"] = ("unit", best)
        found["class_mean"] = (("unit", "label"), means.values.astype(np.float32))
        columns[SELECTIVITY] = np.where(found["dead"][1], np.nan, columns[SELECTIVITY])
    table = np.stack([np.asarray(column, np.float32) for column in columns.values()], axis=1)
    units = [Unit(layer, channel).id for channel in range(channels)]
    coords: dict[str, Any] = {
        "unit": np.array(units, dtype=object),
        "layer": ("unit", np.full(channels, layer, dtype=object)),
        "channel": ("unit", np.arange(channels)),
        "statistic": np.array(list(columns), dtype=object),
    }
    if labels:
        coords["label"] = np.asarray(means["label"].values)
    return xr.Dataset({"measure": (("unit", "statistic"), table), **found}, coords=coords)
