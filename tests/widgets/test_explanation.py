"""The page of an explanation, in a browser."""

from pathlib import Path

import torch

import fvhooks as fv
from fvhooks.demo import load_network, photographs


def test_the_page_in_a_browser(chromium, tmp_path: Path) -> None:
    hooked, data = load_network(), photographs("held_out")
    store = fv.collect(hooked, data, tmp_path / "s.zarr", layers=["stage2", "stage3"], show_progress=False)
    images = torch.stack([data[place][0] for place in (0, len(data) // 2)])
    found = fv.explain(hooked, None, images, None, store, k=2, steps=2, show_progress=False)
    page = chromium.new_page(viewport={"width": 900, "height": 800})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(found.to_html(tmp_path / "e.html").as_uri())
    assert page.locator(".fvh-carrier").count() == 4
    widths = page.locator("img").evaluate_all("all => all.map(one => one.naturalWidth)")
    assert min(widths) > 0
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    assert page.evaluate("document.documentElement.scrollWidth") <= 900
    page.close()
