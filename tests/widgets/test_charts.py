"""Where the parts of a histogram lie."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fvhooks.widgets.charts import draw, lay_out, number, ticks

COUNTS, EDGES = np.array([1, 0, 4]), np.array([0.0, 10.0, 20.0, 30.0])


def plan(own: list[float]) -> dict[str, object]:
    labels = [f"this picture: {number(value)}" for value in own]
    return dict(lay_out(COUNTS, EDGES, np.array(own), labels=labels, summary="s"))


def test_a_mark_inside_the_natural_range() -> None:
    laid = plan([15.0])
    assert laid["marks"] == [0.5]
    assert laid["bars"] == [(0.0, 0.33333, 0.25), (0.66667, 0.33333, 1.0)]  # no bar where no image is


@pytest.mark.parametrize(("own", "mark", "first_bar"), [(60.0, 1.0, 0.0), (-30.0, 0.0, 0.5)])
def test_the_axis_reaches_to_a_mark_outside_the_natural_range(
    own: float, mark: float, first_bar: float
) -> None:
    laid = plan([own])
    assert laid["marks"] == [mark]
    assert laid["bars"][0][0] == first_bar  # type: ignore[index]


def test_what_is_not_known_is_not_marked() -> None:
    laid = plan([float("nan"), 15.0])
    assert laid["marks"] == [None, 0.5]
    assert draw(laid).count("fvh-own") == 1  # type: ignore[arg-type]


def test_the_static_picture_marks_the_same_place() -> None:
    laid = plan([15.0])
    drawn = draw(laid)  # type: ignore[arg-type]
    line = re.search(r'class="fvh-mark" x1="([\d.]+)"', drawn)
    assert line is not None
    assert float(line[1]) == pytest.approx(8 + 0.5 * 404)
    assert "this picture: 15" in drawn


def test_equal_images_make_a_chart_too() -> None:
    laid = lay_out(np.array([5]), np.array([2.0, 2.0]), np.array([2.0]), labels=["a"], summary="s")
    assert laid["marks"] == [0.0]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_even_and_inside(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert 1 <= len(found) <= 7
    assert all(low - span * 1e-6 <= tick <= low + span * (1 + 1e-6) for tick in found)
    steps = np.diff(found)
    assert np.allclose(steps, steps[:1] if len(steps) else 0, rtol=1e-3)
