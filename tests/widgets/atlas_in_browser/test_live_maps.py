"""Maps with a kernel behind them, and one whose kernel is gone."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from map_pages import READY, act, data_of, hover, live_page, point, selected

from fvhooks.atlases.results import Atlas
from fvhooks.widgets.atlas import answers
from fvhooks.widgets.atlas_states import tiles_of

pytestmark = pytest.mark.browser
Make = Callable[..., Atlas]


def test_a_live_map_asks_for_what_did_not_fit(chromium: Any, make_atlas: Make, tmp_path: Path) -> None:
    atlas = make_atlas(400, images=64)
    tiles = tiles_of(atlas)

    def ask(message: Any) -> list[Any]:
        found = answers(atlas, message, tiles)
        return [[content, b64encode(parts[0]).decode() if parts else None] for content, parts in found]

    context = chromium.new_context(viewport={"width": 1300, "height": 1100})
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.expose_function("ask", ask)
    page.goto(live_page(atlas, tmp_path, 12_000).as_uri())
    page.wait_for_selector(READY)
    page.wait_for_timeout(600)
    kinds = [message["type"] for message in page.evaluate("window.asked")]
    assert kinds[0] == "columns"
    assert "tiles" in kinds
    act(page, "Zoom in", 2)
    assert hover(page, 9, 9) == "item0189"
    page.wait_for_timeout(300)
    assert page.locator(".fvh-panel .fvh-jump").count() == 4  # neighbours came when they were needed
    page.evaluate("window.model.set('selected', ['item0001', 'item0002'])")
    assert selected(page) == 2
    page.mouse.click(*point(page, 8, 8))
    assert page.evaluate("window.state.pinned") == ["item0168"]
    act(page, "On the grid; off: where the layout put them")
    page.wait_for_timeout(900)  # items move there
    assert data_of(page, "mix") == 0
    context.close()
    assert not errors


def test_a_notebook_without_a_kernel_shows_the_coarse_picture(
    chromium: Any, make_atlas: Make, tmp_path: Path
) -> None:
    context = chromium.new_context(viewport={"width": 1300, "height": 1100})
    page = context.new_page()
    page.expose_function("ask", lambda message: [])  # nobody answers
    page.goto(live_page(make_atlas(400, images=64), tmp_path, 12_000).as_uri())
    page.wait_for_timeout(500)
    assert page.locator(READY).count() == 0
    assert "without it this map stays a picture" in page.locator(".fvh-note[role=status]").inner_text()
    inks = page.locator(".fvh-coarse canvas").evaluate(
        "(one) => { const p = one.getContext('2d').getImageData(0, 0, one.width, one.height).data;"
        " return new Set(Array.from({ length: p.length / 4 }, (_, at) => p[4 * at] >> 4)).size; }"
    )
    assert inks > 3  # of many colours
    context.close()
