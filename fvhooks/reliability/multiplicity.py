"""Many units and checks at once: what remains contradicted when their number is taken into account.

A limit that 95 % of real images stay below is passed by one real image in twenty, so that among ten units and
two checks one false alarm is to be expected. Therefore each finding gets a p-value, and a family's findings
are judged together by the rule of Benjamini and Hochberg: of what is contradicted at most 5 % are expected to
be false alarms, and where no picture departs, a report with any false alarm is as rare as that.

The p-value is the share of real images that depart at least as far as the pictures do. One unit's images are
too few for it (sixty images give no p below 1/61), so that those of all units of a report are taken together,
each unit with the same weight. That holds for the units on average; a unit whose own real images stray far
has its own limit, and is no candidate unless the whole interval of its finding lies beyond that.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from jaxtyping import Float, Shaped

from fvhooks.reliability.findings import (
    CONTRADICTED,
    FAMILIES,
    INCONCLUSIVE,
    NOT_CONTRADICTED,
    Finding,
    Verdict,
)

ERROR_RATE = 0.05
"""False alarms among the findings that are contradicted, as expected."""
SMALLEST_NULL = math.ceil(1 / ERROR_RATE) - 1
"""Fewer real images of all units together contradict nothing: one in n + 1 fresh ones is the farthest."""

Findings = list[dict[str, Finding]]


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """Findings judged together.

    Args:
        findings: of each unit, by check, with the verdicts that hold together.
        alone: the verdicts that each finding would have on its own.
        p_value: of each finding on its own; NaN where a check gives none.
        p_adjusted: of each finding among all of its family.
        families: for each family how many `questions` were judged together, the `smallest_p` that the cases
            behind the limits can give, and `together`, how many findings must depart for any to be
            contradicted.
    """

    findings: Findings
    alone: Shaped[np.ndarray, "unit check"]
    p_value: Float[np.ndarray, "unit check"]
    p_adjusted: Float[np.ndarray, "unit check"]
    families: dict[str, dict[str, float]]


def correct(findings: Findings, families: Mapping[str, str]) -> Correction:
    """Judge the findings of a report together, family by family.

    Examples:
        >>> from fvhooks.metrics.intervals import Interval
        >>> null = np.arange(30.0)
        >>> far = Finding(CONTRADICTED, "far", Interval(40, 35, 45), 28.0, null=null)
        >>> edge = Finding(CONTRADICTED, "far", Interval(29, 28.5, 30), 28.0, null=null)
        >>> judged = correct([{"path": far}, {"path": edge}], {"path": "off_path"})
        >>> judged.p_value.round(3).tolist()
        [[0.016], [0.049]]
        >>> [row["path"].verdict for row in judged.findings]
        ['contradicted', 'contradicted']

    Args:
        findings: of each unit, by check; the same checks for each.
        families: of each check.
    """
    names = list(findings[0]) if findings else []
    alone = np.array([[row[name].verdict for name in names] for row in findings], dtype=object)
    p_value = np.full(alone.shape, np.nan)
    smallest = np.full(alone.shape, np.nan)
    for column, name in enumerate(names):
        pooled = [row[name] for row in findings]
        for row, finding in enumerate(pooled):
            p_value[row, column], smallest[row, column] = _p_value(finding, pooled)
    p_adjusted = np.full(alone.shape, np.nan)
    said: dict[str, dict[str, float]] = {}
    for family in dict.fromkeys(families[name] for name in names):
        columns = [column for column, name in enumerate(names) if families[name] == family]
        candidates = np.where(alone == CONTRADICTED, p_value, np.where(np.isnan(p_value), np.nan, 1.0))
        p_adjusted[:, columns] = adjust(candidates[:, columns])
        said[family] = _reach(smallest[:, columns])
    corrected = [
        {name: _judged(row[name], p_adjusted[i, j], said[families[name]]) for j, name in enumerate(names)}
        for i, row in enumerate(findings)
    ]
    return Correction(corrected, alone, p_value, p_adjusted, said)


def conformal_p(value: float, nulls: Sequence[Float[np.ndarray, " _"]]) -> float:
    """The share of cases in which nothing is wrong that are at least as far as `value`, itself included.

    Examples:
        >>> conformal_p(8.5, [np.arange(9.0), np.arange(10.0)])
        0.0975

    Args:
        value: a number that grows with the departure.
        nulls: the same number where nothing is wrong, a group a unit; groups weigh the same.
    """
    count = sum(map(len, nulls))
    share = float(np.mean([(null >= value).mean() for null in nulls]))
    return (1 + share * count) / (count + 1)


def adjust(p_values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """P-values adjusted by Benjamini and Hochberg's rule; NaN is no question.

    Examples:
        >>> adjust(np.array([0.01, 0.04, np.nan, 0.03])).round(3).tolist()
        [0.03, 0.04, nan, 0.04]
    """
    adjusted = np.full(p_values.shape, np.nan)
    known = np.isfinite(p_values)
    ascending = np.argsort(p_values[known], kind="stable")
    count = len(ascending)
    stepped = p_values[known][ascending] * count / np.arange(1, count + 1)
    values = np.empty(count)
    values[ascending] = np.minimum.accumulate(stepped[::-1])[::-1]
    adjusted[known] = np.minimum(values, 1.0)
    return adjusted


def family_verdict(verdicts: Sequence[str]) -> Verdict:
    """What a family's checks say of one unit: what one contradicts is contradicted.

    Examples:
        >>> family_verdict(["inconclusive", "not contradicted"])
        'not contradicted'
    """
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    return NOT_CONTRADICTED if NOT_CONTRADICTED in verdicts else INCONCLUSIVE


def with_corrections(data: xr.Dataset, judged: Correction) -> xr.Dataset:
    """A report's data with what stands behind its verdicts, and with the verdict of each family.

    Args:
        data: `verdict` (unit, check) and `family` (check), from `judged.findings`.
        judged: the findings, judged together.
    """
    pairs, families = ("unit", "check"), data["family"].values.tolist()
    kinds = list(FAMILIES)
    rows = [
        [
            family_verdict([said for said, family in zip(row, families, strict=True) if family == kind])
            for kind in kinds
        ]
        for row in data["verdict"].values.tolist()
    ]
    counts = [[len(finding.null) or finding.cases for finding in row.values()] for row in judged.findings]
    return data.assign(
        verdict_alone=(pairs, judged.alone),
        p_value=(pairs, judged.p_value),
        p_adjusted=(pairs, judged.p_adjusted),
        null_count=(pairs, np.array(counts, dtype=np.int64)),
        family_verdict=(("unit", "kind"), np.array(rows, dtype=object)),
    ).assign_coords(kind=np.array(kinds, dtype=object))


def _p_value(finding: Finding, pooled: Sequence[Finding]) -> tuple[float, float]:
    """A finding's p-value and the smallest that it could have."""
    if not len(finding.null):
        return finding.p_value, finding.smallest_p
    value = finding.value.value
    if np.isnan(value):
        return np.nan, np.nan
    nulls = [other.null for other in pooled if len(other.null)]
    return conformal_p(value, nulls), conformal_p(np.inf, nulls)


def _reach(smallest: Float[np.ndarray, "unit check"]) -> dict[str, float]:
    known = smallest[np.isfinite(smallest)]
    if not len(known):
        return {"questions": 0, "smallest_p": np.nan, "together": np.nan}
    together = math.ceil(known.min() * len(known) / ERROR_RATE - 1e-9)
    return {"questions": len(known), "smallest_p": float(known.min()), "together": max(1, together)}


def _judged(finding: Finding, p_adjusted: float, reach: Mapping[str, float]) -> Finding:
    """A finding with the verdict that holds among all; one without a p-value keeps its own."""
    if finding.verdict != CONTRADICTED or not p_adjusted > ERROR_RATE:
        return finding
    questions, together = int(reach["questions"]), int(reach["together"])
    why = f"beyond its limit alone, not among {questions} questions (corrected p {p_adjusted:.2g})"
    if together > questions:
        why = (
            f"{why}; fewer than {SMALLEST_NULL} cases behind the limit cannot contradict, collect more images"
        )
    elif together > 1:
        why = f"{why}; with so few cases behind the limits {together} findings must depart together"
    return replace(finding, verdict=INCONCLUSIVE, reason=f"{why}; {finding.reason}")
