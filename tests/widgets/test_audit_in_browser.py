"""The page of an audit, opened from its file in a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv

pytestmark = pytest.mark.browser

UNITS = ["logits:0", "1:2"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> fv.AuditReport:
    """Of a small network, pictures of noise."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2))
    hooked = fv.attach(net.eval(), mean=[0.5] * 3, std=[0.25] * 3, input_shape=(3, 12, 12))
    labels = torch.arange(300) % 2
    images = (0.3 + 0.4 * labels[:, None, None, None] + 0.1 * torch.randn(300, 3, 12, 12)).clamp(0, 1)
    where = tmp_path_factory.mktemp("page") / "stats.zarr"
    store = fv.collect(hooked, TensorDataset(images, labels), where, layers=["1"], show_progress=False)
    pictures = np.random.default_rng(0).random((2, 2, 3, 12, 12), dtype=np.float32)
    vis = fv.as_visualizations([fv.Unit.parse(name) for name in UNITS], pictures)
    return fv.audit(hooked, vis, store, show_progress=False)


@pytest.fixture(params=["light", "dark"])
def shown(
    chromium: Any, report: fv.AuditReport, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Any]:
    """The page, and what the browser complained of or asked for elsewhere."""
    report.to_html(tmp_path / "audit.html")
    context = chromium.new_context(
        viewport={"width": 900, "height": 700}, color_scheme=request.param, offline=True
    )
    page, page_errors = context.new_page(), []
    page.on("pageerror", lambda error: page_errors.append(str(error)))
    page.on("requestfailed", lambda asked: page_errors.append(asked.url))
    page.goto((tmp_path / "audit.html").as_uri())
    yield page
    assert page_errors == []
    context.close()


def test_every_unit_has_its_pictures_and_every_check_its_line(shown: Any, report: fv.AuditReport) -> None:
    checks = [str(name) for name in report.data["check"].values]
    for name in UNITS:
        block = shown.get_by_role("article", name=name)
        pictures = block.locator(".fvh-audit-pictures img")
        assert pictures.count() == 2
        assert pictures.evaluate_all("all => all.map((img) => img.complete && img.naturalWidth)") == [12, 12]
        lines = block.get_by_role("table", name=f"Checks of {name}").locator("tbody tr")
        assert lines.count() == len(checks)
        for at, check in enumerate(checks):
            said = lines.nth(at).inner_text()
            assert check.replace("_", " ") in said
            assert report.verdicts.sel(unit=name, check=check).item() in said


def test_controls_open_and_nothing_is_wider_than_the_page(shown: Any) -> None:
    block = shown.get_by_role("article", name=UNITS[0])
    table = block.get_by_role("table", name=f"Controls of {UNITS[0]}")
    assert not table.is_visible()
    block.locator("summary", has_text="Controls").click()
    assert table.is_visible()
    assert "grey" in table.inner_text()
    assert shown.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
