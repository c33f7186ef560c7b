"""Every page of the site as a notebook, run in a real JupyterLab by headless Chromium.

    python benchmarks/notebooks.py FOLDER [PAGE …] [--clicks 40]

Of each notebook: all cells run and none fails, the console says no error, nothing is asked of another host,
each view paints, every control of it is clicked (the first 40 of a view, where it has more), and it is still
there afterwards. Then the notebook is saved with the state of its views, its kernel is ended, and it is
opened again: each view has its pictures, though the new kernel knows nothing of them. Told are the largest
message from the kernel and the largest state of a view in the file; neither may be larger than 1 MB. `FOLDER`
holds the notebooks and, under `pictures`, each view as it was painted, clicked and opened again.
"""

import argparse
import importlib.util
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import ARGUMENTS, CHROMIUM, PATIENCE, Book, Lab, jupyterlab
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
MOST = 1_000_000
STATES = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
BAR = "%|"  # of a progress bar of some other library
PAINTED = """(cell) => {
  const place = document.querySelectorAll(".jp-Notebook .jp-Cell")[cell]?.querySelector(".jp-OutputArea");
  const views = [...(place?.querySelectorAll(".fvhooks") ?? [])].filter((one) => one.offsetParent !== null);
  // a picture that a view would ask its kernel for has no source yet
  const whole = (one) => one.loading === "lazy" || one.src === "" || (one.complete && one.naturalWidth > 0);
  const done = (view) => {
    const { width, height } = view.getBoundingClientRect();
    const seen = [...view.querySelectorAll("img")].filter((one) => one.offsetParent !== null);
    const drawn = view.querySelector("img, canvas, svg, table, li");
    return width > 100 && height > 20 && drawn !== null && seen.every(whole);
  };
  return views.length > 0 && views.every(done);
}"""
CLICK = """async ([cell, most]) => {
  const tried = new WeakSet();
  const place = document.querySelectorAll(".jp-Notebook .jp-Cell")[cell].querySelector(".jp-OutputArea");
  const next = () => [...place.querySelectorAll(".fvhooks :is(button, select, summary, [role=tab], input)")]
    .find((one) => !tried.has(one) && !one.disabled && one.offsetParent !== null);
  let clicked = 0;
  for (let control = next(); control !== undefined && clicked < most; control = next()) {
    tried.add(control);
    clicked += 1;
    if (control.tagName === "SELECT") {
      control.selectedIndex = control.options.length - 1;
      control.dispatchEvent(new Event("change", { bubbles: true }));
    } else if (["range", "search", "text"].includes(control.type)) {
      control.value = control.type === "range" ? control.max : "1";
      control.dispatchEvent(new Event("input", { bubbles: true }));
      control.dispatchEvent(new Event("change", { bubbles: true }));
    } else control.click();
    await new Promise((then) => setTimeout(then, 60));
  }
  return clicked;
}"""


@dataclass
class Found:
    """What became of a notebook."""

    name: str
    seconds: float = 0.0
    views: int = 0
    clicks: int = 0
    message: int = 0
    kind: str = ""
    state: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        said = f"| {self.name} | {self.views} | {self.clicks} | {self.seconds:.0f} s |"
        sizes = f"{self.message / 1e3:.0f} kB ({self.kind}) | {self.state / 1e3:.0f} kB"
        return f"{said} {sizes} | {'; '.join(self.faults) or 'none'} |"


def write_notebooks(folder: Path, pages: list[Path]) -> list[Path]:
    """What `docs/notebooks.py` makes of the pages, each in a folder of its own."""
    spec = importlib.util.spec_from_file_location("fvhooks_notebooks", ROOT / "docs" / "notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    every = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    written: list[Path] = made.write(folder, pages or every)
    return [_alone(path) for path in written]


def _alone(path: Path) -> Path:
    """Move a notebook into a folder of its own: what the cells of one write is no other's."""
    place = path.with_suffix("")
    place.mkdir(exist_ok=True)
    return path.replace(place / path.name)


def views_of(book: dict[str, Any]) -> list[int]:
    """Which cells show a view of fvhooks."""

    def shows(cell: dict[str, Any]) -> bool:
        found = [output.get("data", {}) for output in cell.get("outputs", ())]
        return any(
            (VIEW in data and BAR not in "".join(data.get("text/plain", "")))
            or 'class="fvhooks' in "".join(data.get("text/html", ""))
            for data in found
        )

    return [at for at, cell in enumerate(book["cells"]) if shows(cell)]


def largest_state(book: dict[str, Any]) -> int:
    """Bytes of the largest view in a saved notebook: its script, its styles and all that it knows."""
    states = book["metadata"].get("widgets", {}).get(STATES, {}).get("state", {})
    return max((len(json.dumps(model)) for model in states.values()), default=0)


def failures(book: dict[str, Any]) -> list[str]:
    outputs = [output for cell in book["cells"] for output in cell.get("outputs", ())]
    return [f"{one['ename']}: {one['evalue']}" for one in outputs if one["output_type"] == "error"]


def painted(book: Book, cells: list[int], found: Found, when: str, pictures: Path) -> None:
    """Wait until the views of some cells are there, and keep how they look."""
    for cell in cells:
        try:
            book.page.wait_for_function(PAINTED, arg=cell, timeout=PATIENCE / 10)
        except Exception as error:  # noqa: BLE001 - playwright's own, and all of them are told
            found.faults.append(f"cell {cell} {when}: {str(error).splitlines()[0]}")
            continue
        view = book.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".fvhooks").first
        view.screenshot(path=pictures / f"{found.name}-{cell}-{when}.png")


def settle(book: Book) -> None:
    """Until the kernel has answered what the clicks asked for."""
    book.page.wait_for_timeout(500)
    book.page.wait_for_selector("text=(ipykernel) | Idle", timeout=PATIENCE)
    book.page.wait_for_timeout(500)


def walk(lab: Lab, context: Any, path: Path, clicks: int) -> Found:
    """Run, click, save, and open a notebook again."""
    found, start = Found(path.stem), time.perf_counter()
    pictures = path.parents[1] / "pictures"
    address = f"{path.stem}/{path.name}"
    book = Book(context, lab.of(address))
    book.run_all()
    book.save()
    ran = json.loads(path.read_text(encoding="utf-8"))
    cells = views_of(ran)
    found.views, found.faults = len(cells), failures(ran)
    painted(book, cells, found, "painted", pictures)
    found.seconds = time.perf_counter() - start
    for cell in cells:
        found.clicks += int(book.page.evaluate(CLICK, [cell, clicks]))
        settle(book)
    painted(book, cells, found, "clicked", pictures)
    book.save()
    book.page.close()
    found.message, found.kind = book.largest()
    found.state = largest_state(json.loads(path.read_text(encoding="utf-8")))
    lab.stop_kernels()
    again = Book(context, lab.of(address))
    painted(again, cells, found, "again", pictures)
    again.page.close()
    lab.stop_kernels()
    found.faults += [*book.errors, *again.errors]
    sizes = {"a message": found.message, "a state": found.state}
    found.faults += [f"{what} of {size:,} bytes" for what, size in sizes.items() if size > MOST]
    return found


def walk_all(browser: Any, folder: Path, pages: list[Path], clicks: int = 40) -> list[Found]:
    """What became of each page's notebook, told as they are done."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    paths, every = write_notebooks(folder, pages), []
    with tempfile.TemporaryDirectory() as own, jupyterlab(folder, Path(own)) as lab:
        for path in paths:
            context = browser.new_context(viewport={"width": 1300, "height": 1600})
            every.append(walk(lab, context, path, clicks))
            context.close()
            print(every[-1], flush=True)
    return every


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "pages", type=Path, nargs="*", help="Markdown files; by default every page of the site"
    )
    parser.add_argument("--clicks", type=int, default=40, help="of each view")
    asked = parser.parse_args()
    if absent := [str(page) for page in asked.pages if not page.is_file()]:
        parser.error(f"no such page: {', '.join(absent)}; name files, such as docs/guide/scale.md")
    print("| notebook | views | clicks | until painted | largest message | largest state | faults |")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        every = walk_all(browser, asked.folder.resolve(), asked.pages, asked.clicks)
        browser.close()
    faulty = [found.name for found in every if found.faults]
    said = f"{len(every)} notebooks, {sum(found.views for found in every)} views, "
    print(f"{said}{sum(found.clicks for found in every)} clicks; faults in {', '.join(faulty) or 'none'}")
    raise SystemExit(bool(faulty))


if __name__ == "__main__":
    main()
