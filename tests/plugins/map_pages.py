"""The map of an atlas in a page: where things lie on it, and how it is moved."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from fvhooks.atlases.results import Atlas
from fvhooks.widgets.assets import find_asset
from fvhooks.widgets.atlas_states import state_of

READY = "canvas.fvh-canvas[data-mix]"
SELECTED = ".fvh-selection > [role=status]"
LIVE = """<!doctype html><meta charset=utf-8><style>%(css)s</style><div id=root></div><script type=module>
const state = %(state)s, listeners = {}; window.state = state; window.asked = [];
state.blobs = new DataView(Uint8Array.from(atob(state.blobs), (c) => c.charCodeAt(0)).buffer);
const emit = (name, ...args) => listeners[name]?.forEach((listen) => listen(...args));
window.model = {
  get: (name) => state[name], save_changes() {}, off() {},
  set(name, value) { state[name] = value; emit(`change:${name}`); },
  on(name, listen) { (listeners[name] ??= []).push(listen); },
  async send(message) {
    window.asked.push(message);
    for (const [content, text] of await window.ask(message)) {
      const bytes = text === null ? null : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      emit("msg:custom", content, bytes === null ? [] : [new DataView(bytes.buffer)]);
    }
  },
};
%(code)s
</script>"""


def view(page: Any) -> tuple[float, float, float]:
    """Where the world lies: x and y of its corner, and pixels a cell."""
    k, x, y = page.locator("svg.fvh-over > g").evaluate(
        "(world) => { const own = new DOMMatrix(world.getAttribute('transform').replaceAll(' ', ','));"
        " const { a, e, f } = new DOMMatrix(world.parentElement.style.transform).multiply(own);"
        " return [a, e, f]; }"
    )
    box = page.locator(".fvh-glass").bounding_box()
    return box["x"] + x, box["y"] + y, k


def point(page: Any, row: float, col: float) -> tuple[float, float]:
    """The middle of a cell in the page."""
    x, y, k = view(page)
    return x + (col + 0.5) * k, y + (row + 0.5) * k


def hover(page: Any, row: float, col: float) -> str:
    page.mouse.move(*point(page, row, col))
    page.wait_for_timeout(80)
    return str(page.locator(".fvh-panel h3").inner_text())


def act(page: Any, name: str, times: int = 1) -> None:
    for _ in range(times):
        page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_timeout(250)


def data_of(page: Any, name: str) -> float:
    return float(page.locator(READY).get_attribute(f"data-{name}"))


def colour_at(page: Any, x: float, y: float) -> list[int]:
    found = page.evaluate(
        """([x, y]) => { const canvas = document.querySelector("canvas.fvh-canvas");
        const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width;
        const at = [(x - box.left) * ratio, (y - box.top) * ratio];
        return [...canvas.getContext("2d").getImageData(...at, 1, 1).data]; }""",
        [x, y],
    )
    return list(found)[:3]


def inside(page: Any) -> list[dict[str, float]]:
    """Boxes of the frames over the map, without those that lie under others."""
    return list(
        page.locator(".fvh-at:not(.fvh-at-under)").evaluate_all(
            "(all) => all.map((one) => ({ look: one.getAttribute('class'), "
            "...one.getBoundingClientRect().toJSON() }))"
        )
    )


def selected(page: Any) -> int:
    words = page.locator(".fvh-selection > [role=status]").inner_text()
    return int(words.split()[0]) if words.endswith("selected") else 0


def live_page(atlas: Atlas, folder: Path, budget: int) -> Path:
    state = state_of(atlas, budget) | {"selected": [], "pinned": []}
    state["blobs"] = b64encode(state["blobs"]).decode()
    code = find_asset("atlas.js").read_text(encoding="utf-8")
    at = code.rindex("export{")
    name = code[at + 7 :].split(" as ")[0]
    code = f"{code[:at]}{name}.render({{ model: window.model, el: document.getElementById('root') }});"
    css = find_asset("atlas.css").read_text(encoding="utf-8")
    file = folder / "live.html"
    file.write_text(LIVE % {"css": css, "state": json.dumps(state), "code": code}, encoding="utf-8")
    return file
