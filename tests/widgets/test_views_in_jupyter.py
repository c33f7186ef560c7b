"""All views in one real notebook: live, linked to Python, after a restart, and when it is opened again."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fvhooks as fv

LONG = 120_000
SETUP = """import fvhooks as fv, ipywidgets, traitlets
browser, amap, graph, cards = (fv.load(f"{name}.zarr") for name in ("browser", "amap", "graph", "cards"))
traitlets.link((browser.widget, "selected"), (graph.widget, "selected"))
browser"""
SAID = "'said:', [u.id for u in browser.selected], graph.widget.selected, cards.widget.unit"
TAB = "ipywidgets.Tab([graph.widget, ipywidgets.VBox([cards.widget])])"
CELLS = (SETUP, "browser", "amap", "graph", "cards", TAB, f"print({SAID})")
VIEWS = (".fvh-browser", ".fvh-browser", ".fvh-atlas", ".fvh-graph", "article.fvh-card", ".fvh-graph")


def write(folder: Path, results: dict[str, Any]) -> Path:
    nbformat = pytest.importorskip("nbformat")
    for name, result in results.items():
        result.save(folder / f"{name}.zarr")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, folder / "views.ipynb")
    return folder / "views.ipynb"


class Notebook:
    """The notebook in a page of JupyterLab."""

    def __init__(self, context: Any, address: str) -> None:
        self.page, self.errors = context.new_page(), list[str]()
        self.page.route("**/*", self._local_only)
        self.page.on("console", self._noted)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address, timeout=LONG)
        self.page.wait_for_selector("text=(ipykernel) | Idle", timeout=LONG)

    def _local_only(self, route: Any) -> None:
        if re.match(r"(https?|ws)://127\.0\.0\.1[:/]", route.request.url):
            route.continue_()
        else:
            self.errors.append(route.request.url)
            route.abort()

    def _noted(self, message: Any) -> None:
        if message.type == "error" and ("fvh" in message.text or "widget" in message.text.lower()):
            self.errors.append(message.text)

    def execute(self, command: str) -> None:
        """A command of JupyterLab, which is not waited for: it may ask something first."""
        self.page.evaluate("(name) => { window.jupyterapp.commands.execute(name); }", command)

    def output(self, cell: int) -> Any:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-OutputArea-output")

    def run_all(self) -> None:
        self.execute("notebook:run-all-cells")
        self.done(len(CELLS))

    def done(self, count: int) -> None:
        """Wait until the last cell was the `count`-th that its kernel ran, and every view is there."""
        prompt = self.page.locator(".jp-Notebook .jp-Cell").last.locator(".jp-InputPrompt")
        prompt.get_by_text(f"[{count}]:").wait_for(timeout=LONG)
        self.output(len(CELLS) - 1).get_by_text("said:").wait_for(timeout=LONG)
        for cell, view in enumerate(VIEWS):
            self.output(cell).locator(view).first.wait_for(timeout=LONG)

    def says(self) -> str:
        """What the last cell prints when it is run again."""
        self.page.locator(".jp-Notebook .jp-Cell").last.locator(".cm-content").click()
        before = self.page.locator(".jp-Cell").last.locator(".jp-InputPrompt").inner_text()
        self.page.keyboard.press("Control+Enter")
        changed = """(before) => { const cells = document.querySelectorAll(".jp-Notebook .jp-Cell");
          const words = cells[cells.length - 1].querySelector(".jp-InputPrompt").innerText;
          return words !== before && /\\d/.test(words); }"""
        self.page.wait_for_function(changed, arg=before, timeout=LONG)
        return str(self.output(len(CELLS) - 1).inner_text(timeout=LONG)).strip()


def click_through(book: Notebook) -> tuple[str, str]:
    """Choose something in each view; the units that were chosen in the browser and on the cards."""
    tile = book.output(0).locator(".fvh-tile")
    unit = str(tile.nth(1).get_attribute("data-unit"))
    tile.nth(1).click(modifiers=["Shift"])
    # the second view of the browser, and the graph that is linked to it, follow
    book.output(1).locator(".fvh-tile[aria-pressed=true]").wait_for(timeout=LONG)
    book.output(3).locator(".fvh-chips button", has_text=unit).wait_for(timeout=LONG)
    book.output(4).get_by_role("tab", name="layer4:2").click()
    book.output(4).locator("h3", has_text="layer4:2").wait_for(timeout=LONG)
    book.output(2).locator(".fvh-glass").first.focus()
    return unit, "layer4:2"


@pytest.mark.browser
def test_all_views_in_one_notebook(
    lab: Any,
    chromium: Any,
    browser: fv.StoreBrowser,
    cards: fv.UnitCards,
    make_atlas: Callable[..., fv.Atlas],
) -> None:
    graph = fv.AttributionGraph.of(["1:3", "logits:0"], [(0, 1)], weight=[1.0], layers=["1", "logits"])
    path = write(lab.folder, {"browser": browser, "amap": make_atlas(9), "graph": graph, "cards": cards})
    context = chromium.new_context(viewport={"width": 1300, "height": 6000})
    address = f"{lab.address}/lab/tree/views.ipynb?token={lab.token}"
    book = Notebook(context, address)
    book.run_all()
    unit, card = click_through(book)
    assert book.says() == f"said: ['{unit}'] ['{unit}'] {card}"
    book.execute("notebook:restart-run-all")
    book.page.locator(".jp-Dialog .jp-mod-accept").click(timeout=LONG)
    book.done(len(CELLS))  # a new kernel counts from one
    unit, _ = click_through(book)  # the new kernel answers as the old one did
    assert unit in book.says()
    assert not book.errors
    book.page.evaluate("async () => { await window.jupyterapp.commands.execute('docmanager:save'); }")
    book.page.close()
    check_saved(path)
    again = Notebook(context, address)  # whose kernel knows nothing of the views
    for cell, view in enumerate(
        (".fvh-browser, .fvh-table", ".fvh-browser, .fvh-table", "img, canvas", "svg, canvas", "img")
    ):
        again.output(cell).locator(view).first.wait_for(timeout=LONG)
    context.close()


def check_saved(path: Path) -> None:
    """Each view lies in the file as a picture too, and takes less than 1 MB."""
    book = json.loads(path.read_text(encoding="utf-8"))
    for cell in book["cells"][:5]:
        data = next(output["data"] for output in cell["outputs"] if "data" in output)
        page = "".join(data["text/html"])
        assert "fvhooks" in page
        assert len(page) < 1_000_000
    states = book["metadata"].get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    for model in states.get("state", {}).values():
        blobs = sum(len(buffer["data"]) for buffer in model.get("buffers", ()))
        plain = {key: value for key, value in model["state"].items() if not key.startswith("_")}
        assert blobs * 0.75 + len(json.dumps(plain)) < 1_000_000
