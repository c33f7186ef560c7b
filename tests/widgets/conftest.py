"""Cards and maps made up for the views, and a headless browser to look at them."""

import base64
import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import fvhooks as fv
from fvhooks.atlases.pyramids import pyramid
from fvhooks.atlases.results import STAGES, Atlas
from fvhooks.synthesis.visualizations import unit_coordinates
from fvhooks.unit_cards import UnitCards
from fvhooks.units import Unit
from fvhooks.widgets.assets import find_asset

CHROMIUM = "/usr/bin/chromium"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
UNITS, SEEDS, TOPS = 3, 2, 4
LABELS, STRATA, NEAR = ("cat", "dog", "ship"), ("top", "random", "negative"), 4
HOSTILE = '<img src=x onerror="window.hacked=1">&"\''


SETTINGS = (
    "--no-browser",
    "--allow-root",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
    "--LabApp.expose_app_in_browser=True",
)


def make_cards(units: int = UNITS, seeds: int = SEEDS, side: int = 80) -> UnitCards:
    """Cards whose numbers are known: the picture of unit u and seed s is plain and reaches 10 (u + 1) + s."""
    names = [Unit("layer4", channel) for channel in range(units)]
    shade = np.add.outer(np.arange(units) * 40, np.arange(seeds) * 15).astype(np.uint8)
    picture = np.broadcast_to(shade[:, :, None, None, None], (units, seeds, 3, side, side)).copy()
    picture[:, :, 0] = 200
    alpha = np.broadcast_to(np.linspace(0, 255, side, dtype=np.uint8), (units, seeds, side, side)).copy()
    own = 10.0 * np.arange(1, units + 1)[:, None] + np.arange(seeds)
    across, pairs = ("unit", "top"), ("unit", "check")
    words = np.array([f"image {rank}" for rank in range(TOPS)], dtype=object)
    verdicts = np.array([["contradicted", "not contradicted"]] * units, dtype=object)
    data: dict[str, Any] = {
        "picture": (("unit", "seed", "rgb", "y", "x"), picture),
        "alpha": (("unit", "seed", "y", "x"), alpha),
        "own": (("unit", "seed"), own),
        "exceeds": (("unit", "seed"), np.full((units, seeds), 0.5)),
        "note": ("unit", np.full(units, "", dtype=object)),
        "histogram": (("unit", "bin"), np.tile(np.array([1, 4, 2]), (units, 1))),
        "edge": (("unit", "edges"), np.tile(np.array([0.0, 10.0, 20.0, 40.0]), (units, 1))),
        "natural_images": ("unit", np.full(units, 7)),
        "top_image": (
            ("unit", "top", "rgb", "ty", "tx"),
            np.full((units, TOPS, 3, 32, 32), 90, np.uint8),
        ),
        "top_value": (across, np.tile(np.array([4.0, 3.0, 2.0, np.nan]), (units, 1))),
        "top_y": (across, np.full((units, TOPS), 0.25)),
        "top_x": (across, np.full((units, TOPS), 0.75)),
        "cell_y": ("unit", np.full(units, 0.5)),
        "cell_x": ("unit", np.full(units, 0.5)),
        "top_id": (across, np.tile(words, (units, 1))),
        "top_label": (across, np.full((units, TOPS), HOSTILE, dtype=object)),
        "verdict": (pairs, verdicts),
        "reason": (
            pairs,
            np.full((units, 2), "an interval from 0.4 to 0.6 and a limit of 0.3", dtype=object),
        ),
        **{
            name: (pairs, np.full((units, 2), value))
            for name, value in (("value", 0.5), ("low", 0.4), ("high", 0.6))
        },
        "limit": (pairs, np.full((units, 2), 0.3)),
        "family": ("check", np.array(["off_path", "off_path"], dtype=object)),
    }
    coords = {
        **unit_coordinates(names),
        "seed": np.arange(seeds),
        "check": ["path_similarity", "activation_gap"],
    }
    return UnitCards(xr.Dataset(data, coords=coords, attrs={"recipe": "fourier"}))


@pytest.fixture
def cards() -> UnitCards:
    return make_cards()


def colour_of(item: int) -> tuple[int, int, int]:
    """The plain colour of an item's picture: no two of a thousand alike, far enough apart for JPEG."""
    return (item % 10) * 24 + 12, (item // 10 % 10) * 24 + 12, (item // 100 % 10) * 24 + 12


SCORES = {"histogram": ("bin", np.array([4, 7, 2, 1])), "edges": ("edge", np.linspace(0, 1, 5))}
OF_UNITS = {"form": "layer", "score": "selectivity for one label", "verified": 5, "largest_difference": 2e-7}


def peaks_of(n: int, held: int) -> dict[str, Any]:
    """Peaks of `n` units: of unit u from u − 2 to 3 u + 2; from `held` on they never fire."""
    order = np.arange(n)
    fires = order < held
    low, high = np.where(fires, order - 2.0, 0), np.where(fires, 3 * order + 2.0, 0)
    return {
        "histogram": (("cell", "bin"), np.where(fires[:, None], order[:, None] + [0, 3, 2, 1], [9, 0, 0, 0])),
        "lowest": ("cell", low),
        "highest": ("cell", high),
        "activation": ("cell", low + 0.75 * (high - low)),  # as where it is of one split only
    }


def make_atlas(
    n: int,
    *,
    images: int = 16,
    strip: int = 0,
    labels: bool = True,
    units: bool = False,
    seed: int = 0,
    **changes: Any,
) -> Atlas:
    """A map of `n` items in reading order; `strip` of them, the last, lie below the grid.

    Args:
        n: items.
        images: side of their plain pictures; 0 for none.
        strip: how many never fire.
        labels: whether there are classes and strata.
        units: whether the items are units of a layer, each with peaks of its own, not images around a unit.
        seed: of places and scores.
        changes: variables in place of those made here.
    """
    rng = np.random.default_rng(seed)
    held = n - strip
    columns = max(1, int(np.ceil(np.sqrt(held))))
    rows = -(-held // columns) if held else 0
    order = np.arange(n)
    row, col = order // columns, order % columns
    row[held:] = rows + 1 + np.arange(strip) // columns
    col[held:] = np.arange(strip) % columns
    score = np.linspace(1, 0, n) if n else np.zeros(0)
    near = (order[:, None] + np.arange(1, NEAR + 1)) % max(n, 1)
    near[near == order[:, None]] = -1
    none = np.full(n, "", dtype=object)
    data: dict[str, Any] = {
        "row": row,
        "col": col,
        "x": np.clip((col + 0.5) / columns + rng.normal(0, 0.02, n), 0, 1),
        "y": np.clip((row + 0.5) / max(rows, 1) + rng.normal(0, 0.02, n), 0, 1),
        "in_strip": order >= held,
        "score": score,
        "size": 1 + np.round(3 * score),
        "label": np.array([LABELS[one % 3] for one in order], dtype=object) if labels else none,
        "index": order,
        "stratum": np.array([STRATA[one % 3] for one in order], dtype=object) if labels else none,
        "source": np.array(["synthetic" if one % 7 == 3 else "data" for one in order], dtype=object),
        "flag": np.array(
            ["below the 99th percentile" if one % 21 == 3 else "" for one in order], dtype=object
        ),
        "density": rng.random(n),
        "displacement": rng.gamma(1.0, 2.0, n),
        "trust": rng.random(n),
    } | changes
    made: dict[str, Any] = {name: ("cell", values) for name, values in data.items()}
    made["neighbours"] = (("cell", "neighbour"), near.reshape(n, NEAR))
    made |= peaks_of(n, held) if units else SCORES
    made["gain"] = (("stage", "k"), np.array([[0.3, 0.4], [0.2, 0.3], [0.0, -0.01]]))
    made["stability"] = ("k", np.array([0.25, 0.35]))
    if images:
        plain = np.array([colour_of(one) for one in order], np.uint8).reshape(n, 3, 1, 1)
        made["image"] = (("cell", "rgb", "py", "px"), np.broadcast_to(plain, (n, 3, images, images)))
    cells = np.stack([row, col], 1)[:held]
    for level, (medoid, count) in enumerate(pyramid(cells, (rows, columns)), 1):
        made[f"medoid_{level}"] = ((f"row_{level}", f"col_{level}"), medoid)
        made[f"count_{level}"] = ((f"row_{level}", f"col_{level}"), count)
    ids = [f"item{one:04d}" for one in order]
    attrs = {
        "title": "A made-up map",
        "form": "unit",
        "grid": (rows, columns),
        "layer": "layer3",
        "unit": "layer3:5",
    }
    attrs |= OF_UNITS if units else {}
    attrs |= {"seed": seed, "parameters": {"layout": "pca", "lambda": 0.25}}
    coords = {"id": ("cell", np.array(ids, dtype=object)), "stage": list(STAGES), "k": [10, 20]}
    return Atlas(xr.Dataset(made, coords=coords, attrs=attrs))


@pytest.fixture(name="make_atlas", scope="session")
def make_atlas_fixture() -> Callable[..., Atlas]:
    return make_atlas


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless browser; skips where there is none."""
    if shutil.which(CHROMIUM) is None:
        pytest.skip(f"no browser at {CHROMIUM}")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


PAGE = """<!doctype html><html lang=en><meta charset=utf-8><style>%(css)s</style><div id=root></div>
<script type=module>
import view from "/card.js";
const state = %(state)s, listeners = {};
state.blobs = new DataView(Uint8Array.from(atob("%(blobs)s"), (c) => c.charCodeAt(0)).buffer);
const emit = (name, ...args) => (listeners[name] ?? []).slice().forEach((listen) => listen(...args));
window.sent = []; window.saved = 0; window.listeners = listeners; window.emit = emit;
window.model = {
  get: (name) => state[name],
  set(name, value) { if (state[name] !== value) { state[name] = value; emit(`change:${name}`); } },
  save_changes() { window.saved += 1; },
  on(name, listen) { (listeners[name] ??= []).push(listen); },
  off(name, listen) { listeners[name] = (listeners[name] ?? []).filter((other) => other !== listen); },
  send(message) { window.sent.push(message); },
};
window.cleanup = view.render({ model: window.model, el: document.getElementById("root") });
</script></html>"""


@dataclass
class Mounted:
    """A page that shows a widget, and what went wrong on it."""

    page: Any
    widget: Any
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def state(self, name: str) -> Any:
        return self.page.evaluate("(name) => window.model.get(name)", name)


@pytest.fixture
def mount(chromium: Any) -> Iterator[Any]:
    """`mount(cards, dark=…)` shows the live card with a stand-in for the notebook's model."""
    contexts, mounted = [], []

    def show(cards: UnitCards, *, dark: bool = False, widget: Any = None) -> Mounted:
        widget = cards.widget if widget is None else widget
        names = ("unit", "seed", "faded", "units", "seeds", "thumbs", "loaded")
        state = json.dumps({name: getattr(widget, name) for name in names}).replace("</", "<\\/")
        body = PAGE % {
            "css": find_asset("card.css").read_text(encoding="utf-8"),
            "state": state,
            "blobs": base64.b64encode(widget.blobs).decode(),
        }
        context = chromium.new_context(
            viewport={"width": 1000, "height": 900}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        seen = Mounted(context.new_page(), widget)
        mounted.append(seen)

        def serve(route: Any) -> None:
            path = route.request.url.removeprefix("http://cards.test")
            if path == "/card.js":
                route.fulfill(body=find_asset("card.js").read_bytes(), content_type="text/javascript")
            elif path == "/":
                route.fulfill(body=body, content_type="text/html")
            elif path == "/favicon.ico":
                route.fulfill(status=204)
            else:
                seen.strangers.append(route.request.url)
                route.abort()

        seen.page.route("**/*", serve)
        seen.page.on("console", lambda message: seen.errors.append(message.text))
        seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
        seen.page.goto("http://cards.test/")
        seen.page.wait_for_selector("article.fvh-card > *")
        return seen

    yield show
    for context in contexts:
        context.close()
    for seen in mounted:
        assert not seen.errors
        assert not seen.strangers


@dataclass
class Lab:
    """A running JupyterLab and the folder that it serves."""

    address: str
    folder: Path
    token: str


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/login", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"JupyterLab did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    pytest.importorskip("jupyterlab")
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    folder, port, log = tmp_path / "notebooks", _free_port(), tmp_path / "lab.log"
    token = secrets.token_hex(16)
    monkeypatch.setenv("JUPYTER_TOKEN", token)
    folder.mkdir()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "jupyter", "lab", *SETTINGS]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}"]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            _wait_for(address, process, log)
            yield Lab(address, folder, token)
        finally:
            process.terminate()
            process.wait(30)


HELD, DEAD = 40, 39


class Squares:
    """Twenty-four images of 16 × 16 with one bright square each, red in one label and green in the other."""

    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = torch.full((3, 16, 16), 0.1)
        row, column = 4 * (index % 4), 4 * (index // 4 % 4)
        image[index % 2, row : row + 3, column : column + 3] = 0.3 + index / 40
        return image, index % 2


@pytest.fixture(scope="session")
def hooked() -> fv.HookedModel:
    """A layer "1" of 40 channels, whose last one never fires, and two outputs."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, HELD, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(HELD * 64, 2)
    ).eval()
    with torch.no_grad():
        net[0].bias.fill_(0.3)  # type: ignore[union-attr, operator]
        net[0].bias[DEAD] = -100  # type: ignore[index, operator]
    return fv.attach(net, input_shape=(3, 16, 16))


@pytest.fixture(scope="session")
def store(hooked: fv.HookedModel, tmp_path_factory: pytest.TempPathFactory) -> fv.Store:
    path = tmp_path_factory.mktemp("browsed") / "stats.zarr"
    return fv.collect(hooked, Squares(), path, layers=["1"], show_progress=False)


@pytest.fixture(scope="session")
def browsed(store: fv.Store, hooked: fv.HookedModel) -> fv.StoreBrowser:
    """A browser of it, with pictures of two units."""
    pictures = np.full((2, 2, 3, 16, 16), 0.5)
    vis = fv.as_visualizations([fv.Unit("1", 3), fv.Unit("1", 5)], pictures)
    return fv.browse(store, vis, hooked=hooked, names={0: "red", 1: "<b>green</b>"})


@pytest.fixture
def browser(browsed: fv.StoreBrowser) -> fv.StoreBrowser:
    """The same, in which nothing was chosen or opened yet."""
    assert browsed.shelf is not None
    return fv.StoreBrowser(browsed.data, replace(browsed.shelf, opened=[]))


LIVE = """<!doctype html><html lang=en><meta charset=utf-8><title>views</title><style>%(css)s</style>
<main></main><script type=module>
import view from "/view.js";
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const state = %(state)s, listeners = {};
state.blobs = bytes("%(blobs)s");
const emit = (name, ...args) => (listeners[name] ?? []).slice().forEach((listen) => listen(...args));
let changed = {};
window.sent = []; window.listeners = listeners;
window.model = {
  get: (name) => state[name],
  set(name, value) {
    if (state[name] === value) return;
    state[name] = changed[name] = value;
    emit(`change:${name}`);
  },
  save_changes() { const said = changed; changed = {}; window.pushed(said); },
  on(name, listen) { (listeners[name] ??= []).push(listen); },
  off(name, listen) { listeners[name] = (listeners[name] ?? []).filter((other) => other !== listen); },
  async send(message) {
    window.sent.push(message);
    const answers = await window.asked(message);
    for (const [content, buffers] of answers) emit("msg:custom", content, buffers.map(bytes));
  },
};
window.show = () => {
  const el = document.createElement("div");
  document.querySelector("main").append(el);
  const end = view.render({ model: window.model, el });
  return () => { end(); el.remove(); };
};
window.first = window.show();
window.ready = true;
</script></html>"""


@dataclass
class Live:
    """A page that shows a widget, whose Python half answers and is told what is chosen."""

    page: Any
    widget: Any
    errors: list[str] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)  # bytes of each answer
    forgiven: str = "nothing"  # what errors may say

    def asked(self, message: Any) -> list[Any]:
        """What the widget sends for a message."""
        found: list[Any] = []
        self.widget.send = lambda content, buffers=(): found.append((content, buffers))
        self.widget._answer(self.widget, message, [])
        self.answered += [len(json.dumps(one)) + sum(map(len, buffers)) for one, buffers in found]
        return [[one, [base64.b64encode(part).decode() for part in buffers]] for one, buffers in found]

    def pushed(self, changes: dict[str, Any]) -> None:
        for name, value in changes.items():
            setattr(self.widget, name, value)


@pytest.fixture
def live(chromium: Any) -> Iterator[Callable[..., Live]]:
    """`live(widget, dark=…)` shows any live view with its Python half behind it, and no network."""
    contexts, shown = [], []

    def show(widget: Any, *, dark: bool = False, width: int = 1000) -> Live:
        names = [name for name in widget.traits(sync=True) if not name.startswith("_")]
        names = [name for name in names if name not in ("blobs", "layout", "tabbable", "tooltip", "comm")]
        kind = {"BrowserWidget": "store_browser", "GraphWidget": "attribution_graph"}
        file = kind.get(type(widget).__name__, type(widget).__name__.removesuffix("Widget").lower())
        body = LIVE % {
            "css": find_asset(f"{file}.css").read_text(encoding="utf-8"),
            "state": json.dumps({name: getattr(widget, name) for name in names}).replace("</", "<\\/"),
            "blobs": base64.b64encode(widget.blobs).decode(),
        }
        scheme = "dark" if dark else "light"
        context = chromium.new_context(viewport={"width": width, "height": 1100}, color_scheme=scheme)
        contexts.append(context)
        seen = Live(context.new_page(), widget)
        shown.append(seen)
        files = {
            "/": (body, "text/html"),
            "/view.js": (find_asset(f"{file}.js").read_text(encoding="utf-8"), "text/javascript"),
        }

        def serve(route: Any) -> None:
            path = route.request.url.removeprefix("http://views.test")
            if path in files:
                route.fulfill(body=files[path][0], content_type=files[path][1])
            elif path == "/favicon.ico":
                route.fulfill(status=204)
            else:
                seen.errors.append(route.request.url)
                route.abort()

        seen.page.route("**/*", serve)
        seen.page.expose_function("asked", seen.asked)
        seen.page.expose_function("pushed", seen.pushed)
        seen.page.on("console", lambda message: seen.errors.append(message.text))
        seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
        seen.page.goto("http://views.test/")
        seen.page.wait_for_function("window.ready")
        return seen

    yield show
    for context in contexts:
        context.close()
    assert not [error for seen in shown for error in seen.errors if seen.forgiven not in error]
