"""Verdicts."""

import numpy as np
import pytest

from fvhooks.metrics.intervals import Interval
from fvhooks.reliability.findings import Finding, judge


@pytest.mark.parametrize(
    ("interval", "floors", "verdict", "rule"),
    [
        ((2.0, 1.6, 2.4), {"grey": 9.0}, "contradicted", "further from real images"),
        ((2.0, 1.4, 2.4), {"grey": 9.0}, "inconclusive", "interval holds the limit"),
        ((1.0, 0.6, 1.5), {"grey": 9.0}, "not contradicted", "no further"),
        ((1.0, 0.6, 1.4), {"grey": 9.0, "noise": 1.5}, "inconclusive", "noise picture passes"),
        ((1.0, 0.6, 1.4), {"mean": np.nan}, "inconclusive", "mean picture passes"),
        ((2.0, 1.6, 2.4), {"grey": 0.0}, "contradicted", "further from real images"),
        ((np.nan, np.nan, np.nan), {}, "inconclusive", "no finite number"),
        ((np.inf, np.inf, np.inf), {}, "inconclusive", "no finite number"),
    ],
)
def test_verdict(
    interval: tuple[float, float, float], floors: dict[str, float], verdict: str, rule: str
) -> None:
    said, why = judge(Interval(*interval), 1.5, floors)
    assert said == verdict
    assert rule in why


def test_undecided_has_no_numbers() -> None:
    finding = Finding.undecided("too few images")
    assert (finding.verdict, finding.reason) == ("inconclusive", "too few images")
    assert np.isnan([finding.value.value, finding.limit, finding.false_alarms]).all()
