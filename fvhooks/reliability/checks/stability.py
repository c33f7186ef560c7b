"""Do pictures of one unit made from other seeds agree?

How far seeds of a unit lie from each other, over how far they lie from pictures of other units: 0 where all
seeds give one picture, 1 where two seeds differ as much as two units do. A description, never a verdict: a
unit that answers to several things may rightly have several pictures.
"""

from typing import ClassVar, Literal

import numpy as np
import xarray as xr
from jaxtyping import Float

from fvhooks.errors import FVHooksError, MissingInputError
from fvhooks.metrics.intervals import percentile_interval
from fvhooks.reliability.checks import CHECKS
from fvhooks.reliability.evidence import Evidence
from fvhooks.reliability.findings import INCONCLUSIVE, Finding
from fvhooks.units import Unit

_DRAWS = 200
_REAL = 10

Features = Float[np.ndarray, "_ _"]


@CHECKS.register("stability")
class Stability:
    """Variation between a unit's seeds over that between units, in the last audited layer and in pixels."""

    family: ClassVar[Literal["off_path", "tampered"]] = "off_path"
    question: ClassVar[str] = "Do pictures of the unit from other seeds agree?"

    def __init__(self) -> None:
        self._features: dict[str, dict[Unit, Features]] = {}

    def __call__(self, unit: Unit, evidence: Evidence) -> Finding:
        """The ratio in the last audited layer; the interval draws the other units again."""
        if evidence.seeds < 2 or len(evidence.units) < 2:
            found = f"{len(evidence.units)} units with {evidence.seeds} seeds each"
            raise MissingInputError(f"{found}, 2 of both are needed; make pictures with seeds=2 or more")
        if not evidence.layers:
            raise MissingInputError("no layer was audited; name some with layers=")
        if not self._features:
            self._features = _features(evidence)
        within, between = _distances(self._features["seen"], unit)
        rng = np.random.default_rng(0)
        drawn = [_ratio(within, rng.choice(between, len(between))) for _ in range(_DRAWS)]
        value = percentile_interval(_ratio(within, between), drawn)
        pixels = _ratio(*_distances(self._features["pixels"], unit))
        known = unit in self._features["real"] and len(self._features["real"]) > 1
        real = _ratio(*_distances(self._features["real"], unit)) if known else np.nan
        against = f", real images {real:.2f} times" if known else ""
        reason = (
            f"a description, no verdict: at {evidence.layers[-1]} seeds differ {value} times as much as "
            f"units{against}; in pixels {pixels:.2f} times"
        )
        details = xr.Dataset({"stable_pixels": pixels})
        return Finding(INCONCLUSIVE, reason, value, controls={"real": real}, details=details)


def _features(evidence: Evidence) -> dict[str, dict[Unit, Features]]:
    """Pictures of each unit as the last audited layer and as pixels have them, and real images."""
    layer, seeds = evidence.layers[-1], evidence.seeds
    casts = {unit: evidence.cast(unit)[:seeds] for unit in evidence.units}
    real = {}
    for unit in evidence.units:
        try:
            held = evidence.cohort(unit).held[:_REAL]
        except (FVHooksError, LookupError, ValueError):  # such a unit has pictures to describe all the same
            continue
        if len(held) > 1:
            real[unit] = evidence.channels(evidence.store.images(held), layer)
    return {
        "seen": {unit: evidence.channels(cast, layer) for unit, cast in casts.items()},
        "pixels": {unit: cast.flatten(1).double().numpy() for unit, cast in casts.items()},
        "real": real,
    }


def _distances(features: dict[Unit, Features], unit: Unit) -> tuple[float, Float[np.ndarray, " other"]]:
    """Mean squared distance of two images of the unit, and of one of it and one of each other unit."""
    own, count = features[unit], len(features[unit])
    within = _squared(own, own).sum() / (count * (count - 1))
    others = [rows for other, rows in features.items() if other != unit]
    return float(within), np.array([_squared(own, rows).mean() for rows in others])


def _squared(first: Features, second: Features) -> Features:
    """Squared distances of all pairs."""
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2 * first @ second.T
    return np.asarray(np.maximum(squares, 0.0))


def _ratio(within: float, between: Float[np.ndarray, " other"]) -> float:
    mean = float(between.mean())
    return within / mean if mean > 0 else float("nan")
