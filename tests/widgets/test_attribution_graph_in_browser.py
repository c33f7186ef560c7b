"""The live attribution graph, driven in a browser."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.synthesis.visualizations import as_visualizations
from fvhooks.units import Unit
from fvhooks.widgets.attribution_graph import answer

pytestmark = pytest.mark.browser

UNITS = ["a:0", "a:1", "a:2", "b:3", "b:4", "c:5"]
PAIRS = [(0, 3), (1, 3), (2, 4), (3, 5), (4, 5)]
WEIGHTS = [1.0, -2.0, 3.0, 4.0, -0.5]
SCORES = [0.2, 0.5, 1.0, 0.5, 0.8, 1.0]
HOSTILE = '<img src=x onerror="window.hacked=1">'


def made_up(**nodes: Any) -> AttributionGraph:
    """Three rows whose pictures are plain colours: red grows with the node's number."""
    graph = AttributionGraph.of(
        UNITS,
        PAIRS,
        weight=WEIGHTS,
        layers=["a", "b", "c"],
        stability=[1, 0.9, 0.4, 0.1, np.nan],
        nodes={"score": np.array(SCORES), "classes": np.arange(6), **nodes},
        target="logits:5",
        title_of_the_data=HOSTILE,
    )
    pictures = np.zeros((6, 2, 3, 80, 80), np.uint8)
    pictures[:, :, 0] = (np.arange(6) * 40)[:, None, None, None]
    pictures[:, 1, 2] = 255  # the second facet is blue
    return graph.illustrated(as_visualizations([Unit.parse(unit) for unit in UNITS], pictures))


@pytest.fixture
def opened(opened_file: Any, tmp_path: Any) -> Callable[..., Any]:
    """`opened(graph)` writes the graph's page and opens it from its file."""

    def show(graph: AttributionGraph, *, dark: bool = False) -> Any:
        file = graph.to_html(tmp_path / "graph.html")
        return opened_file(file, "canvas.fvh-canvas[data-nodes]", dark=dark)

    return show


def shown(page: Any) -> tuple[list[str], int]:
    """Which units can have the focus, and how many edges were painted."""
    units = page.locator("button.fvh-node:not([hidden])").evaluate_all(
        "(all) => all.map((one) => one.getAttribute('aria-label').split(',')[0])"
    )
    return units, int(page.locator("canvas.fvh-canvas").get_attribute("data-edges"))


def slide(page: Any, name: str, value: float) -> None:
    page.get_by_role("slider", name=name).evaluate(
        """(input, value) => { input.step = "any"; input.value = value;
        input.dispatchEvent(new Event("input")); }""",
        value,
    )


def lit(page: Any) -> set[int]:
    nodes = page.locator(".fvh-world .fvh-node")
    return set(nodes.evaluate_all("(all) => all.map((one) => Number(one.dataset.node))"))


def focus(page: Any, node: int) -> None:
    page.locator(f"button.fvh-node[data-node='{node}']").focus()


def hover(page: Any, node: int, across: float = 0.5) -> None:
    """Put the pointer on a unit: where it is drawn is read from its lit copy."""
    focus(page, node)
    box = page.locator(f".fvh-world .fvh-node[data-node='{node}']").bounding_box()
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(box["x"] + across * box["width"], box["y"] + box["height"] / 2)
    page.wait_for_timeout(60)


def test_what_is_drawn_is_the_data(opened: Any) -> None:
    page = opened(made_up())
    assert shown(page) == (UNITS, len(PAIRS))
    assert page.locator("canvas.fvh-canvas").get_attribute("data-nodes") == "6"
    names = page.locator(".fvh-rows span").all_inner_texts()
    assert names == ["c", "b", "a"]  # the output on top


def test_a_unit_is_drawn_as_its_own_picture_at_its_place(opened: Any) -> None:
    page = opened(made_up())
    page.wait_for_timeout(150)
    focus(page, 4)
    box = page.locator(".fvh-world .fvh-node[data-node='4']").bounding_box()
    page.evaluate("document.activeElement.blur()")
    colour = page.evaluate(
        """([x, y]) => { const canvas = document.querySelector("canvas.fvh-canvas");
        const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width;
        const pen = canvas.getContext("2d"), at = [(x - box.left) * ratio, (y - box.top) * ratio];
        return [...pen.getImageData(...at, 1, 1).data]; }""",
        [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2],
    )
    assert colour[:3] == pytest.approx([160, 0, 0], abs=4)


@pytest.mark.parametrize("limit", [0.2, 0.5, 0.79, 0.8])
def test_the_filter_hides_exactly_scores_up_to_it_and_their_edges(opened: Any, limit: float) -> None:
    page = opened(made_up())
    slide(page, "Score", limit)
    kept = [unit for unit, score in zip(UNITS, SCORES, strict=True) if score > limit]
    joined = [(a, b) for a, b in PAIRS if UNITS[a] in kept and UNITS[b] in kept]
    assert shown(page) == (kept, len(joined))
    slide(page, "Score", 0)
    assert shown(page) == (UNITS, len(PAIRS))


def test_edges_are_filtered_by_weight_and_by_stability(opened: Any) -> None:
    page = opened(made_up())
    slide(page, "Edge weight", 0.5)  # of the strongest between the same rows, 3 and 4
    assert shown(page) == (UNITS, 3)
    slide(page, "Edge weight", 0)
    slide(page, "Edge stability", 0.4)  # of nothing is known of the last
    assert shown(page) == (UNITS, 3)


def test_hovering_lights_exactly_the_neighbours_with_their_sign(opened: Any) -> None:
    page = opened(made_up())
    hover(page, 3)
    assert lit(page) == {0, 1, 3, 5}
    assert page.locator(".fvh-world path").count() == 3
    signs = {
        node: page.locator(f".fvh-world [data-node='{node}'] .fvh-sign").inner_text() for node in (0, 1, 5)
    }
    assert signs == {0: "+", 1: "−", 5: "+"}
    assert page.locator(".fvh-panel h3").inner_text() == "b:3"
    assert "a:1 −2, stability 0.9" in page.locator(".fvh-panel").inner_text().replace("\n", " ")
    page.mouse.move(5, 5)
    page.wait_for_timeout(60)
    assert lit(page) == set()


def test_sides_and_widths_are_linear(opened: Any) -> None:
    page = opened(made_up())
    hover(page, 3)
    width = "(one) => one.style.width"
    found = [
        float(page.locator(f".fvh-world [data-node='{node}']").evaluate(width)[:-2]) for node in (0, 1, 5)
    ]
    assert found == pytest.approx([33 + 67 * SCORES[node] for node in (0, 1, 5)], abs=0.01)
    strokes = page.locator(".fvh-world path").evaluate_all(
        "(all) => all.map((one) => one.getAttribute('stroke-width'))"
    )
    assert sorted(map(float, strokes)) == pytest.approx([2, 4, 6])  # of weights 1 and 2 beside 3, and 4


def test_hovering_an_edge_lights_both_ends(opened: Any) -> None:
    page = opened(made_up())
    hover(page, 3)
    path = page.locator(".fvh-world path[data-edge='3']")
    place = path.evaluate(
        "(path) => { const at = path.getPointAtLength(path.getTotalLength() / 2), m = path.getScreenCTM();"
        " return [at.x * m.a + m.e, at.y * m.d + m.f]; }"
    )
    page.mouse.move(*place)
    page.wait_for_timeout(60)
    assert lit(page) == {3, 5}
    assert page.locator(".fvh-panel h3").inner_text() == "b:3 → c:5"


def test_the_pointers_place_on_a_picture_chooses_a_facet(opened: Any) -> None:
    page = opened(made_up())
    tile = page.locator(".fvh-world [data-node='2'] .fvh-tile")
    hover(page, 2, across=0.2)
    assert tile.get_attribute("data-facet") == "0"
    hover(page, 2, across=0.8)
    assert tile.get_attribute("data-facet") == "1"


def test_keys_lead_along_rows_and_strongest_edges(opened: Any) -> None:
    page = opened(made_up())
    focus(page, 5)
    now = "Number(document.activeElement.dataset.node)"
    seen = []
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp", "Home"):
        page.keyboard.press(key)
        seen.append(page.evaluate(now))
    assert seen == [3, 1, 3, 5, 5]  # weights 4 and −2 are the strongest
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    assert page.locator(".fvh-selection input").input_value() == '[fv.Unit("b", 3)]'
    assert page.locator("button.fvh-node[tabindex='0']").count() == 1
    page.evaluate("document.activeElement.blur()")
    assert lit(page) == {0, 1, 3, 5}  # pinned
    focus(page, 3)
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    assert lit(page) == set()


def test_the_selection_is_copied_as_code(opened: Any) -> None:
    page = opened(made_up())
    for node in (1, 5):
        focus(page, node)
        page.keyboard.press("Space")
    field = page.locator(".fvh-selection input")
    assert field.input_value() == '[fv.Unit("a", 1), fv.Unit("c", 5)]'
    page.get_by_role("button", name="Copy as code").click()
    said = page.locator(".fvh-selection [role=status]")
    said.filter(has_text="Copied.").or_(said.filter(has_text="copy it with the keyboard")).wait_for()
    marked = field.evaluate("(one) => one.value.slice(one.selectionStart, one.selectionEnd)")
    assert marked == field.input_value()
    assert page.get_by_role("button", name="Ablate the selection").count() == 0  # no Python behind the page


def test_panning_moves_and_zoom_keeps_its_limits(opened: Any) -> None:
    page = opened(made_up())
    window = page.locator(".fvh-window").bounding_box()
    where = "document.querySelector('.fvh-world').style.transform"
    page.get_by_role("button", name="Show the whole graph").click()
    before = page.evaluate(where)
    page.mouse.move(window["x"] + 5, window["y"] + 5)
    page.mouse.down()
    page.mouse.move(window["x"] + 65, window["y"] + 45, steps=3)
    page.mouse.up()
    moved = page.evaluate(where)
    numbers = [
        np.array([float(part) for part in text[12:].replace("px", "").split(")")[0].split(",")[:2]])
        for text in (before, moved)
    ]
    assert numbers[1] - numbers[0] == pytest.approx([60, 40])
    for name, scale in (("Zoom in", "3.5"), ("Zoom out", "0.1")):
        for _ in range(18):
            page.get_by_role("button", name=name).click()
        assert page.evaluate(where).endswith(f"scale({scale})")


def test_search_lights_what_it_finds(opened: Any) -> None:
    page = opened(made_up())
    page.get_by_role("searchbox", name="Find a unit").fill("B:")
    assert lit(page) == {3, 4}


def test_the_table_holds_what_is_shown(opened: Any) -> None:
    page = opened(made_up())
    slide(page, "Score", 0.5)
    page.get_by_text("Table of units").click()
    rows = page.locator(".fvh-twin tbody tr")
    rows.first.wait_for()  # made when it opens, an event later
    assert rows.locator("th").all_inner_texts() == ["c:5", "b:4", "a:2"]
    assert "b:4 (−0.5)" in rows.first.inner_text()


def test_a_difference_is_told_in_three_colours_and_dashes(opened: Any) -> None:
    graph = made_up(side=np.array([-1, 0, 1, -1, 0, 1]))
    data = graph.data.assign(edge_side=("edge", np.array([-1, 0, 1, -1, 0]))).assign_attrs(
        sides=["bear", "cat"]
    )
    page = opened(AttributionGraph(data))
    assert page.locator(".fvh-legend").inner_text().split("\n")[:3] == ["bear", "both", "cat"]
    focus(page, 3)
    looks = page.locator(".fvh-world path").evaluate_all(
        "(all) => all.map((one) => [one.dataset.edge, one.classList[2]])"
    )
    assert dict(looks) == {"0": "fvh-first", "1": "fvh-both", "3": "fvh-first"}
    colours = page.locator(".fvh-world path").evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).stroke)"
    )
    assert len(set(colours)) == 2


def test_an_empty_graph_says_so(opened: Any) -> None:
    page = opened(AttributionGraph.of([], [], weight=np.zeros(0), layers=["a"]))
    assert "no units" in page.locator(".fvh-window").inner_text()
    assert shown(page) == ([], 0)


def test_nothing_of_the_data_is_run(opened: Any) -> None:
    page = opened(made_up())
    assert HOSTILE in page.locator("header").inner_text()
    assert page.evaluate("window.hacked") is None


def test_the_class_list_and_map_choose_a_class(opened: Any) -> None:
    rng = np.random.default_rng(0)
    data = made_up().data.assign(
        class_name=("class", np.array([f"class {one}" for one in range(30)], dtype=object)),
        class_accuracy=("class", np.linspace(0, 1, 30)),
        class_images=("class", np.arange(30)),
        class_histogram=(("class", "bin"), rng.integers(0, 9, (30, 5))),
        **{f"class_{axis}": (("row", "class"), rng.normal(size=(3, 30))) for axis in ("x", "y")},
        class_similarity=(("row", "class"), np.stack([np.linspace(0, 1, 30)] * 3)),
    )
    page = opened(AttributionGraph(data.assign_attrs(label=4)))
    first = ".fvh-class:nth-child(-n+3) strong"
    assert page.locator(first).all_inner_texts() == ["class 4", "class 29", "class 28"]
    page.get_by_label("Sort by").select_option("least accurate")
    assert page.locator(first).all_inner_texts() == ["class 4", "class 0", "class 1"]
    listed = set(
        page.locator(".fvh-dot.fvh-listed").evaluate_all(
            "(all) => all.map((one) => Number(one.dataset.class))"
        )
    )
    assert {4, 0, 1} <= listed < set(range(30))
    page.locator(".fvh-class").nth(2).click()
    assert page.locator(".fvh-dot.fvh-chosen").get_attribute("data-class") == "1"
    before = page.locator(".fvh-dot").first.get_attribute("style")
    page.get_by_role("radio", name="a", exact=True).click()
    assert page.locator(".fvh-dot").first.get_attribute("style") != before


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark(opened: Any, dark: bool) -> None:
    page = opened(made_up(), dark=dark)
    ground = page.locator(".fvhooks").evaluate("(one) => getComputedStyle(one).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark


def test_two_graphs_on_one_page_are_both_live(chromium: Any, tmp_path: Any) -> None:
    graph = made_up()
    body = graph.to_html(tmp_path / "one.html").read_text()
    part = body[body.index("<body>") + 6 : body.index("</body>")]
    file = tmp_path / "two.html"
    file.write_text(f"<!doctype html><meta charset=utf-8>{part}{part}")
    page = chromium.new_page()
    page.goto(file.as_uri())
    page.wait_for_function("document.querySelectorAll('canvas.fvh-canvas[data-nodes]').length === 2")
    page.close()


def test_python_answers_and_ablates() -> None:
    graph = made_up()
    content, (packed,) = answer(graph, {"type": "detail", "unit": "b:3"})
    assert content["content"]["facts"]["unit"] == "b:3"
    assert len(content["content"]["spans"]["pictures"]) == 2
    assert len(packed) < 900_000
    ask = {"type": "ablate", "units": ["b:3", "a:0"]}
    told, _ = answer(graph, ask, lambda units: -1.5 * len(units))
    assert told == {
        "type": "ablated",
        "units": ["b:3", "a:0"],
        "text": "The margin changes by −3.",
        "error": "",
    }

    def broken(units: list[Unit]) -> float:
        raise ValueError("no images of the class")

    assert answer(graph, ask, broken)[0]["error"] == "ValueError: no images of the class"
    assert "on_ablate" in answer(graph, ask)[0]["error"]
    assert answer(graph, {"type": "detail", "unit": "z:9"})[0]["text"] == "This graph has no unit 'z:9'."
    for nonsense in (None, {}, {"type": "ablate", "units": "b:3"}, {"type": "detail", "unit": 3}):
        assert answer(graph, nonsense)[0]["type"] == "error"
    assert json.dumps(told)
