"""Which inner units are worth a first look: those that fire, and fire for something in particular."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from fvhooks.errors import MissingInputError
from fvhooks.units import Unit

_FIRES = 0.02  # of the images, at least: below that a unit is dead, or fires by accident


@runtime_checkable
class Statistics(Protocol):
    """What is asked of a store."""

    def __getitem__(self, layer: str) -> xr.Dataset:
        """`peak` (image, channel) with the coordinates `label` and `split`, `active_fraction` (channel)."""
        ...


def selective_units(store: Statistics, layers: Sequence[str], *, count: int = 12) -> list[Unit]:
    """The units that tell one class of images from all others best, the same number from each layer.

    1. A unit must fire, that is, have a peak above zero, on at least 2 % of the images (`active_fraction` of
       the store). Those that do not come last.
    2. Its favourite class is the one with the highest mean peak, over the images of the split `reference`.
    3. Its selectivity is that mean less the mean peak of all other images, over the root of the mean of
       the two variances.
    4. The most selective come first, but a class is a favourite again only when every other had its turn, the
       layers before counted: a dozen units then show a dozen things.

    Examples:
        >>> selective_units(store, ["stage3", "stage4"], count=12)  # doctest: +SKIP
        [Unit(layer='stage3', channel=41, position=None), ...]

    Args:
        store: statistics of labelled images.
        layers: where to look; the earlier ones give one unit more where `count` does not divide.
        count: how many units in all.

    Raises:
        MissingInputError: the images have no labels, or all the same one.
    """
    chosen: list[Unit] = []
    taken: Counter[int] = Counter()
    for place, layer in enumerate(layers):
        share = count // len(layers) + (place < count % len(layers))
        favourite, order = _ranked(store[layer], layer, taken)
        chosen += [Unit(layer, int(channel)) for channel in order[:share]]
        taken.update(favourite[order[:share]].tolist())
    return chosen


def _ranked(
    statistics: xr.Dataset, layer: str, taken: Mapping[int, int]
) -> tuple[Int[np.ndarray, " channel"], Int[np.ndarray, " channel"]]:
    """Each channel's favourite class, and the channels from the one to show first to the last."""
    reference = (statistics["split"] == "reference").to_numpy()
    peaks = statistics["peak"].to_numpy()[reference]
    labels = statistics["label"].to_numpy()[reference]
    known = np.unique(labels[labels >= 0])
    if len(known) < 2:
        message = f"Choosing units of {layer!r} needs images of at least two classes, got {len(known)}"
        raise MissingInputError(f"{message}; collect from a data set that gives (image, label).")
    favourite, selectivity = _selectivity(peaks, labels, known)
    silent = statistics["active_fraction"].to_numpy() < _FIRES
    turns = _turns(favourite, np.where(silent, -np.inf, selectivity))
    turns += np.array([taken.get(int(label), 0) for label in favourite])
    return favourite, np.lexsort((-selectivity, turns, silent))


def _selectivity(
    peaks: Float[np.ndarray, "image channel"],
    labels: Int[np.ndarray, " image"],
    known: Int[np.ndarray, " group"],
) -> tuple[Int[np.ndarray, " channel"], Float[np.ndarray, " channel"]]:
    """Each channel's favourite class and how far it stands out."""
    means = np.stack([np.nanmean(peaks[labels == label], axis=0) for label in known])
    favourite = means.argmax(axis=0)
    scores = np.empty(peaks.shape[1], np.float32)
    for channel, best in enumerate(favourite):
        own = peaks[labels == known[best], channel]
        rest = peaks[labels != known[best], channel]
        spread = np.sqrt((np.nanvar(own) + np.nanvar(rest)) / 2)
        scores[channel] = (np.nanmean(own) - np.nanmean(rest)) / spread if spread > 0 else 0
    return known[favourite], scores


def _turns(
    favourite: Int[np.ndarray, " channel"], scores: Float[np.ndarray, " channel"]
) -> Int[np.ndarray, " channel"]:
    """0 for the most selective channel of each class, 1 for the second, and so on."""
    turns = np.zeros(len(scores), np.int64)
    for label in np.unique(favourite):
        members = np.flatnonzero(favourite == label)
        turns[members[np.argsort(-scores[members], kind="stable")]] = np.arange(len(members))
    return turns
