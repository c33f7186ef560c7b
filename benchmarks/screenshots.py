"""The pictures of views on the site, made anew from the demo's network.

    python benchmarks/screenshots.py [NAME …] [--out docs/pictures]

One store is collected, each view is made as its page says, written as a page of its own, and photographed by
headless Chromium at a width of 1,000 pixels, light. Without names all of `VIEWS` are made. Pictures of
trained networks come from the commands that made their numbers; `docs/benchmarks.md` has them.
"""

import argparse
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from lab import ARGUMENTS, CHROMIUM
from PIL import Image
from playwright.sync_api import sync_playwright

import fvhooks as fv
from fvhooks.demo import CLASSES, load_autoencoder, load_network, photographs
from fvhooks.results import Result

WIDTH, TALLEST = 1_000, 1_340
NAMES = dict(enumerate(CLASSES))
QUIET = {"show_progress": False}
SETTLED = """async () => {
  await Promise.all([...document.images].map((one) => one.decode().catch(() => null)));
  for (let frames = 0; frames < 3; frames += 1) await new Promise((then) => requestAnimationFrame(then));
}"""


@dataclass
class Shown:
    """What the views are made of."""

    folder: Path

    @cached_property
    def hooked(self) -> fv.HookedModel:
        return load_network().with_sae("stage3", load_autoencoder())

    @cached_property
    def store(self) -> fv.Store:
        layers = ["stage1", "stage2", "stage3", "stage4"]
        kept = {"sample": True, "influence": True, **QUIET}
        photos, path = photographs("held_out"), self.folder / "stats.zarr"
        fv.collect(self.hooked, photos, path, layers=layers, **kept)
        return fv.collect(self.hooked, photos, path, layers=["stage3/sae"], sample=True, **QUIET)

    @cached_property
    def pictures(self) -> fv.Visualizations:
        units = [fv.Unit.logit(9), fv.Unit("stage4", 7)]
        return fv.visualize(self.hooked, units, store=self.store, seeds=2, **QUIET)

    @cached_property
    def report(self) -> fv.AuditReport:
        return fv.audit(self.hooked, self.pictures, self.store, **QUIET)


def explanation(shown: Shown) -> Result:
    photos = photographs("held_out")
    images = torch.stack([photos[row][0] for row in (0, 320)])
    about = {"layer": "stage3", "k": 3, **QUIET}
    return fv.explain(shown.hooked, fv.relevance.FlowLRP, images, None, shown.store, **about)


def around_a_unit(shown: Shown) -> Result:
    strongest = shown.store.top_of_layer("stage4", k=1)["value"].compute()
    unit = fv.Unit("stage4", int(strongest.argmax("channel").item()))
    return fv.atlas(shown.store, unit=unit, hooked=shown.hooked, names=NAMES, top=60)


def latents(shown: Shown) -> Result:
    return fv.atlas(shown.store, layer="stage3/sae", by="weights", hooked=shown.hooked, names=NAMES)


def averages(shown: Shown) -> Result:
    how = {"hooked": shown.hooked, "names": NAMES, "shape": (5, 5), "steps": 128}
    return fv.atlas(shown.store, layer="stage4", activations=True, **how)


def circuit(shown: Shown) -> Result:
    graph = fv.attribution_graph(shown.store, target=8, names=NAMES, mass=0.1)
    return graph.illustrated(store=shown.store, hooked=shown.hooked)


def cards(shown: Shown) -> Result:
    return fv.cards(shown.pictures, shown.store, shown.report)


def audited(shown: Shown) -> Result:
    return shown.report


def browser(shown: Shown) -> Result:
    return fv.browse(shown.store, shown.pictures, shown.report, shown.hooked, names=NAMES)


VIEWS: dict[str, Callable[[Shown], Result]] = {
    "explanation.jpg": explanation,
    "atlas_unit.webp": around_a_unit,
    "atlas_sae.webp": latents,
    "atlas_activations.webp": averages,
    "circuit.webp": circuit,
    "cards.webp": cards,
    "audit.webp": audited,
    "browser.webp": browser,
}


def photograph(page: Any, result: Result, folder: Path) -> Image.Image:
    """How the view looks once its pictures are there."""
    page.goto(result.to_html(folder / "view.html").as_uri())
    view = page.locator(".fvhooks").first
    view.wait_for()
    page.evaluate(SETTLED)
    glass = page.locator(".fvh-map-view .fvh-glass").first
    if glass.count():  # a map shows the card of the item under the pointer
        box = glass.bounding_box()
        page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.5 * box["height"])
    page.wait_for_timeout(1_000)  # a map paints its tiles as they come
    taken = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    return taken.crop((0, 0, WIDTH, min(taken.height, TALLEST)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(VIEWS))
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    asked = parser.parse_args()
    wanted = asked.names or list(VIEWS)
    if unknown := set(wanted) - set(VIEWS):
        parser.error(f"no picture called {', '.join(sorted(unknown))}; there are {', '.join(VIEWS)}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": WIDTH, "height": 800}, color_scheme="light")
        shown = Shown(Path(folder))
        for name in wanted:
            taken = photograph(page, VIEWS[name](shown), Path(folder))
            taken.save(asked.out / name, quality=82)
            print(f"{asked.out / name}: {taken.width} × {taken.height}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
