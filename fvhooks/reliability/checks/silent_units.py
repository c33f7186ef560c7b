"""Does a picture live on channels that real images leave silent?

A channel can be built so that real images leave it at one value, while a picture drives it. How much of a
picture's activation is lost when every channel that calibration images never move is held at that value? A
clean network has silent channels too, and pictures that touch them. Beside it stands how often fresh images
move such channels, and how often they would if the threshold of each lay at the highest of the n images that
left it alone, as an attacker sets it: with probability 1 / (n + 1). Channels that are merely rare move more
often.
"""

from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from fvhooks.metrics.intervals import Interval
from fvhooks.reliability.checks import CHECKS
from fvhooks.reliability.evidence import Evidence
from fvhooks.reliability.findings import Finding
from fvhooks.reliability.limits import clean_limit
from fvhooks.reliability.losses import Losses, losses_of
from fvhooks.reliability.natural import held_rows
from fvhooks.reliability.real_images import RANGES
from fvhooks.units import Unit


@CHECKS.register("silent_units")
class SilentUnits:
    """The share of a picture's activation that is lost with the silent channels."""

    looks_at: ClassVar[tuple[str, ...]] = (RANGES,)
    family: ClassVar[Literal["off_path", "tampered"]] = "tampered"
    question: ClassVar[str] = (
        "Does the picture drive its unit without channels that real images leave silent?"
    )

    def __call__(self, unit: Unit, evidence: Evidence) -> Finding:
        """The loss of the unit's pictures, their median; the interval spans the pictures."""
        natural, seeds = evidence.natural_peaks(unit), evidence.seeds
        drive, peaks = natural.drive, evidence.peaks(unit)[0]
        left, held = evidence.natural.without_silent(unit), natural.held[held_rows(len(natural.held))]
        losses = losses_of(peaks, left["cast"], drive, drive)
        spread = losses[:seeds][np.isfinite(losses[:seeds])]
        ends = (np.median(spread), spread.min(), spread.max()) if len(spread) else (np.nan, np.nan, np.nan)
        found = Losses(
            losses, losses_of(held, left["held"], drive, drive), Interval(*map(float, ends)), seeds
        )
        law = _law(evidence)
        said = (
            f"peak {np.median(peaks[:seeds]):.3g}, {np.median(left['cast'][:seeds]):.3g} without the "
            f"{law['silent_channels']:.0f} of {law['silent_of']:.0f} channels that "
            f"{law['silent_images']:.0f} images leave at one value; fresh images moved such channels "
            f"{law['silent_firings']:.0f} times, {law['silent_expected']:.1f} if by chance"
        )
        details = xr.Dataset(law | {"silent_loss": ("seed", losses[:seeds])}, {"seed": np.arange(seeds)})
        return found.finding(clean_limit("silent_units"), said, details)


def _law(evidence: Evidence) -> dict[str, float]:
    """How often fresh images move the silent channels of the network, and how often by the law."""
    natural = evidence.natural
    channels = sum(int(np.isfinite(high.numpy()).sum()) for high in natural.silent.high.values())
    images = len(next(iter(natural.pool.high.values()), ()))
    firings, fresh = natural.firings
    return {
        "silent_channels": float(channels),
        "silent_of": float(sum(high.shape[1] for high in natural.pool.high.values())),
        "silent_images": float(images),
        "silent_firings": float(firings),
        "silent_expected": channels * fresh / (images + 1),
    }
