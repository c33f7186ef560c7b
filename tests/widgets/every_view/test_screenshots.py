"""Each static view beside a picture of how it looked.

`pytest -n 0 tests/widgets/every_view/test_screenshots.py --take` takes new ones. With other fonts or
another Chromium lines break elsewhere and controls look otherwise: there the pictures say nothing.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fvhooks.results import VIEWERS

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).parent / "screenshots"
WIDTH = 800
CELL = 16  # pixels of a side, whose mean colour is compared
# Two runs on one machine differ nowhere. With a serif font up to 0.7 % of the cells are off by more than 32
# of 255, where lines break as they did; without what `BREAKS` takes away 1.1 % and more,
# or the height differs.
TOLERANCE = 32
FEW = 0.01
HEIGHT = 0.06
BREAKS = {
    "audit_report": "document.querySelector('.fvh-charts').remove()",
    "explanation": "for (const one of document.querySelectorAll('.fvh-examples')) one.remove()",
    "unit_cards": "document.querySelector('.fvh-tops').remove()",
    "attribution_graph": "document.querySelector('.fvh-canvas').remove()",
    "atlas": "document.querySelector('.fvh-canvas').remove()",
    "store_browser": "for (const one of document.querySelectorAll('.fvh-mini img')) one.remove()",
    "forming": "document.querySelector('figure').remove()",
    "visualizations": "document.querySelector('.fvh-sheet').remove()",
    "verification": "document.querySelector('table').remove()",
    "class_map": "document.querySelector('tbody tr').remove()",
}
LETTERS = """() => {
  const pen = document.createElement("canvas").getContext("2d");
  return ["sans-serif", "serif", "monospace"].map((family) => {
    pen.font = `100px ${family}`;
    return pen.measureText("Which units does a class rest on?").width;
  });
}"""
SETTLED = """async () => {
  await document.fonts.ready;
  await Promise.all([...document.images].map((one) => one.decode().catch(() => null)));
  for (let frames = 0; frames < 3; frames += 1) await new Promise((then) => requestAnimationFrame(then));
}"""


@pytest.fixture(scope="module")
def page(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    context = chromium.new_context(
        offline=True, viewport={"width": WIDTH, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    opened = context.new_page()
    seen = {"letters": opened.evaluate(LETTERS), "chromium": int(chromium.version.split(".")[0])}
    path = FOLDER / "taken_with.json"
    if request.config.getoption("--take"):
        path.write_text(json.dumps(seen) + "\n", encoding="utf-8")
    known = json.loads(path.read_text(encoding="utf-8"))
    alike = np.allclose(seen["letters"], known["letters"], rtol=0.005)
    if not alike or seen["chromium"] != known["chromium"]:
        pytest.skip("the pictures were taken with other fonts or another Chromium: take new ones with --take")
    yield opened
    context.close()


def shot(page: Any) -> Image.Image:
    """How the view looks once it looks the same twice: a map paints its tiles as they come."""
    page.evaluate(SETTLED)
    before = b""
    for _ in range(50):
        taken = page.locator(".fvhooks").first.screenshot(animations="disabled", caret="hide")
        if taken == before:
            break
        before = taken
        page.wait_for_timeout(300)
    return Image.open(io.BytesIO(taken)).convert("RGB")


def open_view(page: Any, path: Path, kind: str, result: Any) -> None:
    style = "<style>body{margin:8px;font-family:sans-serif}</style>"
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{kind}</title>{style}"
    path.write_text(f"{head}<main>{VIEWERS[kind].html(result)}</main></html>", encoding="utf-8")
    page.goto(path.as_uri())
    page.locator(".fvhooks").first.wait_for(timeout=60_000)


def cells(picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
    small = picture.resize((size[0] // CELL, size[1] // CELL), Image.Resampling.BOX)
    return np.asarray(small, dtype=float)


def faults(now: Image.Image, then: Image.Image) -> list[str]:
    """What differs by more than other letters would explain; nothing where the two look alike."""
    if now.width != then.width or abs(now.height - then.height) > HEIGHT * then.height:
        return [f"{now.size} instead of {then.size}"]
    off = np.abs(cells(now, then.size) - cells(then, then.size)).max(-1) > TOLERANCE
    return [f"{off.mean():.1%} of the picture looks otherwise"] if off.mean() > FEW else []


@pytest.mark.parametrize("kind", sorted(VIEWERS))
def test_a_view_looks_as_it_did(
    exhibits: dict[str, Any], page: Any, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    open_view(page, tmp_path / f"{kind}.html", kind, exhibits[kind])
    taken, path = shot(page), FOLDER / f"{kind}.png"
    if request.config.getoption("--take"):
        FOLDER.mkdir(exist_ok=True)
        taken.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    with Image.open(path) as kept:
        known = kept.convert("RGB")
    assert faults(taken, known) == []
    page.evaluate(BREAKS[kind])
    assert faults(shot(page), known), "A part was taken away, and nothing was noticed."


def test_the_pictures_are_small_and_of_views_that_there_are() -> None:
    assert {path.stem for path in FOLDER.glob("*.png")} == set(VIEWERS)
    assert max(path.stat().st_size for path in FOLDER.iterdir()) < 150_000
