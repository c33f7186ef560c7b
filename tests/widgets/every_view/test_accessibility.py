"""What axe finds in every view, in light and dark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fvhooks.results import INLINE_BYTES, VIEWERS, Result

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[3] / "widgets" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => {
  const found = await axe.run(document.querySelector(".fvhooks"), { resultTypes: ["violations"] });
  return found.violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => [id, nodes.slice(0, 4).map(({ html }) => html.slice(0, 160))]);
}"""
LIVE = ("atlas", "attribution_graph", "forming", "store_browser", "unit_cards")


@pytest.fixture
def axe() -> str:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci in widgets/")
    return AXE.read_text(encoding="utf-8")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("kind", LIVE)
def test_the_live_view_has_no_serious_fault(
    exhibits: dict[str, Any], live: Callable[..., Any], axe: str, kind: str, dark: bool
) -> None:
    shown = live(VIEWERS[kind].widget(exhibits[kind]), dark=dark)
    shown.page.evaluate(axe)
    assert shown.page.evaluate(RUN) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_pages_without_a_kernel_have_no_serious_fault(
    exhibits: dict[str, Any], chromium: Any, axe: str, tmp_path: Path, dark: bool
) -> None:
    """As a cell's output, and as a page of its own; folded parts are unfolded."""
    context = chromium.new_context(color_scheme="dark" if dark else "light", offline=True)
    page, file, found = context.new_page(), tmp_path / "view.html", {}
    for kind, result in exhibits.items():
        pages = []
        if kind in LIVE:  # else both are the same
            inline = VIEWERS[kind].html(result, INLINE_BYTES)
            pages = [f"<!doctype html><html lang=en><title>{kind}</title><main>{inline}</main></html>"]
        if isinstance(result, Result):
            pages.append(result.to_html(file).read_text(encoding="utf-8"))
        for at, written in enumerate(pages):
            file.write_text(written, encoding="utf-8")
            page.goto(file.as_uri())
            page.locator(".fvhooks").first.wait_for(timeout=60_000)
            page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
            page.evaluate(axe)
            found[f"{kind} {at}"] = page.evaluate(RUN)
    context.close()
    assert {name.split()[0] for name in found} == set(VIEWERS)
    assert not {name: faults for name, faults in found.items() if faults}


def test_every_live_view_is_among_them(exhibits: dict[str, Any]) -> None:
    assert {kind for kind in exhibits if VIEWERS[kind].widget(exhibits[kind]) is not None} == set(LIVE)


def test_axe_sees_a_fault(chromium: Any, axe: str) -> None:
    page = chromium.new_page()
    page.set_content("<main class=fvhooks><button></button><img src='data:,'></main>")
    page.evaluate(axe)
    assert {name for name, _ in page.evaluate(RUN)} >= {"button-name", "image-alt"}
    page.close()
