"""Does a picture drive its unit as real images do?

The picture's peak activation beside the peaks of real images of the unit's kind. Both tails count: activation
far above all of nature is how pictures are made that no real image stands behind, and a picture that leaves
its unit cold shows something else. What is judged is the picture as made and as saved with 8 bits. Its peak
after small moves and a crop is reported beside it and takes no part: real images lose activation by those
too.
"""

from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from fvhooks.errors import MissingInputError
from fvhooks.metrics.intervals import Interval, percentile_interval
from fvhooks.reliability.checks import CHECKS
from fvhooks.reliability.cohorts import Cohort
from fvhooks.reliability.departures import FEWEST, Band, departure_limit
from fvhooks.reliability.evidence import Evidence
from fvhooks.reliability.findings import FLOORS, Finding, judge
from fvhooks.reliability.variants import VARIANTS
from fvhooks.units import Unit

_DRAWS = 200
_JUDGED = 2  # as made, and the first variant: saved with 8 bits


@CHECKS.register("activation_gap")
class ActivationGap:
    """Departure of a picture's peak activation from the peaks of real images of the unit's kind."""

    family: ClassVar[Literal["off_path", "tampered"]] = "off_path"
    question: ClassVar[str] = (
        "Does the picture drive its unit as strongly as real images of the unit's kind do?"
    )

    def __call__(self, unit: Unit, evidence: Evidence) -> Finding:
        """The departure of the unit's pictures, their median."""
        if unit.position is not None:
            raise MissingInputError(
                f"a store keeps the peak of a whole channel, nothing to compare {unit.id!r} with"
            )
        cohort = evidence.cohort(unit)
        if len(cohort.own) < FEWEST:
            found = f"{len(cohort.own)} {cohort.described} in the calibration split"
            raise MissingInputError(f"{found}, {FEWEST} are needed; collect more images")
        natural = _natural_peaks(unit, cohort, evidence)
        if not natural["own"].any():
            raise MissingInputError(f"{unit.id} is silent on all of {len(natural['own'])} {cohort.described}")
        return _finding(unit, evidence, natural)


def _natural_peaks(unit: Unit, cohort: Cohort, evidence: Evidence) -> dict[str, np.ndarray]:
    """The peaks of the unit's own and held-out images, and of all."""
    peaks = evidence.store.of_images(unit.layer).isel(channel=unit.channel).values.astype(float)
    row = {name: i for i, name in enumerate(evidence.store.images_table.id.values.astype(str).tolist())}
    parts = {part: peaks[[row[name] for name in getattr(cohort, part)]] for part in ("own", "held")}
    parts = {part: values[np.isfinite(values)] for part, values in parts.items()}
    return parts | {"all": peaks[np.isfinite(peaks)]}


def _finding(unit: Unit, evidence: Evidence, natural: dict[str, np.ndarray]) -> Finding:
    own, seeds = natural["own"][:, None], evidence.seeds
    band, limit = Band.fit(own), departure_limit(own)
    peaks = evidence.peaks(unit)
    departures, held = band.departure(peaks[..., None]), band.departure(natural["held"][:, None])
    value = _value(own, peaks[:_JUDGED, :seeds])
    floors = dict(zip(FLOORS, departures[0, seeds:].tolist(), strict=True))
    verdict, rule = judge(value, limit, floors)
    peak, strongest = float(np.median(peaks[0, :seeds])), natural["all"].max()
    below = float((natural["all"] < peak).mean())
    reason = (
        f"{rule}; peak {peak:.3g}, real images of its kind {band.low[0]:.3g} to {band.high[0]:.3g}, "
        f"above {below:.1%} of all {len(natural['all'])}, whose highest is {strongest:.3g}; "
        f"{_kept(peaks[:, :seeds])}"
    )
    controls = {"real": float(np.median(held)) if len(held) else np.nan} | floors
    alarms = float((held > limit).mean()) if len(held) else np.nan
    return Finding(
        verdict,
        reason,
        value,
        limit,
        controls,
        alarms,
        _details(peaks, natural["all"], seeds).assign(gap_departure=("seed", departures[0, :seeds])),
    )


def _value(own: np.ndarray, peaks: np.ndarray) -> Interval:
    """The median departure over seeds; the interval draws real images again."""
    rng = np.random.default_rng(0)
    bands = [Band.fit(own[rng.integers(len(own), size=len(own))]) for _ in range(_DRAWS)]
    spans = []
    for variant in peaks[..., None]:
        drawn = [float(np.median(band.departure(variant))) for band in bands]
        spans.append(percentile_interval(float(np.median(Band.fit(own).departure(variant))), drawn))
    return Interval(spans[0].value, min(s.low for s in spans), max(s.high for s in spans))


def _kept(peaks: np.ndarray) -> str:
    """What small moves and a crop leave of the pictures' activation."""
    moved = np.median(peaks[_JUDGED:], axis=1)
    return f"{moved.min():.3g} to {moved.max():.3g} when moved or cropped"


def _details(peaks: np.ndarray, natural: np.ndarray, seeds: int) -> xr.Dataset:
    middle = np.median(natural)
    spread = 1.4826 * np.median(np.abs(natural - middle))
    own, strongest = peaks[0, :seeds], natural.max()
    unknown = np.full(seeds, np.nan)
    return xr.Dataset(
        {
            "gap_percentile": ("seed", (natural[None] < own[:, None]).mean(1)),
            "gap_ratio": ("seed", own / strongest if strongest > 0 else unknown),
            "gap_robust_z": ("seed", (own - middle) / spread if spread > 0 else unknown),
            "gap_peak_varied": (("variant", "seed"), peaks[1:, :seeds]),
            "gap_peak_control": ("floor", peaks[0, seeds:]),
        },
        coords={
            "seed": np.arange(seeds),
            "variant": np.array(VARIANTS, dtype=object),
            "floor": np.array(FLOORS, dtype=object),
        },
    )
