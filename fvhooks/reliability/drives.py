"""How strongly a picture drives its unit, between ordinary real images and those of the unit's kind."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from fvhooks.errors import MissingInputError
from fvhooks.reliability.departures import FEWEST
from fvhooks.units import Unit

if TYPE_CHECKING:
    from fvhooks.reliability.evidence import Evidence

COLD = 0.5
"""Below this drive a picture is nearer to ordinary images than to its unit's kind."""

Numbers = Float[np.ndarray, "*any"]


@dataclass(frozen=True)
class Drive:
    """A scale of activation on which ordinary images are at 0 and the unit's own kind is at 1.

    Examples:
        >>> Drive(2.0, 6.0)(np.array([2.0, 4.0, 14.0])).tolist()
        [0.0, 0.5, 3.0]

    Args:
        ordinary: median peak of all calibration images.
        kind: median peak of those of the unit's kind.
    """

    ordinary: float
    kind: float

    def __call__(self, peaks: Numbers) -> Numbers:
        """Where peaks lie on the scale."""
        return (peaks - self.ordinary) / (self.kind - self.ordinary)


@dataclass(frozen=True)
class NaturalPeaks:
    """The peaks of a unit on real images, as the store keeps them.

    Args:
        own: of the unit's kind, calibration.
        held: of the unit's kind, report.
        calibration: of all images of the calibration split.
        everything: of all images.
    """

    own: Float[np.ndarray, " image"]
    held: Float[np.ndarray, " held"]
    calibration: Float[np.ndarray, " some"]
    everything: Float[np.ndarray, " all"]

    @classmethod
    def of(cls, unit: Unit, evidence: "Evidence") -> "NaturalPeaks":
        """Read them from the store.

        Raises:
            MissingInputError: the store says nothing about this unit, too few images, or a unit that they
                never activate.
        """
        if unit.position is not None:
            raise MissingInputError(
                f"a store keeps the peak of a whole channel, nothing to compare {unit.id!r} with"
            )
        cohort, table = evidence.cohort(unit), evidence.store.images_table
        if len(cohort.own) < FEWEST:
            found = f"{len(cohort.own)} {cohort.described} in the calibration split"
            raise MissingInputError(f"{found}, {FEWEST} are needed; collect more images")
        peaks = evidence.store.of_images(unit.layer).isel(channel=unit.channel).values.astype(float)
        row = {name: i for i, name in enumerate(table.id.values.astype(str).tolist())}
        rows = [[row[name] for name in part] for part in (cohort.own, cohort.held)]
        rows += [np.flatnonzero(table.split.values == "calibration").tolist(), list(range(len(peaks)))]
        own, held, calibration, everything = (_finite(peaks[part]) for part in rows)
        if not own.any():
            raise MissingInputError(f"{unit.id} is silent on all of {len(own)} {cohort.described}")
        return cls(own, held, calibration, everything)

    @property
    def drive(self) -> Drive:
        """The unit's scale.

        Raises:
            MissingInputError: real images of its kind drive it no more than ordinary ones.
        """
        ordinary, kind = float(np.median(self.calibration)), float(np.median(self.own))
        if not kind > ordinary:
            fact = f"real images of its kind drive it to {kind:.3g}, ordinary ones to {ordinary:.3g}"
            raise MissingInputError(f"{fact}: nothing to measure a picture by")
        return Drive(ordinary, kind)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.asarray(values[np.isfinite(values)])
