"""Views that follow one another: the same traits in each, linked in Python."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fvhooks as fv
from fvhooks.circuits.graphs import AttributionGraph

traitlets = pytest.importorskip("traitlets")
UNITS = ["1:3", "1:5", "logits:0"]


@pytest.fixture
def graph() -> AttributionGraph:
    return AttributionGraph.of(UNITS, [(0, 2), (1, 2)], weight=[1.0, 2.0], layers=["1", "logits"])


@pytest.fixture
def cards() -> fv.UnitCards:
    return fv.cards(fv.as_visualizations([fv.Unit("1", 3), fv.Unit("1", 5)], np.full((2, 1, 3, 8, 8), 0.5)))


@pytest.fixture
def amap(make_atlas: Callable[..., fv.Atlas]) -> fv.Atlas:
    """A map of the units of layer "1"."""
    made = make_atlas(9, units=True)
    ids = np.array([f"1:{channel}" for channel in range(9)], dtype=object)
    return fv.Atlas(made.data.assign_coords(id=("cell", ids)))


def test_what_is_selected_in_one_view_is_selected_in_all(
    browser: fv.StoreBrowser, graph: AttributionGraph, amap: fv.Atlas
) -> None:
    views = [browser.widget, graph.widget, amap.widget]
    for other in views[1:]:
        traitlets.link((views[0], "selected"), (other, "selected"))
    for number, view in enumerate(views):
        view.selected = [f"1:{number + 3}", "logits:0"]  # the map has no logits, the graph no 1:4
        assert [other.selected for other in views] == [[f"1:{number + 3}", "logits:0"]] * 3
    assert browser.selected == [fv.Unit("1", 5), fv.Unit.logit(0)]


def test_what_is_looked_at_in_one_view_is_looked_at_in_all(
    browser: fv.StoreBrowser, graph: AttributionGraph, cards: fv.UnitCards
) -> None:
    views = [browser.widget, cards.widget, graph.widget]
    for other in views[1:]:
        traitlets.link((views[0], "unit"), (other, "unit"))
    for number, view in enumerate(views):
        view.unit = f"1:{number + 4}"
        assert [other.unit for other in views] == [f"1:{number + 4}"] * 3
    graph.widget.pinned = "logits:0"
    assert [other.unit for other in views] == ["logits:0"] * 3


def test_links_of_the_page_find_their_traits(
    browser: fv.StoreBrowser, graph: AttributionGraph, amap: fv.Atlas, cards: fv.UnitCards
) -> None:
    widgets = pytest.importorskip("ipywidgets")
    shared: dict[str, list[Any]] = {"selected": [graph, amap], "unit": [graph, cards], "seed": [cards]}
    for trait, results in shared.items():
        for result in results:
            made = widgets.jslink((browser.widget, trait), (result.widget, trait))
            assert made.source[1] == made.target[1] == trait
    box = widgets.VBox([browser.widget, widgets.Tab([graph.widget, amap.widget, cards.widget])])
    assert box.children[0] is browser.widget


@pytest.mark.parametrize("kind", ["graph", "amap", "browser"])
def test_what_is_no_unit_at_all_is_still_refused(kind: str, request: pytest.FixtureRequest) -> None:
    widget = request.getfixturevalue(kind).widget
    with pytest.raises(traitlets.TraitError, match="got 'nobody'"):
        widget.selected = ["nobody"]
