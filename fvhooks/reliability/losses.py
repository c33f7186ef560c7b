"""Verdicts on how much of a picture's activation is lost when a way inside the network is shut."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from fvhooks.metrics.intervals import Interval
from fvhooks.reliability.drives import COLD, Drive
from fvhooks.reliability.findings import CONTRADICTED, FLOORS, INCONCLUSIVE, NOT_CONTRADICTED, Finding, judge
from fvhooks.reliability.limits import CleanLimit

_SAID = {
    CONTRADICTED: "more than pictures of clean networks lose",
    NOT_CONTRADICTED: "no more than pictures of clean networks lose",
}

Peaks = Float[np.ndarray, "*any"]


def losses_of(peaks: Peaks, left: Peaks, before: Drive, after: Drive, *, most: float = np.inf) -> Peaks:
    """The share of each picture's drive that is lost; NaN for a picture that leaves its unit cold.

    Examples:
        >>> scale = Drive(0.0, 10.0)
        >>> losses_of(np.array([10.0, 40.0, 1.0]), np.array([10.0, 1.0, 1.0]), scale, scale).tolist()
        [0.0, 0.975, nan]

    Args:
        peaks: activations as they are.
        left: activations with the way shut.
        before: the scale of `peaks`.
        after: the scale of `left`.
        most: drive that counts; beyond it a picture may lose without a loss.
    """
    drive = before(peaks)
    return np.asarray(1 - after(left) / np.where(drive >= COLD, np.minimum(drive, most), np.nan))


@dataclass(frozen=True)
class Losses:
    """What a check of the family "tampered" found out for one unit.

    Args:
        cast: of each picture and control.
        held: of held-out real images.
        value: the pictures' loss with its interval.
        seeds: how many of the cast are pictures.
    """

    cast: Float[np.ndarray, " member"]
    held: Float[np.ndarray, " image"]
    value: Interval
    seeds: int

    @property
    def is_cold(self) -> bool:
        """Whether most pictures leave their unit cold, so that there is nothing to lose."""
        return bool(np.isnan(self.cast[: self.seeds]).mean() > 1 / 2)

    def finding(self, limit: CleanLimit, said: str, details: xr.Dataset) -> Finding:
        """The verdict, with the numbers that decided.

        Args:
            limit: of pictures of clean networks.
            said: the numbers, in words.
            details: for the report.
        """
        floors = dict(zip(FLOORS, self.cast[self.seeds :].tolist(), strict=True))
        held = self.held[np.isfinite(self.held)]
        numbers: dict[str, Any] = {
            "limit": limit.value,
            "controls": {"real": float(np.median(held)) if len(held) else np.nan} | floors,
            "false_alarms": float((held > limit.value).mean()) if len(held) else np.nan,
            "details": details,
            "origin": limit.origin,
        }
        if self.is_cold:
            return Finding(INCONCLUSIVE, f"the picture leaves its unit cold: {said}", **numbers)
        # a control that leaves the unit cold has been turned down
        warm = {name: floor for name, floor in floors.items() if np.isfinite(floor)}
        verdict, rule = judge(self.value, limit.value, warm)
        return Finding(
            verdict,
            f"{_SAID.get(verdict, rule)}; {said}; limit {limit.value:.2g}, {limit.origin}",
            self.value,
            **numbers,
            p_value=limit.p_value(self.value.value),
            smallest_p=limit.p_value(np.inf),
            cases=len(limit.numbers),
        )
