"""Is a picture's activation borne by what real images do inside the network?

Every channel at every layer before the unit is held to what is common among real images, and the picture is
shown again. One that only does more of what real images do still drives its unit as they do. One that goes by
a way of its own loses its activation: a gate for pictures is shut, and a gate that also fires for a few real
images in a hundred is shut as well. The range of 99.8 % of images, which leaves such a gate open, and what it
costs in accuracy are reported beside it.
"""

from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from fvhooks.errors import MissingInputError
from fvhooks.metrics.intervals import Interval, percentile_interval
from fvhooks.reliability.checks import CHECKS
from fvhooks.reliability.drives import COLD, Drive, NaturalPeaks
from fvhooks.reliability.evidence import Evidence
from fvhooks.reliability.findings import Finding
from fvhooks.reliability.limits import clean_limit
from fvhooks.reliability.losses import Losses, losses_of
from fvhooks.reliability.natural import held_rows, own_rows
from fvhooks.reliability.real_images import RANGES
from fvhooks.units import Unit

_DRAWS = 200


@CHECKS.register("natural_support")
class NaturalSupport:
    """The share of a picture's activation that is lost where every channel does what is common."""

    looks_at: ClassVar[tuple[str, ...]] = (RANGES,)
    family: ClassVar[Literal["off_path", "tampered"]] = "tampered"
    question: ClassVar[str] = (
        "Does the picture drive its unit by what real images of the unit's kind do inside the network?"
    )

    def __call__(self, unit: Unit, evidence: Evidence) -> Finding:
        """The loss of the unit's pictures, their median; the interval draws real images again."""
        natural = evidence.natural_peaks(unit)
        own, peaks = natural.own[own_rows(len(natural.own))], evidence.peaks(unit)[0]
        before = Drive(natural.drive.ordinary, float(np.median(own)))
        if not evidence.natural.layers(unit):
            raise MissingInputError(f"no layer with channels comes before {unit.layer!r}")
        clipped = evidence.natural.clipped(unit)
        after = Drive(before.ordinary, float(np.median(clipped["own"])))
        if after.kind < before.ordinary + COLD * (before.kind - before.ordinary):
            fact = f"{before.kind:.3g} becomes {after.kind:.3g}"
            raise MissingInputError(f"real images of its kind lose their own activation: {fact}")
        held = natural.held[held_rows(len(natural.held))]
        losses = Losses(
            losses_of(peaks, clipped["cast"], before, after, most=1.0),
            losses_of(held, clipped["held"], before, after, most=1.0),
            _value(peaks[: evidence.seeds], clipped, own, before.ordinary),
            evidence.seeds,
        )
        said = (
            f"peak {_middle(peaks, evidence):.3g}, {_middle(clipped['cast'], evidence):.3g} with channels of "
            f"{len(evidence.natural.layers(unit))} layers held to what is common; ordinary images reach "
            f"{before.ordinary:.3g}, {evidence.cohort(unit).described} {before.kind:.3g} and "
            f"{after.kind:.3g} when held"
        )
        return losses.finding(clean_limit("natural_support"), said, _details(unit, evidence, losses, natural))


def _middle(peaks: np.ndarray, evidence: Evidence) -> float:
    return float(np.median(peaks[: evidence.seeds]))


def _value(peaks: np.ndarray, clipped: dict[str, np.ndarray], own: np.ndarray, ordinary: float) -> Interval:
    """The median loss over seeds; the interval draws real images of the unit's kind again."""
    rng = np.random.default_rng(0)

    def loss(rows: np.ndarray) -> float:
        before, after = (Drive(ordinary, float(np.median(part[rows]))) for part in (own, clipped["own"]))
        losses = losses_of(peaks, clipped["cast"][: len(peaks)], before, after, most=1.0)
        return float(np.nanmedian(losses)) if np.isfinite(losses).any() else np.nan

    drawn = [loss(rng.integers(len(own), size=len(own))) for _ in range(_DRAWS)]
    return percentile_interval(loss(np.arange(len(own))), drawn)


def _details(unit: Unit, evidence: Evidence, losses: Losses, natural: NaturalPeaks) -> xr.Dataset:
    seeds, drive = evidence.seeds, natural.drive
    of_all = evidence.natural.clipped_to_whole(unit)
    accuracy, clipped = evidence.natural.accuracy
    return xr.Dataset(
        {
            "support_loss": ("seed", losses.cast[:seeds]),
            "support_drive": ("seed", drive(evidence.peaks(unit)[0, :seeds])),
            "support_drive_common": ("seed", drive(evidence.natural.clipped(unit)["cast"][:seeds])),
            "support_drive_whole": ("seed", drive(of_all[:seeds])),
            "support_accuracy": accuracy,
            "support_accuracy_clipped": clipped,
        },
        coords={"seed": np.arange(seeds)},
    )
