"""Pictures while they form: what the browser is sent, and how a real notebook stops them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fvhooks.results import VIEWERS
from fvhooks.synthesis.running.progress import Forming
from fvhooks.widgets import forming as forming_module
from fvhooks.widgets.forming import FormingViewer

CELLS = (
    """import os
import torch
import fvhooks as fv
torch.manual_seed(0)
torch.set_num_threads(1)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 5))
hooked = fv.attach(net, input_shape=(3, 64, 64))
vis = fv.visualize(hooked, hooked.units("2")[:3], "fourier", seeds=2, steps=100000, live=True)
print("kept:", vis.data.flag.values.ravel().tolist(), vis.images.shape)""",
)


def forming(step: int = 3, side: int = 40, **others: Any) -> Forming:
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(step))
    return Forming(["3:1", "3:<b>"], [0, 4], images, step, 10, **{"batch": 1, "batches": 2} | others)


def test_the_static_page_shows_every_picture() -> None:
    page = FormingViewer().html(forming())
    assert page.count("<img") == 2
    assert "step 3 of 10, batch 1 of 2" in page
    assert "3:&lt;b&gt;, seed 4" in page


def test_the_view_is_found_by_name() -> None:
    assert isinstance(VIEWERS["forming"], FormingViewer)


def test_updates_come_no_faster_than_they_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("anywidget")
    now = [100.0]
    monkeypatch.setattr(forming_module.time, "monotonic", lambda: now[0])
    widget = FormingViewer().widget(forming())
    seen = []
    for step in range(4, 9):
        now[0] += 0.2
        widget.follow(forming(step))
        seen.append(widget.said.split()[1])
    assert seen == ["4", "4", "4", "7", "7"]
    assert [end - start > 100 for start, end in widget.spans] == [True, True]
    assert widget.names == ["3:1, seed 0", "3:<b>, seed 4"]
    assert widget.share == pytest.approx(0.35)


def test_the_end_is_shown_however_soon_it_comes() -> None:
    pytest.importorskip("anywidget")
    widget = FormingViewer().widget(forming())
    widget.follow(forming(9))
    widget.follow(forming(10, batch=2))
    assert widget.finished
    assert widget.said == "finished: step 10 of 10, batch 2 of 2"
    widget = FormingViewer().widget(forming())
    widget.follow(forming(4, stopping=True))
    assert widget.said.startswith("stopped at step 4")


def test_many_large_pictures_stay_within_a_notebooks_budget() -> None:
    pytest.importorskip("anywidget")
    many = Forming(["a:1"] * 300, [0] * 300, torch.rand(300, 3, 128, 128), 1, 2, 1, 1)
    widget = FormingViewer().widget(many)
    assert 500_000 < len(widget.blobs) < 1_000_000
    assert 20 < len(widget.spans) < 300


@pytest.fixture
def page(lab: Any, chromium: Any) -> Iterator[Any]:
    """A notebook in JupyterLab whose cell makes pictures for minutes."""
    nbformat = pytest.importorskip("nbformat")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, lab.folder / "live.ipynb")
    context = chromium.new_context(viewport={"width": 1100, "height": 1000})
    page = context.new_page()
    page.goto(f"{lab.address}/lab/tree/live.ipynb?token={lab.token}", timeout=120_000)
    page.wait_for_selector("text=(ipykernel) | Idle", timeout=120_000)
    yield page
    context.close()


@pytest.mark.browser
def test_jupyterlab_shows_pictures_as_they_form_and_stops_keeping_them(page: Any, tmp_path: Path) -> None:
    stops: list[Callable[[], None]] = [
        lambda: page.get_by_role("button", name="Stop, keep the pictures").click(),
        lambda: page.get_by_title("Interrupt the kernel").click(),
    ]
    for number, stop in enumerate(stops):
        page.locator(".jp-Notebook .jp-Cell").first.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        view = page.locator(".jp-OutputArea-output .fvhooks").filter(has_not_text="stopped at")
        view.wait_for(timeout=120_000)
        first = _step(view)
        page.wait_for_function(
            "(step) => document.querySelector('.fvhooks .fvh-subtitle').textContent.split(' ')[1] > step",
            arg=first,
            timeout=60_000,
        )
        assert view.locator("img").count() == 6
        assert view.locator("img").first.evaluate("(img) => img.decode().then(() => img.naturalWidth)") == 64
        page.screenshot(path=tmp_path / f"live-{number}.png")
        stop()
        said = page.locator(".jp-OutputArea-output", has_text="kept:")
        said.wait_for(timeout=60_000)
        assert re.search(r"(.stopped at step \d+.[,\]]\s?){6}\(3, 2, 3, 64, 64\)", said.inner_text())
        stopped = page.locator(".jp-OutputArea-output .fvhooks")
        assert "stopped at step" in stopped.inner_text()
        assert not stopped.locator("button").is_visible()
        page.screenshot(path=tmp_path / f"stopped-{number}.png")


def _step(view: Any) -> int:
    return int(np.int64(view.locator(".fvh-subtitle").inner_text().split()[1]))
