"""Fifty times into a page and out again: what each view leaves behind."""

from collections.abc import Callable
from typing import Any

import pytest

from fvhooks.results import VIEWERS

pytestmark = pytest.mark.browser

RENDERS = 50
LEAK = RENDERS // 2  # a view that keeps one node of itself keeps one each time
COUNT = """() => {
  const listening = new Map(), waiting = new Set(), watching = new Set();
  const wide = (target) => target === window || target === document || target === document.body || target instanceof MediaQueryList;
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  const key = (type, listen, options) => `${type} ${Boolean(options?.capture ?? options)}`;
  EventTarget.prototype.addEventListener = function (type, listen, options) {
    const target = this ?? window;
    if (wide(target) && listen) {
      const known = listening.get(listen) ?? listening.set(listen, new Set()).get(listen);
      known.add(key(type, listen, options));
    }
    return addEventListener.call(target, type, listen, options);
  };
  EventTarget.prototype.removeEventListener = function (type, listen, options) {
    const known = listening.get(listen);
    known?.delete(key(type, listen, options));
    if (known?.size === 0) listening.delete(listen); // else what looks on would keep the view
    return removeEventListener.call(this ?? window, type, listen, options);
  };
  const awaited = (start, stop, name) => {
    const [begin, end] = [window[start].bind(window), window[stop].bind(window)];
    window[start] = (run, ...rest) => {
      const id = begin((...told) => { if (name !== "every") waiting.delete(name + id); run(...told); }, ...rest);
      waiting.add(name + id);
      return id;
    };
    window[stop] = (id) => { waiting.delete(name + id); end(id); };
  };
  window.frame = requestAnimationFrame.bind(window); // for what looks on
  awaited("requestAnimationFrame", "cancelAnimationFrame", "frame");
  awaited("setTimeout", "clearTimeout", "timeout");
  awaited("setInterval", "clearInterval", "every");
  for (const name of ["ResizeObserver", "IntersectionObserver", "MutationObserver"]) {
    const { observe, disconnect } = window[name].prototype;
    window[name].prototype.observe = function (...told) { watching.add(this); return observe.apply(this, told); };
    window[name].prototype.disconnect = function () { watching.delete(this); return disconnect.call(this); };
  }
  const urls = new Set();
  const { createObjectURL, revokeObjectURL } = URL;
  URL.createObjectURL = (blob) => { const url = createObjectURL.call(URL, blob); urls.add(url); return url; };
  URL.revokeObjectURL = (url) => { urls.delete(url); revokeObjectURL.call(URL, url); };
  const sum = (sets) => [...sets].reduce((total, one) => total + one.size, 0);
  window.left = () => ({
    listeners: sum(listening.values()), waiting: [...waiting].length, observers: watching.size, urls: urls.size,
    model: Object.values(window.listeners ?? {}).flat().length, nodes: document.querySelectorAll("*").length,
  });
}"""  # noqa: E501
# Every other time the cell has no size yet, as in a notebook that is still drawn. Some views stay for two
# frames; some go in the middle of what their controls began.
RENDER = """async (times) => {
  const main = document.querySelector("main");
  const frames = async (count) => {
    for (; count > 0; count -= 1) await new Promise((then) => window.frame(then));
  };
  const stir = () => { // all but what writes a file, whose address lives for a second
    for (const one of main.querySelectorAll("details, input[type=range], select, button")) {
      if (one.matches("details")) one.open = true;
      else if (one.matches("button")) { if (!/CSV|Download/.test(one.textContent)) one.click(); }
      else {
        if (one.matches("input")) one.value = one.max; else one.selectedIndex = one.options.length - 1;
        one.dispatchEvent(new Event("input", { bubbles: true }));
        one.dispatchEvent(new Event("change", { bubbles: true }));
      }
    }
  };
  for (let at = 0; at < times; at += 1) {
    main.hidden = at % 2 === 1;
    const end = window.show();
    if (at % 10 === 0) await frames(2);
    if (at % 10 === 4) { await frames(2); stir(); }
    end();
  }
  main.hidden = false;
  return window.left();
}"""
PLAIN = """<!doctype html><html lang=en><title>view</title><main></main></html>"""
SHOW = """(page) => {
  window.show = () => {
    const el = document.createElement("div");
    el.append(document.createRange().createContextualFragment(page));
    document.querySelector("main").append(el);
    return () => el.remove();
  };
}"""


def kept(page: Any) -> dict[str, float]:
    """What the browser still holds once its garbage is collected, nodes outside the document included."""
    asked = page.context.new_cdp_session(page)
    asked.send("Performance.enable")
    for _ in range(2):
        asked.send("HeapProfiler.collectGarbage")
    found = {one["name"]: one["value"] for one in asked.send("Performance.getMetrics")["metrics"]}
    asked.detach()
    return {name: found[name] for name in ("Nodes", "JSEventListeners", "Documents")}


def stays_clean(page: Any) -> None:
    page.evaluate(COUNT)
    page.evaluate(RENDER, 10)  # the first ones fill what the browser keeps once
    page.wait_for_timeout(500)
    before, held = page.evaluate("window.left()"), kept(page)
    page.evaluate(RENDER, RENDERS)
    assert finally_none(page, lambda: more(page.evaluate("window.left()"), before)) == {}
    assert finally_none(page, lambda: more(kept(page), held, LEAK)) == {}


def more(now: dict[str, float], then: dict[str, float], least: float = 0) -> dict[str, float]:
    """What has grown by more than so many."""
    return {name: value - then[name] for name, value in now.items() if value - then[name] > least}


def finally_none(page: Any, look: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What is left once pictures that were being read when their view went are done with."""
    for _ in range(40):
        if not (found := look()):
            break
        page.wait_for_timeout(250)
    return found


@pytest.mark.parametrize("kind", sorted(VIEWERS))
def test_fifty_views_leave_nothing_behind(
    exhibits: dict[str, Any], live: Any, chromium: Any, kind: str
) -> None:
    widget = VIEWERS[kind].widget(exhibits[kind])
    if widget is None:
        page = chromium.new_page()
        page.set_content(PLAIN)
        page.evaluate(SHOW, VIEWERS[kind].html(exhibits[kind], 1_000_000))
        stays_clean(page)
        page.close()
        return
    shown = live(widget)
    shown.forgiven = "ERR_FILE_NOT_FOUND"  # pictures are taken away while they are still read
    shown.page.evaluate("window.first()")
    shown.page.evaluate("window.asked = async () => []")
    stays_clean(shown.page)


def test_every_view_is_among_them(exhibits: dict[str, Any]) -> None:
    assert set(exhibits) == set(VIEWERS)


LEAKS = """
  window.addEventListener("resize", () => el);
  matchMedia("(width > 1px)").addEventListener("change", () => el);
  new ResizeObserver(() => el).observe(el);
  setTimeout(() => el, 1e6);
  const turn = () => requestAnimationFrame(turn);
  turn();
  URL.createObjectURL(new Blob(["x"]));
  el.addEventListener("click", () => el);
  (window.all ??= []).push(el);
"""


def test_each_kind_of_leak_is_seen(chromium: Any) -> None:
    page = chromium.new_page()
    page.set_content(PLAIN)
    page.evaluate(COUNT)
    page.evaluate(SHOW, "<p>words</p>")
    leaking = """(words) => {
      const [{ show }, leaks] = [window, new Function("el", words)];
      window.show = () => {
        const end = show();
        leaks(document.querySelector("main").lastChild);
        return end;
      };
    }"""
    page.evaluate(leaking, LEAKS)
    before, held = page.evaluate("window.left()"), kept(page)
    after = page.evaluate(RENDER, RENDERS)
    grown = {name for name in after if after[name] - before[name] >= RENDERS}
    assert grown == {"listeners", "waiting", "observers", "urls"}
    assert more(kept(page), held, LEAK).keys() == {"Nodes", "JSEventListeners"}
    page.close()
