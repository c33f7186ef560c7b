"""What is left of an activation when the network is held to what real images do in it; read once an audit."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.reliability.natural_ranges import (
    Extremes,
    Ranges,
    layers_before,
    ranges_among,
    read_extremes,
    silent_channels,
)
from fvhooks.units import LOGITS, Unit

if TYPE_CHECKING:
    from fvhooks.reliability.evidence import Evidence

POOL = 400
"""Images of a split that stand for all of nature, at most."""
COMMON = 0.95
"""Share of images of all kinds that stay within a range at either end: a gate that fires for fewer than one
image in twenty is shut."""
COMMON_IN_KIND = 0.75
"""Share of the images of a unit's kind, whose ranges are added: what is rare among all images may be what the
unit is about."""
WHOLE = 0.999
_HELD = 20  # held-out images: a control, no limit
_OWN = 40
_BATCH = 64

Peaks = Float[np.ndarray, " image"]
Rows = Int[np.ndarray, " row"]


def own_rows(count: int) -> Rows:
    """Which images of a unit's kind set its ranges, spread over the strongest and the weaker ones."""
    return np.linspace(0, count - 1, min(count, _OWN)).round().astype(np.int64)


def held_rows(count: int) -> Rows:
    """Which held-out images of a unit's kind are shown beside its pictures."""
    return np.linspace(0, count - 1, min(count, _HELD)).round().astype(np.int64)


class Natural:
    """Ranges of every channel at every layer, and activations under them.

    Args:
        evidence: pictures, cohorts, model and store.
    """

    def __init__(self, evidence: "Evidence") -> None:
        self._evidence = evidence
        self._layers: dict[str, list[str]] = {}
        self._clipped: dict[Unit, dict[str, Peaks]] = {}

    def layers(self, unit: Unit) -> list[str]:
        """The layers that a unit's path passes, its own left out."""
        if unit.layer not in self._layers:
            image = self._evidence.cast(unit)[0]
            self._layers[unit.layer] = layers_before(self._evidence.hooked, unit.layer, image)
        return self._layers[unit.layer]

    @cached_property
    def deepest(self) -> list[str]:
        """The layers before the deepest unit: all that any unit's path passes."""
        probe = self._evidence.hooked.probe()
        return self.layers(max(self._evidence.units, key=lambda unit: probe[unit.layer].order))

    @cached_property
    def pool(self) -> Extremes:
        """The extremes of calibration images of all kinds, up to the deepest unit."""
        return self._evidence.real.extremes(self.deepest, self._ids("calibration"))

    @cached_property
    def needed(self) -> list[str]:
        """The images whose extremes are asked for: the pool's, and of each unit's kind."""
        own = [name for unit in self._evidence.units for name in self._own(unit)]
        return list(dict.fromkeys([*self._ids("calibration"), *own]))

    @cached_property
    def silent(self) -> Ranges:
        """The channels that have one value on all of `pool`, held there."""
        return silent_channels(self.pool)

    @property
    def firings(self) -> tuple[int, int]:
        """How often report images fire a channel that calibration images never do; of how many images."""
        found: tuple[int, int] = self._note("firings", self._count_firings)
        return found

    def _count_firings(self) -> tuple[int, int]:
        layers, ids, count = list(self.silent.high), self._ids("report"), 0
        for batch in self._images(ids if layers else []):
            seen = read_extremes(self._evidence.hooked, layers, [batch])
            for layer in layers:
                low, high = self.silent.low[layer], self.silent.high[layer]
                count += int(((seen.low[layer] < low) | (seen.high[layer] > high)).sum())
        return count, len(ids)

    def clipped(self, unit: Unit) -> dict[str, Peaks]:
        """Peak activations with every channel before the unit held to what real images commonly do.

        That is its range among images of all kinds, widened to that among images of the unit's kind. The
        latter alone would give as well as take away: held to it, ordinary images come to drive the unit.

        Returns:
            Those of the "own" images at `own_rows`, of the "held" ones at `held_rows` and of the "cast".
        """
        if unit not in self._clipped:
            seen = self._evidence.real.extremes(self.layers(unit), self._own(unit))
            ranges = ranges_among(seen, COMMON_IN_KIND).widened(self._common)
            real: dict[str, Peaks] = self._note(("clipped", unit), lambda: self._clip_real(unit, ranges))
            self._clipped[unit] = real | {"cast": self._peaks(unit, ranges, self._evidence.cast(unit))}
        return self._clipped[unit]

    def _clip_real(self, unit: Unit, ranges: Ranges) -> dict[str, Peaks]:
        own, held = self._own(unit), self._held(unit)
        peaks = self._peaks(unit, ranges, self._evidence.store.images([*own, *held]))
        return {"own": peaks[: len(own)], "held": peaks[len(own) :]}

    def clipped_to_whole(self, unit: Unit) -> Peaks:
        """Peaks of the cast with every channel in the 0.1 to 99.9 % range of images of all kinds."""
        ranges = self._whole.at(self.layers(unit))
        return self._peaks(unit, ranges, self._evidence.cast(unit))

    def without_silent(self, unit: Unit) -> dict[str, Peaks]:
        """Peaks of "held" images and of the "cast" with every silent channel held at its one value."""
        evidence, silent = self._evidence, self.silent.at(self.layers(unit))
        if not silent.high:  # nothing to hold
            held = evidence.natural_peaks(unit).held
            return {"held": held[held_rows(len(held))], "cast": evidence.peaks(unit)[0]}
        names = self._held(unit)
        held = self._note(("silent", unit), lambda: self._peaks(unit, silent, evidence.store.images(names)))
        return {"held": held, "cast": self._peaks(unit, silent, evidence.cast(unit))}

    @property
    def accuracy(self) -> tuple[float, float]:
        """Of report images, as they are and with every channel in the range of images of all kinds.

        NaN where they have no labels, or where no unit is an output.
        """
        if all(unit.layer != LOGITS for unit in self._evidence.units):
            return np.nan, np.nan
        found: tuple[float, float] = self._note("accuracy", self._measure_accuracy)
        return found

    def _measure_accuracy(self) -> tuple[float, float]:
        table = self._evidence.store.images_table
        row = {name: i for i, name in enumerate(table.id.values.astype(str).tolist())}
        ids = [name for name in self._ids("report") if table.label.values[row[name]] >= 0]
        if not ids:
            return np.nan, np.nan
        outputs = [self._evidence.store.label_of_logit(c) for c in range(self._outputs)]
        labels = table.label.values[[row[name] for name in ids]]
        plain = table.prediction.values[[row[name] for name in ids]]
        with self._whole.hold(self._evidence.hooked):
            held = torch.cat([self._evidence.read(batch, [LOGITS])[LOGITS] for batch in self._images(ids)])
        return float((plain == labels).mean()), float((np.array(outputs)[held.argmax(1)] == labels).mean())

    def _note(self, key: Hashable, make: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever `make` returns
        """What real images alone decide, from an earlier audit where there was one."""
        return self._evidence.readings.note((key, tuple(self.deepest)), make)

    def _own(self, unit: Unit) -> list[str]:
        own = self._evidence.cohort(unit).own
        return [own[row] for row in own_rows(len(own))]

    def _held(self, unit: Unit) -> list[str]:
        held = self._evidence.cohort(unit).held
        return [held[row] for row in held_rows(len(held))]

    @cached_property
    def _common(self) -> Ranges:
        return ranges_among(self.pool, COMMON)

    @cached_property
    def _whole(self) -> Ranges:
        return ranges_among(self.pool, WHOLE)

    @property
    def _outputs(self) -> int:
        return self._evidence.store.layout(LOGITS).channels

    def _peaks(self, unit: Unit, ranges: Ranges, images: torch.Tensor) -> Peaks:
        with ranges.hold(self._evidence.hooked):
            return np.concatenate(
                [self._evidence.peaks_of(unit, part) for part in torch.split(images, _BATCH)]
            )

    def _ids(self, split: str) -> list[str]:
        """Some images of a split, the same every time; rows lie in label order, so they are shuffled."""
        table = self._evidence.store.images_table
        rows = np.flatnonzero((table.error.values == "") & (table.split.values == split))
        chosen = np.random.default_rng(0).permutation(rows)[:POOL]
        return [str(name) for name in table.id.values[chosen]]

    def _images(self, ids: Sequence[str]) -> Iterator[torch.Tensor]:
        for start in range(0, len(ids), _BATCH):
            yield self._evidence.store.images(ids[start : start + _BATCH])
