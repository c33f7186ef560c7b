"""What Python sends when the page of a store's browser asks for something."""

from typing import Any

import numpy as np

from fvhooks.browsing.results import StoreBrowser
from fvhooks.errors import FVHooksError
from fvhooks.results import INLINE_BYTES
from fvhooks.units import LOGITS, Unit
from fvhooks.widgets.atlas import atlas_page
from fvhooks.widgets.attribution_graph import graph_page
from fvhooks.widgets.browser_states import MOST_VALUES, column, thumbs
from fvhooks.widgets.encodings import Packer
from fvhooks.widgets.portions import portion

MOST_THUMBS = 12
"""Units whose small pictures one message may ask for, so that the first appear soon."""

_PAGE = 900_000  # bytes of the page of a map or a circuit, the script included
_UNKNOWN = "This view sent something that Python does not know."
_ALONE = "This browser was loaded without its store: open the store and call fv.browse to see more."

Answer = tuple[dict[str, Any], list[bytes]]


def answers(browser: StoreBrowser, message: Any) -> list[Answer]:  # noqa: ANN401 - whatever a browser sends
    """The messages that answer one; each carries less than 1 MB.

    Args:
        browser: what is shown.
        message: `{"type": "column", "layer", "key"}`, `{"type": "thumbs", "units"}`,
            `{"type": "content", "unit"}`, or `{"type": "open", "what": "atlas" or "circuit", "unit"}`.
    """
    kind = message.get("type") if isinstance(message, dict) else None
    if kind == "column":
        return _column(browser, message.get("layer"), message.get("key"))
    units = _asked(kind, message)
    if units is None:
        return [_error(_UNKNOWN)]
    known = set(map(str, browser.data["unit"].values))
    strangers = [unit for unit in units if not isinstance(unit, str) or unit not in known]
    if strangers:
        return [_error(f"This store has no unit {strangers[0]!r}.")]
    try:
        return [_made(browser, str(kind), [Unit.parse(unit) for unit in units], message.get("what"))]
    except FVHooksError as error:
        return [_error(str(error))]


def _made(browser: StoreBrowser, kind: str, units: list[Unit], what: Any) -> Answer:  # noqa: ANN401
    if kind == "thumbs":
        return _thumbs(browser, units)
    return _content(browser, units[0]) if kind == "content" else _opened(browser, units[0], what)


def _asked(kind: Any, message: Any) -> list[Any] | None:  # noqa: ANN401 - whatever a browser sends
    """The units that a message is about; None where it makes no sense."""
    if kind in ("content", "open"):
        return [message.get("unit")]
    units = message.get("units") if kind == "thumbs" else None
    return units if isinstance(units, list) and len(units) <= MOST_THUMBS else None


def _error(words: str) -> Answer:
    return {"type": "error", "text": words}, []


def _column(browser: StoreBrowser, layer: Any, key: Any) -> list[Answer]:  # noqa: ANN401 - whatever a browser sends
    values = column(browser, layer, key) if layer in browser.layers and isinstance(key, str) else None
    if values is None:
        return [_error(_UNKNOWN)]
    about = {"type": "column", "layer": layer, "key": key, "count": len(values)}
    packed = values.astype("<f4")
    starts = range(0, max(1, len(values)), MOST_VALUES)
    return [(about | {"start": at}, [packed[at : at + MOST_VALUES].tobytes()]) for at in starts]


def _thumbs(browser: StoreBrowser, units: list[Unit]) -> Answer:
    packer = Packer()
    if browser.shelf is None:
        return _error(_ALONE)
    found = thumbs(browser.shelf.cards(units, top=1), packer)
    return {"type": "thumbs", "asked": [unit.id for unit in units], "spans": found}, [packer.packed]


def _content(browser: StoreBrowser, unit: Unit) -> Answer:
    kept = browser.cards
    names = [str(name) for name in kept.data["unit"].values]
    if unit.id in names:
        made, index = kept, names.index(unit.id)
    elif browser.shelf is not None:
        made, index = browser.shelf.cards([unit]), 0
    else:
        return _error(_ALONE)
    packer = Packer()
    content = portion(made, index, INLINE_BYTES).pack(packer)
    return {"type": "content", "unit": unit.id, "content": content}, [packer.packed]


def _opened(browser: StoreBrowser, unit: Unit, what: Any) -> Answer:  # noqa: ANN401 - whatever a browser sends
    if browser.shelf is None:
        return _error(_ALONE)
    if what == "atlas":
        words, html = f"Images around {unit.id}", atlas_page(browser.shelf.atlas(unit), _PAGE)
    elif what == "circuit":
        label = _label_of(browser, unit)
        if label is None:
            return _error("A circuit is of a class, and the images of this store have no labels.")
        words = f"Circuit of {browser.shelf.called(str(label))}"
        html = graph_page(browser.shelf.circuit(label), _PAGE, unit.id)
    else:
        return _error(_UNKNOWN)
    return {"type": "opened", "what": what, "unit": unit.id, "title": words}, [html.encode()]


def _label_of(browser: StoreBrowser, unit: Unit) -> int | None:
    """The class whose circuit a unit leads to: its own if it is an output, else its best label."""
    if unit.layer == LOGITS and browser.shelf is not None:
        return browser.shelf.store.label_of_logit(unit.channel)
    if "best_label" not in browser.data:
        return None
    at = int(np.flatnonzero(browser.data["unit"].values == unit.id)[0])
    return int(browser.data["best_label"].values[at])
