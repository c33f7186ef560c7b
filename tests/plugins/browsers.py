"""A headless browser, and pages that show one view each with its Python half behind it."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fvhooks.unit_cards import UnitCards
from fvhooks.widgets.assets import find_asset

CHROMIUM = "/usr/bin/chromium"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


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


LOCAL = ("file:", "data:", "blob:")
OWN = "willReadFrequently"  # what the browser says of the pixels that tests read


@pytest.fixture
def opened_file(chromium: Any) -> Iterator[Any]:
    """`opened_file(path, ready)` opens a page from its file; nothing may go wrong or leave the machine."""
    contexts: list[Any] = []
    errors: list[str] = []

    def show(file: Path, ready: str, *, dark: bool = False, height: int = 1000) -> Any:
        context = chromium.new_context(
            viewport={"width": 1300, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: OWN in message.text or errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(LOCAL) or errors.append(asked.url))
        page.goto(file.as_uri())
        page.wait_for_selector(ready)
        return page

    yield show
    for context in contexts:
        context.close()
    assert not errors


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
