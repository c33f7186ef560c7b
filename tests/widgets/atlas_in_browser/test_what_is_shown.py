"""What a map shows of its items."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from map_pages import act, colour_at, data_of, hover, inside, point, selected, view

from fvhooks.atlases.results import Atlas

pytestmark = pytest.mark.browser
Make = Callable[..., Atlas]
HOSTILE = '<img src=x onerror="window.hacked=1">'


def test_each_cell_shows_its_own_picture_and_names_its_own_id(opened: Any, make_atlas: Make) -> None:
    atlas = make_atlas(400)
    page = opened(atlas)
    pictures = atlas.data["image"].values[:, :, 0, 0]

    def check(row: int, col: int) -> None:
        item = 20 * row + col
        assert hover(page, row, col) == f"item{item:04d}"
        page.mouse.move(5, 5)
        assert colour_at(page, *point(page, row, col)) == pytest.approx(pictures[item].tolist(), abs=8)

    check(4, 5)
    check(0, 19)
    act(page, "Zoom in", 3)
    check(9, 9)
    page.mouse.move(*point(page, 10, 10))
    page.mouse.down()
    page.mouse.move(*point(page, 8, 11), steps=4)
    page.mouse.up()
    page.wait_for_timeout(250)
    check(9, 9)
    check(11, 8)
    act(page, "Home: Show the whole map")
    act(page, "Zoom out", 1)
    assert data_of(page, "level") == 1
    medoid = int(atlas.data["medoid_1"].values[3, 4])
    assert hover(page, 6.5, 8.5) == f"item{medoid:04d}"
    assert "Stands for 4 items" in page.locator(".fvh-panel").inner_text()


def test_an_overlay_draws_what_the_legend_says(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(400))
    act(page, "Zoom in", 1)
    x, y, k = view(page)
    edge = (x + 7 * k + 1.2, y + (5 + 0.5) * k)  # the left border of the cell in row 5, column 7: item 107
    before = colour_at(page, *edge)
    page.get_by_label("Colour").select_option("label")
    page.wait_for_timeout(200)
    swatches = page.locator(".fvh-kinds li").evaluate_all(
        "(all) => all.map((one) => [one.textContent, getComputedStyle(one.firstChild).backgroundColor])"
    )
    kinds = {
        words.split(" (")[0]: [int(part) for part in colour[4:-1].split(", ")] for words, colour in swatches
    }
    assert set(kinds) == {"cat", "dog", "ship"}
    assert colour_at(page, *edge) == pytest.approx(kinds["ship"], abs=2)  # 107 = 3 * 35 + 2
    assert colour_at(page, *edge) != before
    page.get_by_label("Colour").select_option("score")
    page.wait_for_timeout(200)
    assert page.locator(".fvh-scale-line strong").inner_text() == "Score"
    assert page.locator(".fvh-ramp").inner_text().split() == ["0", "1"]
    page.get_by_label("Colour").select_option("displacement")
    page.wait_for_timeout(200)
    assert data_of(page, "lines") > 0
    page.get_by_label("Colour").select_option("none")
    page.wait_for_timeout(200)
    assert data_of(page, "lines") == 0
    act(page, "Lines to the nearest items in feature space")
    assert data_of(page, "lines") > 1000


def test_scatter_shows_items_where_the_layout_put_them(opened: Any, make_atlas: Make) -> None:
    atlas = make_atlas(400)
    page = opened(atlas)
    act(page, "On the grid; off: where the layout put them")
    assert data_of(page, "mix") == 0
    item = 399  # the last is on top
    x, y = (0.5 + float(atlas.data[name].values[item]) * 19 for name in ("x", "y"))
    assert hover(page, y - 0.5, x - 0.5) == "item0399"
    act(page, "On the grid; off: where the layout put them")
    assert data_of(page, "mix") == 1


def test_the_strip_lies_apart_with_its_caption(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(90, strip=5))
    assert page.locator(".fvh-strip").inner_text() == "5 units never fire"
    assert hover(page, 10, 2) == "item0087"  # below nine rows and an empty one
    caption = page.locator(".fvh-strip").bounding_box()
    assert caption["y"] + caption["height"] <= point(page, 10, 0)[1] - view(page)[2] / 2
    frames = len(inside(page))
    page.mouse.move(*point(page, 9, 2))
    page.wait_for_timeout(80)
    assert len(inside(page)) == frames - 1  # nothing lies in between


def test_a_long_strip_of_dead_units_leaves_the_grid_large(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(512, strip=400, units=True))
    k = view(page)[2]
    assert 11 * k > 0.6 * page.locator(".fvh-window").bounding_box()["height"]
    assert "drag up to see all" in page.locator(".fvh-strip").inner_text()
    page.locator(".fvh-search input").fill("item0511")
    page.keyboard.press("Enter")
    page.wait_for_timeout(250)
    assert page.locator(".fvh-panel h3").inner_text() == "item0511"


def test_marks_and_empty_cells_are_seen_and_counted(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(97))
    words = page.locator(".fvh-marks").inner_text()
    assert "synthetic pictures: 14" in words
    assert "flagged: 5" in words
    assert "empty cells: 3" in words
    assert hover(page, 0, 3) == "item0003"
    told = page.locator(".fvh-panel").inner_text()
    assert "a synthetic picture, no image of the data" in told
    assert "below the 99th percentile" in told


def test_the_card_of_a_unit_draws_its_own_peaks(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(90, strip=5, units=True))
    panel = page.locator(".fvh-panel")
    assert hover(page, 0, 2) == "item0002"  # its peaks lie between 0 and 8
    heads = panel.locator("h4").all_inner_texts()
    assert "Peaks of real images" in heads
    assert "Scores" not in heads
    drawn = panel.locator(".fvh-histogram")
    assert drawn.get_attribute("aria-label") == "Peaks of real images from 0 to 8; the strongest 6"
    assert drawn.locator(".fvh-own").get_attribute("data-at") == "0.75"
    assert drawn.locator(".fvh-mark-label").text_content() == "6"
    assert drawn.locator(".fvh-tick").all_text_contents() == ["0", "2", "4", "6", "8"]
    tall = drawn.locator(".fvh-bar").evaluate_all("(all) => all.map((one) => one.height.baseVal.value)")
    assert [5 * one / max(tall) for one in tall] == pytest.approx([2, 5, 4, 3])
    assert hover(page, 0, 7) == "item0007"
    assert drawn.get_attribute("aria-label") == "Peaks of real images from 5 to 23; the strongest 18.5"
    assert hover(page, 10, 2) == "item0087"  # never fires
    assert "All at 0." in panel.inner_text()
    assert drawn.count() == 0
    told = page.locator(".fvh-told").first.inner_text()
    assert "score selectivity for one label" in told
    assert "images run again 5 as stated" in told


def test_the_card_of_a_unit_whose_peaks_were_not_kept_draws_none(opened: Any, make_atlas: Make) -> None:
    data = make_atlas(90, units=True).data.drop_vars(["histogram", "lowest", "highest"])
    page = opened(Atlas(data))
    assert hover(page, 0, 2) == "item0002"
    assert page.locator(".fvh-panel h4").all_inner_texts() == ["Nearest in feature space"]
    assert page.locator(".fvh-panel .fvh-histogram").count() == 0


@pytest.mark.parametrize("images", [0, 16])
@pytest.mark.parametrize("n", [0, 1])
def test_maps_of_no_item_and_of_one(opened: Any, make_atlas: Make, n: int, images: int) -> None:
    page = opened(make_atlas(n, images=images))
    assert page.get_by_text("This map has no items.").count() == 1 - n
    for name in (
        "Zoom in",
        "Zoom out",
        "Home: Show the whole map",
        "On the grid; off: where the layout put them",
    ):
        act(page, name)
    page.locator(".fvh-window").focus()
    for key in ("ArrowRight", "ArrowUp", "Enter", "s", "Home"):
        page.keyboard.press(key)
    assert selected(page) == n
    page.get_by_text("Table of items").click()
    if n:
        page.locator(".fvh-twin tbody tr").first.wait_for(timeout=60_000)
    assert page.locator(".fvh-twin tbody tr").count() >= n


def test_cells_without_pictures_have_words(opened: Any, make_atlas: Make) -> None:
    atlas = make_atlas(60, images=0, label=np.full(60, HOSTILE, object), source=np.full(60, "text", object))
    page = opened(atlas)
    act(page, "Zoom in", 1)
    assert data_of(page, "cells") > 0
    hover(page, 3, 3)
    assert HOSTILE in page.locator(".fvh-panel").inner_text()
    assert page.evaluate("window.hacked") is None


def test_the_table_holds_all_items_a_page_at_a_time(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(400))
    expect = pytest.importorskip(
        "playwright.sync_api"
    ).expect  # it waits: the table is filled once it is open
    page.get_by_text("Table of items, by score").click()
    rows = page.locator("details:last-of-type tbody tr")
    expect(rows).to_have_count(200)
    page.get_by_role("button", name="More: 200 items left").click()
    expect(rows).to_have_count(400)
    page.get_by_role("button", name="Show item0210 on the map").click()
    expect(page.locator(".fvh-panel h3")).to_have_text("item0210")


def test_dark_pages_have_dark_maps(opened: Any, make_atlas: Make) -> None:
    light, dark = (opened(make_atlas(97), dark=dark) for dark in (False, True))
    inks = [colour_at(page, *point(page, 9, 9)) for page in (light, dark)]  # an empty cell
    assert min(inks[0]) > 200
    assert max(inks[1]) < 90
