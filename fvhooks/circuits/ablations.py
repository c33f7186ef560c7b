"""What becomes of a class when units are replaced, on images that made no graph."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from fvhooks.circuits.contributions import baselines
from fvhooks.circuits.margins import Margin
from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.hooks.edits import Target, Value
from fvhooks.metrics.intervals import Interval, percentile_interval
from fvhooks.store.contents import some
from fvhooks.store.reading import Store
from fvhooks.units import LOGITS, Unit

How = Literal["mean", "resample"]
"""What a replaced unit is given: its mean over reference images, or what it is on images of other classes."""

HOWS: tuple[How, ...] = ("mean", "resample")
DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Stage:
    """Held-out images of a class and of others, on which units are replaced.

    Args:
        hooked: the model.
        store: of it, with its data set.
        label: the class.
        ids: images of the report split; those of the class first.
        own: how many of them are of the class; there are as many others, where there are enough.
        labels: of each.
        donors: an image of another label for each.
        batch_size: images a pass.
    """

    hooked: HookedModel
    store: Store
    label: int
    ids: tuple[str, ...]
    own: int
    labels: Int[np.ndarray, " image"]
    donors: tuple[str, ...]
    batch_size: int = 64
    _donated: dict[tuple[str, ...], list[dict[str, Float[torch.Tensor, "image _ _"]]]] = field(
        default_factory=dict, repr=False
    )
    _known: dict[str, Float[torch.Tensor, " _"]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        hooked: HookedModel,
        store: Store,
        label: int,
        *,
        images: int | None = 100,
        batch_size: int = 64,
        seed: int = 0,
        without: Collection[str] = (),
    ) -> Self:
        """Choose the images.

        Args:
            hooked: the model.
            store: of it.
            label: the class.
            images: of the class, at most; None: all of the report split.
            batch_size: images a pass.
            seed: of the choice.
            without: ids that are left out, such as those that the graph was made of.

        Raises:
            MissingInputError: no labels, no report images of the class, or none of another.
            StoreError: the store is of another model.
        """
        store.require(hooked)
        table = store.images_table
        labels = np.asarray(table.label.values)
        if not (labels >= 0).any():
            raise MissingInputError(
                "A margin is that of a class, and the store has no labels. Collect from a data set that "
                "gives (image, label), or pass labels= to fvhooks.collect."
            )
        outputs = [store.label_of_logit(output) for output in range(store.layout(LOGITS).channels)]
        usable = (table.error.values == "") & (table.split.values == "report") & np.isin(labels, outputs)
        usable &= ~np.isin(table.id.values.astype(str), list(without))
        mine, others = np.flatnonzero(usable & (labels == label)), np.flatnonzero(usable & (labels != label))
        if not len(mine) or not len(others):
            lacking = f"of label {label}" if not len(mine) else f"of a label other than {label}"
            raise MissingInputError(
                f"The store has no readable image {lacking} in its report split, which a fifth of all ids "
                f"fall into; it has the labels {some(np.unique(labels[usable]).tolist())} there. "
                "Collect more images."
            )
        generator = np.random.default_rng(seed)
        mine = generator.permutation(mine)[:images]
        rows = np.r_[mine, generator.permutation(others)[: len(mine)]]
        every = np.r_[mine, others]
        given = np.array([generator.choice(every[labels[every] != labels[row]]) for row in rows])
        ids, donors = (tuple(str(name) for name in table.id.values[chosen]) for chosen in (rows, given))
        return cls(hooked, store, label, ids, len(mine), labels[rows], donors, batch_size)

    @cached_property
    def batches(self) -> list[Float[torch.Tensor, "image rgb y x"]]:
        """The pictures, read once."""
        return [self.store.images(names) for names in self._cut(self.ids)]

    def margins(
        self, replaced: Mapping[str, Bool[np.ndarray, " _"]], how: How = "mean"
    ) -> Float[np.ndarray, " image"]:
        """Of each image for its own label, while channels of some layers are replaced.

        Args:
            replaced: which channels, by layer.
            how: by what.
        """
        found = []
        for number, images in enumerate(self.batches):
            with torch.no_grad(), self.hooked.edit(self._edits(number, replaced, how)):
                found.append(self.hooked.module(images).double().cpu())
        return np.asarray((torch.cat(found).numpy() * self._weights).sum(1))

    def means(
        self, layers: Sequence[str], replaced: Mapping[str, Bool[np.ndarray, " _"]], how: How = "mean"
    ) -> dict[str, Float[np.ndarray, " _"]]:
        """Of each channel of some layers, over positions and the class's images.

        Args:
            layers: whose channels.
            replaced: channels of layers before them, by layer.
            how: what those are replaced by.
        """
        sums: dict[str, Float[np.ndarray, " _"]] = {}
        for number, images in enumerate(self.batches):
            mine = images[: max(0, self.own - number * self.batch_size)]
            if not len(mine):
                break
            with torch.no_grad(), self.hooked.edit(self._edits(number, replaced, how)):
                read = self.hooked.read(mine, layers)
            for layer, values in read.items():
                channels = self.hooked.layout(layer).to_channels(values).mean(-1).double()
                sums[layer] = sums.get(layer, 0) + channels.sum(0).cpu().numpy()
        return {layer: total / self.own for layer, total in sums.items()}

    @cached_property
    def _weights(self) -> Float[np.ndarray, "image output"]:
        """What each output counts for in the margin of each image's label."""
        unit = torch.eye(self.store.layout(LOGITS).channels, dtype=torch.float64)
        rows = {
            label: Margin.of(self.store, label)(unit).numpy() for label in np.unique(self.labels).tolist()
        }
        return np.stack([rows[label] for label in self.labels.tolist()])

    def _cut(self, names: Sequence[str]) -> list[Sequence[str]]:
        return [names[start : start + self.batch_size] for start in range(0, len(names), self.batch_size)]

    def _edits(
        self, number: int, replaced: Mapping[str, Bool[np.ndarray, " _"]], how: How
    ) -> dict[Target, Value]:
        """What replaces the channels in one batch."""
        if how == "mean":
            unknown = [layer for layer in replaced if layer not in self._known]
            self._known.update(baselines(self.store, self.hooked, unknown))
            return {
                layer: _replacing(mask, self._known[layer][None, :, None]) for layer, mask in replaced.items()
            }
        given = self._donations(tuple(replaced))[number]
        return {layer: _replacing(mask, given[layer]) for layer, mask in replaced.items()}

    def _donations(self, layers: tuple[str, ...]) -> list[dict[str, Float[torch.Tensor, "image _ _"]]]:
        """What the donors give at some layers; kept until other layers are asked for."""
        if layers and layers not in self._donated:
            self._donated.clear()
            with torch.no_grad():
                self._donated[layers] = [
                    {
                        layer: self.hooked.layout(layer).to_channels(values)
                        for layer, values in self.hooked.read(self.store.images(names), layers).items()
                    }
                    for names in self._cut(self.donors)
                ]
        return self._donated.get(layers, [{}] * len(self.batches))


def margin_change(
    hooked: HookedModel,
    store: Store,
    units: Iterable[Unit],
    label: int,
    *,
    how: str = "mean",
    keep: bool = False,
    images: int | None = 100,
) -> Interval:
    """How far a class's margin changes once units are replaced, on images of the report split.

    The margin is the class's output less the mean of all others. Below zero: the class loses.

    Examples:
        >>> fv.circuits.margin_change(hooked, store, graph.units, label=3)           # doctest: +SKIP
        Interval(value=-7.3, low=-8.1, high=-6.6)

    Args:
        hooked: the model.
        store: of it, with its data set.
        units: channels of inner layers; those of several layers are replaced at once, and logits left alone.
        label: the class.
        how: by what: "mean", their mean over reference images; "resample", what they are on an image of
            another class.
        keep: replace all other channels of those layers instead.
        images: of the class, at most.

    Returns:
        The mean over the class's images, with its 95 % interval.

    Raises:
        MissingInputError: no unit, no labels, or no report image of the class.
        StoreError: the store is of another model.
        LayerNotFoundError: a unit of a layer that the store does not have.
    """
    checked = checked_how(how)
    stage = Stage.of(hooked, store, label, images=images)
    replaced = masks(store, units)
    if not replaced:
        raise MissingInputError("Expected one unit of an inner layer or more to replace, got none.")
    if keep:
        replaced = {layer: ~mask for layer, mask in replaced.items()}
    change = stage.margins(replaced, checked) - stage.margins({})
    return mean_interval(change[: stage.own], seed=0)


def masks(store: Store, units: Iterable[Unit]) -> dict[str, Bool[np.ndarray, " _"]]:
    """Which channels some units are, by layer; logits are left out.

    Raises:
        LayerNotFoundError: a layer that the store does not have.
        MissingInputError: a channel that the layer does not have.
    """
    found: dict[str, Bool[np.ndarray, " _"]] = {}
    for unit in units:
        if unit.is_logit:
            continue
        channels = store.layout(unit.layer).channels
        if unit.channel >= channels:
            raise MissingInputError(
                f"Layer {unit.layer!r} has {channels} channels, counted from 0; got {unit.id!r}."
            )
        found.setdefault(unit.layer, np.zeros(channels, bool))[unit.channel] = True
    return found


def checked_how(how: str) -> How:
    """A way to replace units, once it is one of those that there are."""
    for known in HOWS:
        if how == known:
            return known
    raise MissingInputError(f"Expected how to be one of {HOWS}, got {how!r}.")


def mean_interval(values: Float[np.ndarray, " image"], seed: int) -> Interval:
    """A mean over images, and where it would lie with others."""
    generator = np.random.default_rng(seed)
    drawn = values[generator.integers(len(values), size=(DRAWS, len(values)))].mean(1)
    return percentile_interval(float(values.mean()), drawn)


def _replacing(
    mask: Bool[np.ndarray, " _"], given: Float[torch.Tensor, "_ _ _"]
) -> Callable[[torch.Tensor], torch.Tensor]:
    where = torch.from_numpy(mask)[None, :, None]

    def replace(values: torch.Tensor) -> torch.Tensor:
        return torch.where(where.to(values.device), given[: len(values)].to(values), values)

    return replace
