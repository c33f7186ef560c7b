"""Links that lead to a place of a map."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from map_pages import READY, SELECTED, act, point, selected, view

from fvhooks.atlases.results import Atlas
from fvhooks.widgets.atlas import live_atlas

pytestmark = pytest.mark.browser
Make = Callable[..., Atlas]


def test_a_link_leads_to_what_was_seen_and_chosen(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(97))
    page.get_by_label("Colour").select_option("score")
    act(page, "Zoom in", 3)
    page.locator(".fvh-window").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("s")
    before, chosen = view(page), selected(page)
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_function("location.hash.startsWith('#fvhooks=')")
    again = page.context.new_page()
    again.goto(page.url)
    again.wait_for_selector(READY)
    again.wait_for_timeout(250)
    assert selected(again) == chosen == 1
    assert again.get_by_label("Colour").input_value() == "score"
    assert np.allclose(view(again)[2], before[2], rtol=0.01)
    assert np.allclose(view(again)[0], before[0], atol=2)


def test_a_link_that_is_pasted_into_an_open_page_moves_its_map(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(400))
    whole = view(page)
    page.locator(".fvh-window").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("s")
    act(page, "Zoom in", 4)
    near = view(page)
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_function("location.hash.startsWith('#fvhooks=')")
    link = page.evaluate("location.hash")
    page.wait_for_timeout(250)
    assert selected(page) == 1  # its own address changes nothing
    act(page, "Home: Show the whole map")
    act(page, "Clear selection")
    page.evaluate("location.hash = '#somewhere-else'")
    page.wait_for_timeout(250)
    assert np.allclose(view(page), whole, atol=0.5)
    page.evaluate("(hash) => { location.hash = hash; }", link)
    page.wait_for_function(
        "document.querySelector('.fvh-selection > [role=status]').textContent === '1 selected'"
    )
    page.wait_for_timeout(250)
    assert np.allclose(view(page), near, atol=1)


def test_a_link_has_no_room_for_many_and_says_so(opened: Any, make_atlas: Make) -> None:
    page = opened(make_atlas(400))
    said, copy = page.locator(".fvh-copied"), page.get_by_role("button", name="Copy link")
    page.locator(".fvh-window").focus()
    for key in ("ArrowRight", "s"):
        page.keyboard.press(key)
    copy.click()
    page.wait_for_function("document.querySelector('.fvh-copied').textContent !== ''")
    assert "without" not in said.inner_text()
    page.evaluate("document.querySelector('.fvh-copied').textContent = ''")
    page.keyboard.down("Shift")
    page.mouse.move(*point(page, -0.5, -0.5))
    page.mouse.down()
    for corner in ((-0.5, 19.6), (19.6, 19.6), (19.6, -0.5)):
        page.mouse.move(*point(page, *corner), steps=6)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_function(f"document.querySelector('{SELECTED}').textContent === '400 selected'")
    copy.click()
    page.wait_for_function("document.querySelector('.fvh-copied').textContent !== ''")
    assert said.inner_text().endswith(", without the selection: a link names 200 items at most")
    page.wait_for_timeout(250)
    assert selected(page) == 400  # what is left out of the link stays selected


@pytest.mark.parametrize("address", ["#fvhooks=%7B", "#fvhooks=[1]", "#fvhooks={%22place%22:{%22x%22:1}}"])
def test_an_address_that_says_nothing_is_passed_over(opened: Any, make_atlas: Make, address: str) -> None:
    page = opened(make_atlas(9))
    again = page.context.new_page()
    again.goto(page.url + address)
    again.wait_for_selector(READY)
    again.wait_for_timeout(250)
    assert np.allclose(view(again), view(page))


def test_a_place_is_gone_to_and_an_empty_one_is_the_whole_map(
    live: Callable[..., Any], make_atlas: Make
) -> None:
    page = live(live_atlas(make_atlas(97))).page
    page.wait_for_selector(READY)
    whole, colour = view(page), page.get_by_label("Colour")
    page.evaluate("model.set('place', {x: 3, y: 2, across: 4, grid: true, colour: 'score'})")
    page.wait_for_timeout(250)
    assert view(page)[2] > 1.5 * whole[2]
    assert colour.input_value() == "score"
    page.evaluate("model.set('place', {})")
    page.wait_for_timeout(250)
    assert np.allclose(view(page), whole, atol=0.5)
    assert colour.input_value() == "none"
