"""The table of an audit."""

import numpy as np
import xarray as xr

from fvhooks.results import VIEWERS, Result

PAIRS = ("unit", "check")


class Report(Result):
    """An audit's result, without the audit."""

    kind = "audit_report_of_a_test"


def report(**more: object) -> Report:
    data = {
        "verdict": (PAIRS, np.array([["contradicted", "inconclusive"]], dtype=object)),
        "value": (PAIRS, np.array([[2.5, np.nan]])),
        "low": (PAIRS, np.array([[2.0, np.nan]])),
        "high": (PAIRS, np.array([[3.0, np.nan]])),
        "family": ("check", np.array(["off_path", "tampered"], dtype=object)),
    }
    return Report(xr.Dataset({**data, **more}, coords={"unit": ["a<b:0"], "check": ["path_similarity", "x"]}))


def test_verdicts_are_words_with_numbers() -> None:
    page = VIEWERS["audit_report"].html(report())
    assert "2.5 [2, 3]" in page
    assert 'data-verdict="contradicted"' in page
    assert "path similarity" in page
    assert "a&lt;b:0" in page
    assert '<th scope="row">a<b' not in page


def test_controls_stand_beside_what_they_control() -> None:
    controls = ((*PAIRS, "control"), np.array([[[0.25, 9.5], [np.nan, np.nan]]]))
    shown = report(control_value=controls)
    named = Report(shown.data.assign_coords(control=["real", "grey"]))
    page = VIEWERS["audit_report"].html(named)
    assert "Control: real" in page
    assert ">0.25<" in page
    assert ">9.5<" in page
    assert "A check that one of those passes cannot speak" in page
