"""What all checks of an audit look at, read once: pictures, controls and real images in the model."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32

from fvhooks.errors import FVHooksError, MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.metrics.paths import COORDINATES, coordinates, standardized_ranks
from fvhooks.reliability.cohorts import Cohort, choose_cohort
from fvhooks.reliability.drives import NaturalPeaks
from fvhooks.reliability.findings import FLOORS
from fvhooks.reliability.judging import Judge
from fvhooks.reliability.natural import Natural
from fvhooks.reliability.readings import Readings, readings_of
from fvhooks.reliability.real_images import RealImages
from fvhooks.reliability.variants import VARIANTS, vary
from fvhooks.store.reading import Store
from fvhooks.units import LOGITS, Layout, Unit

_BATCH = 64
_MEMORY = 2 * 2**30  # bytes of ranks; beyond it fewer coordinates are compared


_Vectors = dict[tuple[str, bool], Float32[np.ndarray, "_ _"]]


class Evidence:
    """Pictures, controls and real images, with everything that checks need to know of them.

    The *cast* of a unit is its pictures, one a seed, followed by the controls of `FLOORS`.

    Args:
        hooked: the model.
        store: what real images do in it, with its data set.
        units: what the pictures are of.
        pictures: (unit, seed, rgb, y, x) in [0, 1].
        layers: where paths are compared, in network order.
        show_progress: show a bar while images are read.
        judge: another network, for checks that ask what an onlooker makes of a picture.
    """

    def __init__(
        self,
        hooked: HookedModel,
        store: Store,
        *,
        units: Sequence[Unit],
        pictures: Float[torch.Tensor, "unit seed rgb y x"],
        layers: Sequence[str],
        show_progress: bool = False,
        judge: HookedModel | None = None,
    ) -> None:
        self.hooked, self.store, self.units, self.pictures = hooked, store, list(units), pictures
        self.layers, self.show_progress = list(layers), show_progress
        self.judge = None if judge is None else Judge(judge, store)
        self.real = RealImages(self)
        self._peaks_of_nature: dict[Unit, NaturalPeaks] = {}

    @cached_property
    def readings(self) -> Readings:
        """What is known of real images in the network, also from earlier audits."""
        return readings_of(self.hooked, self.store)

    @cached_property
    def placings(self) -> frozenset[bool]:
        """How the paths of these units are compared: place by place, by channels, or some so and some so."""
        return frozenset(_is_placed(unit) for unit in self.units)

    @property
    def seeds(self) -> int:
        """How many pictures a unit has."""
        return int(self.pictures.shape[1])

    def cohort(self, unit: Unit) -> Cohort:
        """The real images to compare a unit's pictures with.

        Raises:
            FVHooksError: there are none for this unit, and why.
        """
        found = self._cohorts[unit]
        if isinstance(found, Exception):
            raise found
        return found

    def require_judge(self) -> Judge:
        """The other network.

        Raises:
            MissingInputError: there is none, or it is the audited one.
        """
        if self.judge is None:
            raise MissingInputError("no other network to ask; pass one with audit(judge=fvhooks.attach(…))")
        if self.judge.hooked.model is self.hooked.model:
            raise MissingInputError("the judge is the audited network itself; pass another one")
        return self.judge

    def cast(self, unit: Unit) -> Float[torch.Tensor, "member rgb y x"]:
        """A unit's pictures and controls."""
        return self._cast[self.units.index(unit)]

    def channels(
        self, images: Float[torch.Tensor, "image rgb y x"], layer: str
    ) -> Float[np.ndarray, "image channel"]:
        """The mean of each channel of a layer over its positions."""
        parts = []
        for batch in torch.split(images, _BATCH):
            activations = self.read(batch, [layer])[layer]
            parts.append(self._layout(layer, activations).to_channels(activations).mean(-1).double().numpy())
        return np.concatenate(parts)

    def depths(self, unit: Unit) -> list[str]:
        """The layers that a unit's path passes: those up to its own."""
        probe = self.hooked.probe()
        return [name for name in self.layers if probe[name].order <= probe[unit.layer].order]

    def ranks(self, unit: Unit, layer: str) -> dict[str, Float32[np.ndarray, "_ _"]]:
        """`standardized_ranks` at a layer of a unit's "own", "other" and "held" images and of its "cast".

        Place by place for an output of the model; by the peak of each channel for an inner unit.
        """
        cohort, place, placed = self.cohort(unit), self.units.index(unit), _is_placed(unit)
        parts = {
            part: self.real.ranks(layer, getattr(cohort, part), placed=placed)
            for part in ("own", "other", "held")
        }
        size = self.seeds + len(FLOORS)
        return parts | {"cast": self._cast_ranks[layer, placed][place * size : (place + 1) * size]}

    def peaks(self, unit: Unit) -> Float[np.ndarray, "variant member"]:
        """The peak activation of each member of a unit's cast, as made and in each of `VARIANTS`."""
        peaks: np.ndarray = self._cast_peaks[self.units.index(unit)]
        return peaks

    def natural_peaks(self, unit: Unit) -> NaturalPeaks:
        """A unit's peaks on real images.

        Raises:
            MissingInputError: the store says nothing about it, or too little.
        """
        if unit not in self._peaks_of_nature:
            self._peaks_of_nature[unit] = NaturalPeaks.of(unit, self)
        return self._peaks_of_nature[unit]

    @cached_property
    def natural(self) -> Natural:
        """What real images do at every layer, and what is left of activations held to it."""
        return Natural(self)

    @cached_property
    def _cohorts(self) -> dict[Unit, Cohort | Exception]:
        found: dict[Unit, Cohort | Exception] = {}
        for unit in self.units:
            try:
                found[unit] = choose_cohort(self.store, unit)
            except (FVHooksError, LookupError, ValueError) as error:
                found[unit] = error
        return found

    @cached_property
    def compared(self) -> list[str]:
        """The real images that any unit is compared with."""
        cohorts = [cohort for cohort in self._cohorts.values() if isinstance(cohort, Cohort)]
        return list(dict.fromkeys(name for cohort in cohorts for name in cohort.everything))

    @cached_property
    def limit(self) -> int:
        """How many coordinates of a layer are compared at most."""
        images = len(self.compared) + len(self.units) * (self.seeds + len(FLOORS))
        return min(COORDINATES, max(1000, _MEMORY // (4 * images * len(self.layers))))

    @cached_property
    def _cast_ranks(self) -> _Vectors:
        parts = [
            self.ranked(self.read(b, self.layers)) for b in torch.split(self._cast.flatten(0, 1), _BATCH)
        ]
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def ranked(self, activations: Mapping[str, torch.Tensor]) -> _Vectors:
        """`standardized_ranks` of what layers gave, as far as these units need them."""
        return {
            (layer, placed): standardized_ranks(self._vectors(layer, values, placed=placed))
            for layer, values in activations.items()
            for placed in sorted(self.placings)
        }

    def _vectors(
        self, layer: str, activations: torch.Tensor, *, placed: bool
    ) -> Float[np.ndarray, "image coordinate"]:
        if placed:
            values = activations.flatten(1)
            return values[:, coordinates(values.shape[1], self.limit)].numpy()
        return self._layout(layer, activations).to_channels(activations).amax(-1).numpy()

    @cached_property
    def _cast(self) -> Float[torch.Tensor, "unit member rgb y x"]:
        rng = torch.Generator().manual_seed(0)
        shape = self.pictures.shape[-3:]
        casts = []
        for unit, pictures in zip(self.units, self.pictures, strict=True):
            grey, noise = torch.full(shape, 0.5), torch.rand(shape, generator=rng)
            casts.append(torch.cat([pictures, torch.stack([grey, noise, self._mean(unit, grey)])]))
        return torch.stack(casts)

    def _mean(self, unit: Unit, instead: torch.Tensor) -> torch.Tensor:
        """The mean of the unit's own reference images, as a maker of pictures could take it."""
        cohort = self._cohorts[unit]
        if isinstance(cohort, Exception) or not cohort.reference:
            return instead
        mean: torch.Tensor = self.readings.note(
            ("mean", cohort.reference), lambda: self.store.images(cohort.reference).mean(0)
        )
        return mean

    @cached_property
    def _cast_peaks(self) -> Float[np.ndarray, "unit variant member"]:
        peaks = np.empty((len(self.units), 1 + len(VARIANTS), self._cast.shape[1]))
        for place, (unit, cast) in enumerate(zip(self.units, self._cast, strict=True)):
            images = torch.cat([cast, *vary(cast, seed=place).values()])
            batches = [self.peaks_of(unit, batch) for batch in torch.split(images, _BATCH)]
            peaks[place] = np.concatenate(batches).reshape(peaks.shape[1:])
        return peaks

    def peaks_of(self, unit: Unit, images: torch.Tensor) -> Float[np.ndarray, " image"]:
        """The peak activation of a unit in each of some images."""
        activations = self.read(images, [unit.layer])[unit.layer]
        layout = self._layout(unit.layer, activations)
        answers = layout.to_channels(activations)[:, unit.channel]
        if unit.position is not None:
            return answers[:, layout.index(unit.position)].numpy()
        return answers.amax(-1).numpy()

    def _layout(self, layer: str, activations: torch.Tensor) -> Layout:
        height, width = (int(side) for side in self.pictures.shape[-2:])
        layout = self.hooked.adapter.layout(layer, tuple(activations.shape), (height, width))
        return layout or self.hooked.layout(layer)  # which says why there is none

    def read(self, images: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        """What layers give for images, as numbers in memory."""
        with torch.no_grad():
            return {name: values.float().cpu() for name, values in self.hooked.read(images, layers).items()}


def _is_placed(unit: Unit) -> bool:
    """Whether paths of a unit are compared place by place.

    They are for outputs of the model, as in the literature. What an inner unit answers to lies anywhere in an
    image; its paths are compared by the peak of each channel.
    """
    return unit.layer == LOGITS
