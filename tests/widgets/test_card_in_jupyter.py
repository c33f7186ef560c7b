"""The card in a real notebook: live in JupyterLab, and static in what nbconvert writes."""

import re
from pathlib import Path
from typing import Any

import pytest

from fvhooks.unit_cards import UnitCards

CELLS = (
    "import fvhooks as fv\ncards = fv.load('cards.zarr')\ncards",
    "print('chosen:', cards.widget.unit, cards.widget.seed, cards.widget.faded)",
    "cards.widget.unit = 'layer4:2'",
)
LOOK = """() => {
  const parts = ["h3", "h4", "p", ".fvh-table", ".fvh-table tr", ".fvh-table td", "img", ".fvh-tops li"];
  const names = ["color", "fontSize", "fontWeight", "textAlign", "margin", "padding", "backgroundColor"];
  return parts.map((part) => {
    const look = getComputedStyle(document.querySelector(".fvhooks " + part));
    return [part, ...names.map((name) => look[name])];
  });
}"""


def write_notebook(folder: Path, cards: UnitCards, cells: tuple[str, ...]) -> Path:
    nbformat = pytest.importorskip("nbformat")
    cards.save(folder / "cards.zarr")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, folder / "card.ipynb")
    return folder / "card.ipynb"


@pytest.mark.browser
def test_jupyterlab_shows_the_card_and_python_sees_the_clicks(
    lab: Any, chromium: Any, cards: UnitCards
) -> None:
    write_notebook(lab.folder, cards, CELLS)
    context = chromium.new_context(viewport={"width": 1200, "height": 1400})
    page = context.new_page()
    strangers: list[str] = []

    def local_only(route: Any) -> None:
        url = route.request.url
        if re.match(r"(https?|ws)://127\.0\.0\.1[:/]", url):
            route.continue_()
        else:
            strangers.append(url)
            route.abort()

    page.route("**/*", local_only)
    page.goto(f"{lab.address}/lab/tree/card.ipynb?token={lab.token}", timeout=120_000)
    page.wait_for_selector("text=(ipykernel) | Idle", timeout=120_000)  # a cell run earlier is not run at all
    page.locator(".jp-Notebook .jp-Cell").first.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    card = page.locator(".jp-OutputArea-output .fvhooks")
    card.wait_for(timeout=120_000)
    assert card.locator("h3").inner_text() == "layer4:0"
    assert card.locator("[role=tab]").count() == 3  # the live view: the static page has no tabs
    card.get_by_role("radio", name="Seed 1").click()
    card.get_by_label("Fade what did not matter").check()
    page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    said = page.locator(".jp-OutputArea-output", has_text="chosen:")
    said.wait_for(timeout=60_000)
    assert said.inner_text().strip() == "chosen: layer4:0 1 True"
    page.keyboard.press("Shift+Enter")  # the cell that sets the unit from Python
    card.locator("h3", has_text="layer4:2").wait_for(timeout=60_000)
    context.close()
    assert not strangers


def test_a_notebook_without_a_kernel_shows_the_static_card(cards: UnitCards, tmp_path: Path) -> None:
    nbclient, nbconvert = pytest.importorskip("nbclient"), pytest.importorskip("nbconvert")
    nbformat = pytest.importorskip("nbformat")
    path = write_notebook(tmp_path, cards, CELLS[:1])
    book = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(book, timeout=120, resources=resources, store_widget_state=False).execute()
    page, _ = nbconvert.HTMLExporter().from_notebook_node(book)
    assert page.count('class="fvh-card"') == 3
    assert "The picture of seed 1 reaches 31, above 50 % of real images." in page
    assert "jupyter-widgets-view" not in page


@pytest.mark.browser
def test_the_static_card_looks_the_same_inside_an_exported_notebook(
    chromium: Any, cards: UnitCards, tmp_path: Path
) -> None:
    nbconvert, nbformat = pytest.importorskip("nbconvert"), pytest.importorskip("nbformat")
    output = nbformat.v4.new_output("display_data", data={"text/html": cards._repr_html_()})
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("cards", outputs=[output])])
    exported, _ = nbconvert.HTMLExporter().from_notebook_node(book)
    (tmp_path / "notebook.html").write_text(exported, encoding="utf-8")
    cards.to_html(tmp_path / "alone.html")
    context = chromium.new_context(offline=True)
    page = context.new_page()
    seen = []
    for name in ("alone", "notebook"):
        page.goto((tmp_path / f"{name}.html").as_uri(), wait_until="domcontentloaded")
        seen.append(page.evaluate(LOOK))
    context.close()
    assert seen[0] == seen[1]
