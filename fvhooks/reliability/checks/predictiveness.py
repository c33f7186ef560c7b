"""Does a picture let an onlooker foresee what its unit does?

Of two held-out real images, which one drives the unit more? The onlooker is an independent network, which
picks the image that resembles the picture more. Real images that drive the unit are asked the same in the
picture's place: what they tell is what there is to tell, and where they tell nothing there is no answer.
"""

from typing import Any, ClassVar, Literal

import numpy as np
import xarray as xr

from fvhooks.errors import MissingInputError
from fvhooks.metrics.intervals import Interval, percentile_interval
from fvhooks.reliability.checks import CHECKS
from fvhooks.reliability.departures import FEWEST, upper_limit
from fvhooks.reliability.evidence import Evidence
from fvhooks.reliability.findings import FLOORS, Finding, judge
from fvhooks.reliability.pairs import FEWEST_PAIRS, Pairs, redrawn, shares
from fvhooks.units import Unit

CHANCE = 0.5
FEWEST_UNITS = 50
_DRAWS = 200


@CHECKS.register("predictiveness")
class Predictiveness:
    """Share of pairs of real images that an independent network tells wrongly from the picture."""

    family: ClassVar[Literal["off_path", "tampered"]] = "off_path"
    question: ClassVar[str] = (
        "Does the picture let another network tell which of two real images drives the unit more?"
    )

    def __call__(self, unit: Unit, evidence: Evidence) -> Finding:
        """The share of the unit's pictures, their median; the interval draws real images again."""
        onlooker = evidence.require_judge()
        cohort, pairs = evidence.cohort(unit), Pairs.choose(evidence.store, unit)
        if len(cohort.own) < FEWEST:
            found = f"{len(cohort.own)} {cohort.described} in the calibration split"
            raise MissingInputError(f"{found}, {FEWEST} are needed; collect more images")
        images = onlooker.features_of(pairs.strong), onlooker.features_of(pairs.middling)
        templates = {
            "cast": onlooker.features(evidence.cast(unit)),
            "own": onlooker.features_of(cohort.own),
            "held": onlooker.features_of(cohort.held) if cohort.held else np.zeros((0, images[0].shape[1])),
        }
        seen = {part: [rows @ group.T for group in images] for part, rows in templates.items()}
        for group, names in enumerate((pairs.strong, pairs.middling)):  # an image resembles itself most
            for column, name in enumerate(names):
                rows = [row for row, held in enumerate(cohort.held) if held == name]
                seen["held"][group][rows, column] = np.nan
        return _finding(evidence, pairs, {part: pairs.wrong(*similar) for part, similar in seen.items()})

    def overall(self, data: xr.Dataset) -> dict[str, Any]:
        """All units together: pictures beside real images, with intervals that draw units."""
        return _overall(data)


def _finding(evidence: Evidence, pairs: Pairs, wrong: dict[str, np.ndarray]) -> Finding:
    seeds, weights = evidence.seeds, redrawn(pairs, _DRAWS)
    cast, null, held = (shares(wrong[part])[0] for part in ("cast", "own", "held"))
    usual = np.nanmean(shares(wrong["own"], weights), axis=1)
    real = percentile_interval(float(null.mean()), usual)
    # what a draw of the pairs does to pictures and real images alike says nothing of their difference
    drawn = np.median(shares(wrong["cast"], weights)[:, :seeds], axis=1) - usual + real.value
    value = percentile_interval(float(np.median(cast[:seeds])), drawn.clip(0, 1))
    details = _details(pairs, cast, null, held, seeds)
    controls = {"real": float(np.nanmedian(held)) if len(held) else np.nan}
    floors = dict(zip(FLOORS, cast[seeds:].tolist(), strict=True))
    if not real.high < CHANCE:
        words = (
            f"real images of the unit's kind tell no more than chance: {real} of {pairs.count} pairs wrong"
        )
        return Finding("inconclusive", words, value, controls=controls | floors, details=details)
    limit = upper_limit(null)
    verdict, rule = judge(value, limit, floors)
    reason = (
        f"{rule}; {1 - value.value:.0%} of {pairs.count} pairs right, {1 - real.value:.0%} by real images of "
        "its kind, 50% by chance"
    )
    alarms = float((held > limit).mean()) if len(held) else np.nan
    return Finding(verdict, reason, value, limit, controls | floors, alarms, details, null=null)


def _details(pairs: Pairs, cast: np.ndarray, null: np.ndarray, held: np.ndarray, seeds: int) -> xr.Dataset:
    return xr.Dataset(
        {
            "predict_accuracy": ("seed", 1 - cast[:seeds]),
            "predict_accuracy_real": 1 - null.mean(),
            "predict_accuracy_held": 1 - np.nanmean(held) if len(held) else np.nan,
            "predict_accuracy_control": ("floor", 1 - cast[seeds:]),
            "predict_pairs": float(pairs.count),
        },
        coords={"seed": np.arange(seeds), "floor": np.array(FLOORS, dtype=object)},
    )


def _overall(data: xr.Dataset) -> dict[str, Any]:
    if "predict_accuracy" not in data:
        return {}
    pictures = data["predict_accuracy"].mean("seed").values
    known = np.isfinite(pictures)
    pictures, real = pictures[known], data["predict_accuracy_real"].values[known]
    pairs = data["predict_pairs"].values[known]
    return {
        "pictures": _over_units(pictures).to_dict(),
        "real": _over_units(real).to_dict(),
        "lost": _over_units(real - pictures).to_dict(),
        "chance": CHANCE,
        "units": int(known.sum()),
        "fewest_pairs": int(pairs.min()) if len(pairs) else 0,
        "enough_for_a_claim": bool(known.sum() >= FEWEST_UNITS and pairs.min() >= FEWEST_PAIRS),
        "a_claim_needs": f"{FEWEST_UNITS} units × {FEWEST_PAIRS} pairs",
    }


def _over_units(values: np.ndarray) -> Interval:
    """The mean over units; the interval draws units."""
    if not len(values):
        return Interval(np.nan, np.nan, np.nan)
    chosen = np.random.default_rng(0).integers(len(values), size=(1000, len(values)))
    return percentile_interval(float(values.mean()), values[chosen].mean(1))
