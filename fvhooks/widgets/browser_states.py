"""A browser of a store as the page takes it: facts, and one buffer of columns and pictures."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from fvhooks.browsing.measures import SELECTIVITY
from fvhooks.browsing.results import StoreBrowser
from fvhooks.unit_cards import UnitCards
from fvhooks.units import LOGITS, Unit
from fvhooks.widgets.encodings import Packer, Span, encode
from fvhooks.widgets.facts import is_pictured
from fvhooks.widgets.portions import portion

THUMB = 72
"""Side of the picture of a unit in a list, in pixels; kept as JPEG, two to three kB each."""

MOST_VALUES = 200_000
"""Numbers of a column that one message carries."""

PAGE_BYTES = 12_000_000
"""How many bytes of columns and cards a page takes along that works without a kernel."""

_AT_FIRST = 4
"""Cards that a live view begins with: it asks for others."""

_COLUMNS, _SPARE = 0.5, 4_000  # a share of a budget; bytes that a message takes beside what is counted


def facts_of(browser: StoreBrowser, *, kernel: bool) -> dict[str, Any]:
    """What is said of layers and statistics.

    Args:
        browser: what to show.
        kernel: whether Python is there to be asked.
    """
    data = browser.data
    layers = data["layer"].values
    names = data.attrs.get("names", {})
    labels = [int(one) for one in data["label"].values] if "class_mean" in data else []
    return {
        "title": f"{data.sizes['unit']:,} units in {len(browser.layers)} layers",
        "kernel": kernel and browser.shelf is not None,
        "layers": [
            [name, int((layers == name).sum()), int(data["dead"].values[layers == name].sum())]
            for name in browser.layers
        ],
        "statistics": browser.statistics,
        "labels": [[label, str(names.get(str(label), f"label {label}"))] for label in labels],
        "columns": {},
        "notes": [],
    }


def state_of(browser: StoreBrowser, budget: int) -> dict[str, Any]:
    """The traits of a live view, which asks for what is left out.

    Args:
        browser: what to show.
        budget: how many bytes all of it may take in a notebook.
    """
    facts, packer = facts_of(browser, kernel=True), Packer()
    chosen = begin(browser)
    words = len(json.dumps(facts)) + _SPARE
    for key in [*browser.statistics, "best label"]:
        _pack_column(browser, chosen["layer"], key, facts, packer, int(_COLUMNS * (budget - words)))
    return _with_cards(browser, facts, packer, budget - words, first=chosen["unit"], most=_AT_FIRST)


def page_state(browser: StoreBrowser, budget: int = PAGE_BYTES) -> dict[str, Any]:
    """The state of a page without a kernel: all columns that fit, and the cards that the result holds."""
    facts, packer = facts_of(browser, kernel=False), Packer()
    keys: list[str] = [*browser.statistics, "best label", *(f"label {one}" for one, _ in facts["labels"])]
    whole = all(
        _pack_column(browser, layer, key, facts, packer, int(_COLUMNS * budget))
        for key in keys
        for layer in browser.layers
    )
    if not whole:
        facts["notes"].append(f"Of more columns than {_COLUMNS * budget / 1e6:.3g} MB the first are here.")
    return _with_cards(browser, facts, packer, budget, first=begin(browser)["unit"])


def begin(browser: StoreBrowser) -> dict[str, Any]:
    """What is chosen at first: a unit that has a picture, else the first of the last inner layer."""
    cards = browser.cards.data
    drawn = cards["pictured"].values if "pictured" in cards else np.zeros(0, bool)
    names = [str(name) for name in cards["unit"].values]
    inner = [layer for layer in browser.layers if layer != LOGITS] or browser.layers
    unit = names[int(np.argmax(drawn))] if drawn.any() else browser.sorted_units(inner[-1])[0].id
    layer = Unit.parse(unit).layer
    return {"unit": unit, "layer": layer, "statistic": browser.statistics[0]}


def column(browser: StoreBrowser, layer: str, key: str) -> np.ndarray | None:
    """The numbers of a layer's units: of a statistic, "best label", or "label 7"; None for another key."""
    if key in browser.statistics:
        return browser.values(layer, key)
    rows = np.flatnonzero(browser.data["layer"].values == layer)
    if "class_mean" not in browser.data:
        return None
    if key == "best label":
        return np.asarray(browser.data["best_label"].values[rows])
    known = {f"label {label}": int(label) for label in browser.data["label"].values}
    return browser.values(layer, SELECTIVITY, label=known[key]) if key in known else None


def thumbs(cards: UnitCards, packer: Packer) -> dict[str, Span]:
    """A small picture of each unit: its own, else of the real image that moves it most."""
    found: dict[str, Span] = {}
    for index, name in enumerate(cards.data["unit"].values):
        picture = _thumb(cards.data.isel(unit=index))
        if picture is not None:
            found[str(name)] = packer.add(encode(picture, THUMB))
    return found


def _thumb(unit: xr.Dataset) -> np.ndarray | None:
    if is_pictured(unit):
        return np.asarray(unit["picture"].values[0])
    if "top_image" not in unit or not np.isfinite(unit["top_value"].values[0]):
        return None
    return np.asarray(unit["top_image"].values[0])


def _pack_column(
    browser: StoreBrowser, layer: str, key: str, facts: dict[str, Any], packer: Packer, limit: int
) -> bool:
    """Put a column into the buffer if it is there and there is room; whether nothing was left out."""
    values = column(browser, layer, key)
    if values is None:
        return True
    packed = values.astype("<f4").tobytes()
    if packer.size + len(packed) > limit:
        return False
    facts["columns"].setdefault(layer, {})[key] = packer.add(packed)
    return True


def _with_cards(
    browser: StoreBrowser,
    facts: dict[str, Any],
    packer: Packer,
    budget: int,
    *,
    first: str,
    most: int | None = None,
) -> dict[str, Any]:
    cards = browser.cards
    names = [str(name) for name in cards.data["unit"].values]
    order = sorted(range(len(names)), key=lambda index: names[index] != first)[:most]
    loaded: dict[str, Any] = {}
    small = thumbs(cards, packer)
    left = budget - packer.size - len(json.dumps(small))
    for index, content, size in _portions(cards, order, packer, left):
        loaded[names[index]] = content
        left -= size
    seeds = [int(seed) for seed in cards.data["seed"].values]
    return {"browser": facts, "loaded": loaded, "thumbs": small, "seeds": seeds, "blobs": packer.packed}


def _portions(
    cards: UnitCards, order: Sequence[int], packer: Packer, left: int
) -> Iterator[tuple[int, dict[str, Any], int]]:
    """Cards for as long as there is room; the first is made small enough."""
    for rank, index in enumerate(order):
        part = portion(cards, index, left)
        if rank and part.size > left:
            return
        left -= part.size
        yield index, part.pack(packer), part.size
