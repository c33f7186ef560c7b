"""Activation aggregation: which channels of a layer each image counts as used, and over how many images.

The two rules are Summit's. A vote says that a channel is among the strongest of its layer for an image.
Summed over a class, votes say what the class uses. Sums of parts add up, whatever the cut.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from dask import delayed  # type: ignore[attr-defined]
from jaxtyping import Bool, Float, Int

from fvhooks.errors import MissingInputError, NonFiniteError
from fvhooks.store.layer_tasks import as_array, fold
from fvhooks.store.reading import Store
from fvhooks.store.sums import LabelSums
from fvhooks.store.vote_space import HEADS, heads_of

MASSES = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
_TRIED = 1024  # images on which a mass is chosen

Peaks = Float[np.ndarray, "image channel"]
Votes = Bool[np.ndarray, "image channel"]


@dataclass(frozen=True)
class Rule:
    """Which channels an image votes for.

    Examples:
        >>> peaks = np.array([[3.0, 1.0, 0.0, 4.0]])
        >>> Rule("count", 2)(peaks).tolist(), Rule("mass", 0.6)(peaks).tolist()
        ([[True, False, False, True]], [[True, False, False, True]])

    Args:
        kind: "count": the strongest `size` of them. "mass": from the strongest down until they make `size`
            of the sum of all of them, one at least.
        size: how many channels, or which share of the sum.
        positive_only: never for a channel that is not above zero.
    """

    kind: Literal["count", "mass"]
    size: float
    positive_only: bool = False

    def __call__(self, peaks: Peaks) -> Votes:
        """The votes of each image; of equal channels the first has precedence.

        Raises:
            NonFiniteError: NaN among the peaks.
        """
        if not np.isfinite(peaks).all():
            raise NonFiniteError(
                f"Expected finite peaks, got NaN or infinity in rows {_first(~np.isfinite(peaks).all(1))}."
            )
        order = np.argsort(-peaks, axis=1, kind="stable")
        chosen = self._by_mass(peaks, order) if self.kind == "mass" else self._by_count(peaks)
        votes = np.zeros(peaks.shape, bool)
        np.put_along_axis(votes, order, chosen, axis=1)
        return votes & (peaks > 0) if self.positive_only else votes

    def _by_count(self, peaks: Peaks) -> Votes:
        places = np.arange(peaks.shape[1]) < int(self.size)
        return np.broadcast_to(places, peaks.shape)

    def _by_mass(self, peaks: Peaks, order: Int[np.ndarray, "image channel"]) -> Votes:
        values = np.take_along_axis(peaks, order, 1).clip(min=0).astype(np.float64)
        total = values.sum(1, keepdims=True)
        before = np.cumsum(values, 1) - values  # a channel is taken while the mass above it falls short
        return np.asarray((before < self.size * total) & (total > 0))


def choose_rule(
    store: Store, layer: str, kind: Literal["count", "mass"] = "count", size: float | None = None
) -> Rule:
    """A rule for a layer: as given, or so that an image votes for about a tenth of the channels.

    Args:
        store: of the model.
        layer: a layer of it.
        kind: "count" or "mass".
        size: channels, or share of the sum; None chooses: a tenth of the channels, or the smallest of
            `MASSES` that gives that many on average over up to 1,024 images.

    Raises:
        MissingInputError: "mass" for a layer with negative values, or a size that makes no sense.
    """
    channels = store.layout(layer).channels
    if kind == "mass" and bool(store.is_signed(layer)):
        raise MissingInputError(
            f"The rule 'mass' shares out a sum of activations, and layer {layer!r} has negative ones. "
            "Use rule='count', which needs only their order, or a layer behind a ReLU."
        )
    if size is not None:
        _check_size(kind, size)
        return Rule(kind, min(size, channels) if kind == "count" else size)
    if kind == "count":
        return Rule("count", heads_of(channels))
    stored = store.of_images(layer, "peak")
    step = max(1, store.size // _TRIED)
    peaks = stored.isel(image=slice(None, None, step)).values
    peaks = peaks[np.isfinite(peaks).all(1)]
    enough = (mass for mass in MASSES if Rule("mass", mass)(peaks).sum(1).mean() >= HEADS * channels)
    return Rule("mass", next(enough, MASSES[-1]))


def class_votes(store: Store, layer: str, rule: Rule, *, report: bool = False) -> xr.Dataset:
    """The votes of every class, lazily: one pass over the layer's peaks, a task a shard.

    Examples:
        >>> class_votes(store, "layer4", Rule("count", 5)).share.compute()  # doctest: +SKIP

    Args:
        store: of the model.
        layer: a layer of it.
        rule: which channels an image votes for.
        report: of the images of the report split, else of all others.

    Returns:
        `share` (label, channel): of a label's images, how many vote for each channel.
    """
    labels = np.unique(store.labels[store.labels >= 0])
    chosen = (store.in_split("report") == report) & (store.labels >= 0)
    step = store.shard_size
    cuts = range(0, store.size, step)
    blocks = store.of_images(layer, "peak").data.to_delayed().ravel()
    parts = [
        delayed(_sums)(block, rule, store.labels[cut : cut + step], chosen[cut : cut + step])
        for block, cut in zip(blocks, cuts, strict=True)
    ]
    shape = (len(labels), store.layout(layer).channels)
    means = as_array(fold(parts, LabelSums.merge).means(labels), shape, dtype=np.float64)
    coords = {"label": labels, "channel": np.arange(shape[1])}
    return xr.Dataset({"share": (("label", "channel"), means)}, coords=coords, attrs={"layer": layer})


def _sums(
    peaks: Peaks, rule: Rule, labels: Int[np.ndarray, " image"], chosen: Bool[np.ndarray, " image"]
) -> LabelSums:
    usable = chosen & ~np.isnan(peaks).any(1)
    votes = np.zeros(peaks.shape, np.float32)
    if usable.any():
        votes[usable] = rule(peaks[usable])
    return LabelSums.of(votes, labels, usable)


def _check_size(kind: str, size: float) -> None:
    if (kind == "count" and size < 1) or (kind == "mass" and not 0 < size <= 1):
        wanted = "channels, 1 or more" if kind == "count" else "a share of the sum, above 0 and at most 1"
        raise MissingInputError(f"Expected {wanted}, for the rule {kind!r}; got {size}.")


def _first(which: Bool[np.ndarray, " image"], count: int = 5) -> list[int]:
    return [int(row) for row in np.flatnonzero(which)[:count]]
