"""The live card, driven in a browser."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from fvhooks.unit_cards import UnitCards
from fvhooks.widgets.card import answer, live_card

pytestmark = pytest.mark.browser

Mount = Callable[..., Any]
PLOT_LEFT, PLOT_WIDTH = 8, 404
CONTRAST = """() => {
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((v) => linear(Number(v) / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = luminance(getComputedStyle(document.querySelector(".fvhooks")).backgroundColor);
  const texts = document.querySelectorAll("h3, h4, p, td, th, small, .fvh-verdict, .fvh-unit");
  return [ground, ...[...texts].map((element) => {
    const ink = luminance(getComputedStyle(element).color);
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  })];
}"""


def colour(page: Any, selector: str) -> list[int]:
    """The colour in the middle of a picture, as the browser decoded it."""
    script = """async (img) => { await img.decode(); const c = document.createElement("canvas");
    c.width = c.height = 3; const g = c.getContext("2d");
    g.drawImage(img, img.naturalWidth / 2, img.naturalHeight / 2, 3, 3, 0, 0, 3, 3);
    return [...g.getImageData(1, 1, 1, 1).data]; }"""
    return list(page.locator(selector).first.evaluate(script))


def test_a_click_on_a_unit_shows_its_card_and_tells_python(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards)
    before = colour(shown.page, ".fvh-frame img")
    shown.page.get_by_role("tab", name="layer4:2").click()
    assert shown.page.locator("h3").inner_text() == "layer4:2"
    assert shown.state("unit") == "layer4:2"
    assert shown.page.evaluate("window.saved") == 1
    after = colour(shown.page, ".fvh-frame img")
    assert before[:3] == pytest.approx([200, 0, 0], abs=4)
    assert after[:3] == pytest.approx([200, 80, 80], abs=4)


def test_a_click_on_a_seed_changes_picture_mark_and_words(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards)
    shown.page.get_by_role("radio", name="Seed 1").click()
    assert shown.state("seed") == 1
    assert colour(shown.page, ".fvh-frame img")[:3] == pytest.approx([200, 15, 15], abs=4)
    assert shown.page.locator(".fvh-mark-label").text_content() == "this picture: 11"
    assert "seed 1 reaches 11" in shown.page.locator(".fvh-right").inner_text()


@pytest.mark.parametrize(
    ("unit", "seed", "own"), [("layer4:0", 0, 10), ("layer4:0", 1, 11), ("layer4:2", 1, 31)]
)
def test_the_mark_stands_at_the_pictures_own_activation(
    mount: Mount, cards: UnitCards, unit: str, seed: int, own: float
) -> None:
    shown = mount(cards)
    shown.page.evaluate("([u, s]) => { model.set('unit', u); model.set('seed', s); }", [unit, seed])
    x = float(shown.page.locator(".fvh-own line").get_attribute("x1"))
    assert x == pytest.approx(PLOT_LEFT + PLOT_WIDTH * own / 40, abs=0.01)  # the axis goes from 0 to 40


def test_one_tab_stop_a_row_and_arrows_within(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards)
    press = shown.page.keyboard.press
    press("Tab")
    assert shown.page.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"
    press("ArrowRight")
    assert shown.state("unit") == "layer4:1"
    press("End")
    assert shown.state("unit") == "layer4:2"
    press("ArrowRight")
    assert shown.state("unit") == "layer4:0"
    press("Tab")
    press("ArrowRight")
    assert shown.state("seed") == 1
    assert shown.page.evaluate("document.activeElement.getAttribute('aria-checked')") == "true"
    press("Tab")
    press("Space")
    assert shown.state("faded") is True


def test_a_key_that_means_something_here_does_not_reach_the_notebook(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards)
    shown.page.evaluate("window.keys = []; document.addEventListener('keydown', (e) => keys.push(e.key))")
    shown.page.keyboard.press("Tab")
    shown.page.keyboard.press("ArrowDown")
    shown.page.keyboard.press("a")
    assert shown.page.evaluate("window.keys") == ["Tab", "a"]


def test_fading_puts_the_opacity_over_the_picture(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards)
    mask = "getComputedStyle(document.querySelector('.fvh-frame img')).maskImage"
    assert shown.page.evaluate(mask) == "none"
    shown.page.get_by_label("Fade what did not matter").check()
    assert "blob:" in shown.page.evaluate(mask)
    assert shown.state("faded") is True
    shown.page.evaluate("model.set('faded', false)")
    assert shown.page.evaluate(mask) == "none"


def test_what_python_sets_is_shown(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards)
    shown.page.evaluate("model.set('unit', 'layer4:1')")
    assert shown.page.locator("h3").inner_text() == "layer4:1"
    assert shown.page.locator("[role=tab][aria-selected=true]").inner_text() == "layer4:1"


def test_the_outline_lies_where_the_unit_fired(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards)
    picture = shown.page.locator(".fvh-thumb").first.bounding_box()
    outline = shown.page.locator(".fvh-outline").first.bounding_box()
    centre = (outline["x"] + outline["width"] / 2 - picture["x"]) / picture["width"]
    assert centre == pytest.approx(0.75, abs=0.02)
    assert (outline["y"] + outline["height"] / 2 - picture["y"]) / picture["height"] == pytest.approx(
        0.25, abs=0.02
    )


def test_labels_stay_text(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards)
    assert shown.page.evaluate("window.hacked") is None
    assert shown.page.locator(".fvh-label").first.inner_text().startswith("<img src=x")


def test_images_that_there_are_not_leave_no_gap(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards)
    assert shown.page.locator(".fvh-tops li").count() == 3


def test_verdicts_are_words_in_a_table_with_heads(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards)
    row = shown.page.get_by_role("row", name="path similarity")
    assert row.get_by_role("cell").all_inner_texts()[:2] == ["0.5 [0.4, 0.6]", "0.3"]
    assert "contradicted" in row.inner_text()


def test_every_control_has_a_name_and_ids_are_unique(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards)
    nameless = """[...document.querySelectorAll("button, input, svg[role=img]")].filter(
      (e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.[0]?.textContent)).length"""
    assert shown.page.evaluate(nameless) == 0
    assert shown.page.evaluate("[...document.images].filter((i) => !i.hasAttribute('alt')).length") == 0
    ids = shown.page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    assert shown.page.locator("[role=tabpanel]").get_attribute("aria-labelledby") in ids


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground_in_light_and_dark(
    mount: Mount, cards: UnitCards, dark: bool
) -> None:
    shown = mount(cards, dark=dark)
    ground, *ratios = shown.page.evaluate(CONTRAST)
    assert (ground < 0.2) is dark
    assert min(ratios) >= 4.5


def test_a_notebooks_own_theme_wins_over_the_systems(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards, dark=True)
    ground = "getComputedStyle(document.querySelector('.fvhooks')).backgroundColor"
    dark = shown.page.evaluate(ground)
    shown.page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    assert shown.page.evaluate(ground) == "rgb(255, 255, 255)"
    shown.page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    assert shown.page.evaluate(ground) == dark


@pytest.mark.parametrize("width", [400, 700, 780, 1000])
def test_no_verdict_is_cut_off_on_a_narrow_page(mount: Mount, cards: UnitCards, width: int) -> None:
    shown = mount(cards)
    shown.page.set_viewport_size({"width": width, "height": 800})
    assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    table = shown.page.locator(".fvh-scroll")
    assert table.evaluate("(area) => area.scrollWidth <= area.clientWidth")


def test_unmounting_leaves_no_listener_and_no_picture(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards)
    urls = shown.page.evaluate("[...document.images].map((image) => image.src)")
    assert all(url.startswith("blob:") for url in urls)
    shown.page.evaluate("window.cleanup()")
    assert shown.page.evaluate("Object.values(listeners).flat().length") == 0
    gone = "async (url) => { try { await fetch(url); return false; } catch { return true; } }"
    assert shown.page.evaluate(gone, urls[0])
    shown.errors.clear()  # the browser notes the fetch that was meant to fail


def test_units_beyond_the_budget_come_when_they_are_chosen(mount: Mount, cards: UnitCards) -> None:
    widget = live_card(cards, budget=1)
    assert list(widget.loaded) == ["layer4:0"]
    shown = mount(cards, widget=widget)
    shown.page.get_by_role("tab", name="layer4:1").click()
    assert "Waiting for Python" in shown.page.locator("article").inner_text()
    assert shown.page.evaluate("window.sent") == [{"type": "content", "unit": "layer4:1"}]
    content, (packed,) = answer(cards, shown.page.evaluate("window.sent[0]"))
    reply = """([content, packed]) => emit("msg:custom", content,
      [new DataView(Uint8Array.from(atob(packed), (c) => c.charCodeAt(0)).buffer)])"""
    shown.page.evaluate(reply, [content, base64.b64encode(packed).decode()])
    assert shown.page.locator("h3").inner_text() == "layer4:1"
    assert colour(shown.page, ".fvh-frame img")[:3] == pytest.approx([200, 40, 40], abs=4)


def test_an_error_from_python_is_shown(mount: Mount, cards: UnitCards) -> None:
    shown = mount(cards)
    content, buffers = answer(cards, {"type": "content", "unit": "layer9:9"})
    assert buffers == []
    shown.page.evaluate("(content) => emit('msg:custom', content, [])", content)
    assert shown.page.get_by_role("alert").inner_text() == "These cards have no unit 'layer9:9'."
