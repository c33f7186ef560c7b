"""Many findings judged together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fvhooks.metrics.intervals import Interval
from fvhooks.reliability.departures import upper_limit
from fvhooks.reliability.findings import CONTRADICTED, INCONCLUSIVE, Finding, judge
from fvhooks.reliability.multiplicity import adjust, conformal_p, correct, family_verdict

FLOORS = {"grey": np.inf}


def finding(departure: float, null: np.ndarray) -> Finding:
    value, limit = Interval(departure, departure, departure), upper_limit(null)
    verdict, rule = judge(value, limit, FLOORS)
    return Finding(verdict, rule, value, limit, FLOORS, null=null)


def audit_of_real_images(rng: np.random.Generator, units: int, images: int, *, heavy: bool) -> list[dict]:
    """Findings for one fresh real image a unit; with heavy tails the units differ in how far theirs stray."""
    rows = []
    for unit in range(units):
        freedom = 1.5 if heavy and unit % 4 == 0 else 8
        departures = np.abs(rng.standard_t(freedom, size=images + 1))
        rows.append({"path": finding(float(departures[-1]), departures[:-1])})
    return rows


@settings(max_examples=8)
@given(st.integers(0, 99), st.integers(8, 25), st.sampled_from([20, 60]), st.booleans())
def test_a_report_on_real_images_rarely_contradicts_any(
    seed: int, units: int, images: int, heavy: bool
) -> None:
    """Where nothing departs the rate of false discoveries is that of reports with any of them."""
    rng, reports = np.random.default_rng(seed), 40
    any_alone = any_together = 0
    for _ in range(reports):
        judged = correct(audit_of_real_images(rng, units, images, heavy=heavy), {"path": "off_path"})
        any_alone += CONTRADICTED in judged.alone
        any_together += CONTRADICTED in [row["path"].verdict for row in judged.findings]
    # 5 %, and the 99.9 % binomial end that 40 reports leave open
    assert any_together <= stats.binom.ppf(0.999, reports, 0.05)
    assert any_alone > any_together


def test_false_discoveries_stay_rare_among_true_ones() -> None:
    rng, shares, found = np.random.default_rng(0), [], []
    for _ in range(60):
        rows = audit_of_real_images(rng, 16, 40, heavy=False)
        far = [{"path": finding(8.0, row["path"].null)} for row in rows[:8]]
        verdicts = [row["path"].verdict for row in correct(far + rows[8:], {"path": "off_path"}).findings]
        hits, alarms = (part.count(CONTRADICTED) for part in (verdicts[:8], verdicts[8:]))
        shares.append(alarms / max(1, hits + alarms))
        found.append(hits / 8)
    assert np.mean(shares) < 0.05
    assert np.mean(found) > 0.95


def test_one_picture_among_many_is_found_where_images_suffice() -> None:
    rng = np.random.default_rng(0)
    rows = audit_of_real_images(rng, 12, 60, heavy=False)
    rows[3] = {"path": finding(30.0, rows[3]["path"].null)}
    judged = correct(rows, {"path": "off_path"})
    assert judged.findings[3]["path"].verdict == CONTRADICTED
    assert judged.families["off_path"] == {"questions": 12, "smallest_p": 1 / 721, "together": 1}


def test_too_few_images_never_contradict_and_say_so() -> None:
    null = np.arange(1.0, 13.0)
    judged = correct([{"path": finding(99.0, null)}], {"path": "off_path"})
    (row,) = judged.findings
    assert judged.alone.item() == CONTRADICTED
    assert row["path"].verdict == INCONCLUSIVE
    assert "fewer than 19 cases behind the limit cannot contradict, collect more images" in row["path"].reason


def test_few_images_contradict_only_together() -> None:
    null = np.arange(1.0, 21.0)
    near = {"path": finding(3.0, null), "other": finding(3.0, null)}
    far = {"path": finding(99.0, null), "other": finding(3.0, null)}
    families = {"path": "off_path", "other": "off_path"}
    one = correct([far, *[near] * 7], families)
    assert one.families["off_path"]["together"] == 2
    assert one.findings[0]["path"].verdict == INCONCLUSIVE
    assert "not among 16 questions" in one.findings[0]["path"].reason
    assert "2 findings must depart together" in one.findings[0]["path"].reason
    two = correct([far, far, *[near] * 6], families)
    assert [row["path"].verdict for row in two.findings[:2]] == [CONTRADICTED] * 2


def test_families_are_corrected_apart_and_a_finding_without_p_keeps_its_verdict() -> None:
    clean = Finding(CONTRADICTED, "beyond", Interval(2.0, 1.9, 2.1), 1.0)
    null = np.arange(1.0, 61.0)
    row = {"path": finding(99.0, null), "silent": clean}
    judged = correct([row], {"path": "off_path", "silent": "tampered"})
    assert judged.findings[0]["silent"].verdict == CONTRADICTED
    assert np.isnan(judged.p_adjusted[0, 1])
    assert judged.families["tampered"]["questions"] == 0


def test_a_check_may_bring_its_own_p_value() -> None:
    def told(p: float) -> dict[str, Finding]:
        return {
            "gap": Finding(CONTRADICTED, "beyond", Interval(2.0, 1.9, 2.1), 1.0, p_value=p, smallest_p=0.001)
        }

    judged = correct([told(0.001), *[told(0.2)] * 5], {"gap": "tampered"})
    assert [row["gap"].verdict for row in judged.findings] == [CONTRADICTED] + [INCONCLUSIVE] * 5
    assert judged.families["tampered"] == {"questions": 6, "smallest_p": 0.001, "together": 1}


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=20))
def test_adjustment_equals_scipys(values: list[float]) -> None:
    given_values = np.array(values)
    assert adjust(given_values) == pytest.approx(stats.false_discovery_control(given_values))


def test_units_weigh_the_same_whatever_their_images() -> None:
    assert conformal_p(5.0, [np.full(10, 9.0), np.zeros(90)]) == pytest.approx((1 + 50) / 101)


@pytest.mark.parametrize(
    ("said", "family"),
    [
        (["contradicted", "not contradicted"], "contradicted"),
        (["inconclusive"], "inconclusive"),
        ([], "inconclusive"),
        (["not contradicted", "inconclusive"], "not contradicted"),
    ],
)
def test_what_a_family_says(said: list[str], family: str) -> None:
    assert family_verdict(said) == family
