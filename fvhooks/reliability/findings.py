"""What a check says about a unit's pictures: a verdict with its number, its limit and its controls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import xarray as xr
from jaxtyping import Float

from fvhooks.metrics.intervals import Interval

Verdict = Literal["contradicted", "inconclusive", "not contradicted"]

CONTRADICTED: Verdict = "contradicted"
INCONCLUSIVE: Verdict = "inconclusive"
NOT_CONTRADICTED: Verdict = "not contradicted"
"""There is no verdict "trusted": that a picture passes says only that these checks found nothing."""

FAMILIES = {
    "off_path": "Does the network process this picture as it does real images?",
    "tampered": "Is this network built to deceive?",
}
FLOORS = ("grey", "noise", "mean")
"""Pictures of nothing that a check must turn down: grey, noise, the mean of the unit's own images."""

_UNKNOWN = Interval(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Finding:
    """The answer of one check for one unit.

    Args:
        verdict: "contradicted", "inconclusive" or "not contradicted".
        reason: one sentence with the numbers that decided.
        value: what was measured, in the check's own unit, with its interval.
        limit: what 95 % of real images stay below, or pictures of clean networks; see `origin`.
        controls: the same number for "real" (median of held-out images) and for each of `FLOORS`.
        false_alarms: share of held-out real images above the limit.
        details: curves and parts, without a `unit` dimension.
        origin: where the limit comes from, if not from real images in the same network.
        null: the same number where nothing is wrong, of fresh real images for instance; from it comes the
            p-value by which many findings are corrected for their number.
        p_value: the same where a check knows it itself and has no `null`.
        smallest_p: the smallest that it could have been.
        cases: how many pictures or images are behind that p-value.
    """

    verdict: Verdict
    reason: str
    value: Interval = _UNKNOWN
    limit: float = np.nan
    controls: Mapping[str, float] = field(default_factory=dict)
    false_alarms: float = np.nan
    details: xr.Dataset = field(default_factory=xr.Dataset)
    origin: str = ""
    null: Float[np.ndarray, " case"] = field(default_factory=lambda: np.zeros(0))
    p_value: float = np.nan
    smallest_p: float = np.nan
    cases: int = 0

    @classmethod
    def undecided(cls, reason: str) -> "Finding":
        """A check that could not be made, and why."""
        return cls(INCONCLUSIVE, reason)


def judge(value: Interval, limit: float, floors: Mapping[str, float]) -> tuple[Verdict, str]:
    """The verdict on a number that grows as pictures depart from real images, and the rule that gave it.

    Examples:
        >>> judge(Interval(3.0, 2.5, 3.5), 1.5, {"grey": 4.0})[0]
        'contradicted'
        >>> judge(Interval(1.0, 0.5, 1.2), 1.5, {"grey": 1.0})
        ('inconclusive', 'a grey picture passes too')

    Args:
        value: the pictures' number.
        limit: of real images.
        floors: the number of pictures of nothing. A check that one of them passes can turn a picture down,
            but that another one passes it then says nothing.
    """
    if not np.isfinite([value.value, limit]).all() or np.isnan([value.low, value.high]).any():
        return INCONCLUSIVE, "there is no finite number to judge by"
    if value.low > limit:
        return CONTRADICTED, "further from real images than the limit"
    if value.high > limit:
        return INCONCLUSIVE, "the interval holds the limit"
    passing = [name for name, floor in floors.items() if not floor > limit]
    if passing:
        return INCONCLUSIVE, f"a {passing[0]} picture passes too"
    return NOT_CONTRADICTED, "no further from real images than the limit"
