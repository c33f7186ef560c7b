"""What axe finds in every view, in light and dark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fvhooks as fv
from fvhooks.results import Result

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "widgets" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => {
  const found = await axe.run(document.querySelector(".fvhooks"), { resultTypes: ["violations"] });
  return found.violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => [id, nodes.slice(0, 4).map(({ html }) => html.slice(0, 160))]);
}"""
NAMES = ("store_browser", "unit_cards", "atlas", "attribution_graph")


@pytest.fixture
def results(
    browser: fv.StoreBrowser, cards: fv.UnitCards, make_atlas: Callable[..., fv.Atlas]
) -> dict[str, Result]:
    units = ["a:0", "a:1", "b:3"]
    graph = fv.AttributionGraph.of(units, [(0, 2), (1, 2)], weight=[1.0, -2.0], layers=["a", "b"])
    seen = fv.as_visualizations([fv.Unit.parse(unit) for unit in units], np.full((3, 2, 3, 80, 80), 0.4))
    made = (browser, cards, make_atlas(30), graph.illustrated(seen))
    return {result.kind: result for result in made}


@pytest.fixture
def axe() -> str:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci in widgets/")
    return AXE.read_text(encoding="utf-8")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_the_live_view_has_no_serious_fault(
    results: dict[str, Result], live: Callable[..., Any], axe: str, name: str, dark: bool
) -> None:
    shown = live(results[name].widget, dark=dark)
    shown.page.evaluate(axe)
    assert shown.page.evaluate(RUN) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_pages_without_a_kernel_have_no_serious_fault(
    results: dict[str, Result], chromium: Any, axe: str, tmp_path: Path, dark: bool
) -> None:
    context = chromium.new_context(color_scheme="dark" if dark else "light", offline=True)
    page = context.new_page()
    found = {}
    for name, result in results.items():
        file = tmp_path / f"{name}.html"
        plain = (
            f"<!doctype html><html lang=en><title>{name}</title><main>{result._repr_html_()}</main></html>"
        )
        for kind, written in (("inline", plain), ("page", None)):
            if written is None:
                result.to_html(file)
            else:
                file.write_text(written, encoding="utf-8")
            page.goto(file.as_uri())
            page.locator(".fvhooks").first.wait_for(timeout=60_000)
            page.evaluate(axe)
            found[f"{name} {kind}"] = page.evaluate(RUN)
    context.close()
    assert not {name: faults for name, faults in found.items() if faults}


def test_axe_sees_a_fault(chromium: Any, axe: str) -> None:
    page = chromium.new_page()
    page.set_content("<main class=fvhooks><button></button><img src='data:,'></main>")
    page.evaluate(axe)
    assert {name for name, _ in page.evaluate(RUN)} >= {"button-name", "image-alt"}
    page.close()
