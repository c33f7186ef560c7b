"""Moving over a map, and choosing from it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from map_pages import act, inside, point, selected, view

from fvhooks.atlases.results import Atlas

pytestmark = pytest.mark.browser
Make = Callable[..., Atlas]


def test_a_hit_is_centred_and_highlighted(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(400))
    page.get_by_role("searchbox").fill("item037")
    assert page.locator(".fvh-search output").inner_text() == "10"
    page.keyboard.press("Enter")
    page.wait_for_timeout(250)
    assert page.locator(".fvh-panel h3").inner_text() == "item0370"
    assert page.locator(".fvh-hit").inner_text() == "1 of 10"
    glass = page.locator(".fvh-glass").bounding_box()
    middle = (glass["x"] + glass["width"] / 2, glass["y"] + glass["height"] / 2)
    assert point(page, 370 // 20, 370 % 20) == pytest.approx(middle, abs=1)
    [frame] = [one for one in inside(page) if "focus" in one["look"]]
    assert (frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2) == pytest.approx(middle, abs=2)
    act(page, "Previous hit")
    assert page.locator(".fvh-panel h3").inner_text() == "item0379"
    page.get_by_role("searchbox").fill("ship")
    assert page.locator(".fvh-search output").inner_text() == "133"


def test_the_keyboard_walks_selects_and_pins(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(397))
    page.locator(".fvh-window").focus()
    page.keyboard.press("ArrowRight")
    spoken = page.locator("p[aria-live]")
    first = int(spoken.inner_text()[4:8])
    for key, step in (("ArrowRight", 1), ("ArrowDown", 20), ("ArrowLeft", -1), ("ArrowUp", -20)):
        page.keyboard.press(key)
        assert spoken.inner_text().startswith(f"item{first + step:04d}, ")
        first += step
    assert f"row {first // 20 + 1}, column {first % 20 + 1}" in spoken.inner_text()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    assert selected(page) == 4
    page.keyboard.press("Enter")
    assert page.locator(".fvh-compare article").count() == 1
    before = view(page)[2]
    page.keyboard.press("+")
    assert view(page)[2] == pytest.approx(1.4 * before)
    page.keyboard.press("Home")
    assert view(page)[2] == pytest.approx(before, rel=0.5)
    page.keyboard.press("Escape")
    assert page.locator(".fvh-compare article").count() == 0


def test_a_lasso_selects_exactly_what_lies_inside(opened: Any, make_atlas: Make, tmp_path: Path) -> None:
    page = opened(make_atlas(400))
    corners = [(2.5, 2.5), (2.5, 6.5), (5.5, 6.5), (5.5, 2.5)]  # between cells: rows 3 to 5, columns 3 to 6
    page.keyboard.down("Shift")
    page.mouse.move(*point(page, *corners[0]))
    page.mouse.down()
    for row, col in corners[1:]:
        page.mouse.move(*point(page, row, col), steps=6)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_timeout(150)
    assert selected(page) == 12
    page.get_by_text("Table of the selection").click()
    page.locator(".fvh-selection tbody th").first.wait_for()  # filled when it opens, an event later
    names = page.locator(".fvh-selection tbody th").all_inner_texts()
    assert names == [f"item{20 * row + col:04d}" for row in (3, 4, 5) for col in (3, 4, 5, 6)]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    lines = Path(waiting.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "id,label,score,stratum,row,col"
    assert [line.split(",")[0] for line in lines[1:]] == names
    act(page, "Clear selection")
    assert selected(page) == 0


def test_pins_are_compared_side_by_side_and_neighbours_jump(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(400))
    for row, col in ((3, 3), (6, 9), (8, 2)):
        page.mouse.click(*point(page, row, col))
        page.wait_for_timeout(60)
    names = page.locator(".fvh-compare article h3").all_inner_texts()
    assert names == ["item0063", "item0162"]
    boxes = [page.locator(".fvh-compare article").nth(at).bounding_box() for at in (0, 1)]
    assert boxes[0]["y"] == boxes[1]["y"]
    page.locator(".fvh-panel .fvh-jump").first.click()
    assert page.locator(".fvh-panel h3").inner_text() == "item0163"


def test_two_fingers_zoom_around_the_middle_between_them(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(400))
    x, y = point(page, 9.5, 9.5)
    before = view(page)[2]
    touch = page.context.new_cdp_session(page)

    def send(kind: str, apart: float) -> None:
        fingers = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        points = [] if kind == "touchEnd" else fingers
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    send("touchStart", 40)
    for apart in (50, 60, 70, 80):
        send("touchMove", apart)
    send("touchEnd", 0)
    page.wait_for_timeout(250)
    assert view(page)[2] == pytest.approx(2 * before, rel=0.02)
    assert point(page, 9.5, 9.5) == pytest.approx((x, y), abs=2)


def test_the_minimap_moves_the_window(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(400))
    act(page, "Zoom in", 4)
    box = page.locator(".fvh-minimap canvas").bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])
    glass = page.locator(".fvh-glass").bounding_box()
    middle = (glass["x"] + glass["width"] / 2, glass["y"] + glass["height"] / 2)
    assert point(page, 14.5, 4.5) == pytest.approx(middle, abs=view(page)[2] / 2)
