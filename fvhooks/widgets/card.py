"""The unit card: as static HTML, and live in Jupyter."""

from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from fvhooks.dependencies import require
from fvhooks.results import INLINE_BYTES, LIVE_BYTES, VIEWERS
from fvhooks.unit_cards import UnitCards
from fvhooks.widgets.assets import find_asset
from fvhooks.widgets.badges import badge_row
from fvhooks.widgets.charts import draw
from fvhooks.widgets.encodings import Packer, encode
from fvhooks.widgets.facts import Facts, Top
from fvhooks.widgets.linked import is_unit
from fvhooks.widgets.markup import Markup, data_uri, join, page, tag, text
from fvhooks.widgets.portions import Portion, portion
from fvhooks.widgets.tables import audit_table

_THUMB_SIDE = 48
_MAX_THUMBS = 200  # about 1.5 kB each; beyond that the row of units shows names alone
_HTML_GROWTH = 0.75  # base64 makes four characters of three bytes


class CardViewer:
    """Shows `UnitCards`."""

    def html(self, result: UnitCards, budget: int | None = None) -> str:
        """All cards one below the other; those beyond the budget are named."""
        units = [str(name) for name in result.data["unit"].values]
        shown: list[Markup] = []
        left = None if budget is None else int(budget * _HTML_GROWTH)
        for index in range(len(units)):
            part = portion(result, index, left)
            if left is not None:
                left -= part.size
                if left < 0 and shown:
                    break
            shown.append(article(part, [str(seed) for seed in result.data["seed"].values]))
        return page("card.css", "Unit cards", *shown, _rest(units[len(shown) :]))

    def widget(self, result: UnitCards) -> Any | None:  # noqa: ANN401 - an anywidget
        """The live card; None where anywidget is not installed."""
        return live_card(result) if find_spec("anywidget") is not None else None


VIEWERS.register(UnitCards.kind)(CardViewer())


def live_card(cards: UnitCards, budget: int = LIVE_BYTES) -> Any:  # noqa: ANN401 - an anywidget
    """The cards as a widget whose `unit`, `seed` and `faded` follow what is clicked, and can be set.

    The first units travel with it, as many as fit into the budget; the others come when they are chosen.

    Args:
        cards: what to show.
        budget: how many bytes the widget's state may take in a notebook.
    """
    units = [str(name) for name in cards.data["unit"].values]
    seeds = [int(seed) for seed in cards.data["seed"].values]
    loaded: dict[str, Any] = {}
    packer, words = Packer(), 0
    thumbs = [packer.add(encode(_thumb(cards, index), _THUMB_SIDE)) for index in range(len(units))]
    if len(units) > _MAX_THUMBS:
        packer, thumbs = Packer(), []
    for index, unit in enumerate(units):
        part = portion(cards, index, budget - packer.size - words if index == 0 else budget)
        if loaded and packer.size + words + part.size > budget:
            break
        before = packer.size
        loaded[unit] = part.pack(packer)
        words += part.size - (packer.size - before)
    state = {"units": units, "seeds": seeds, "thumbs": thumbs, "loaded": loaded, "blobs": packer.packed}
    return _widget_class()(cards=cards, unit=units[0], seed=seeds[0], **state)


@cache
def _widget_class() -> type[Any]:
    anywidget = require("anywidget", feature="the live unit card", extra="jupyter")
    traitlets = require("traitlets", feature="the live unit card", extra="jupyter")

    class CardWidget(anywidget.AnyWidget):  # type: ignore[misc]
        """Unit cards in the browser; `unit` and `seed` are what is chosen there."""

        _esm = find_asset("card.js")
        _css = find_asset("card.css")
        unit = traitlets.Unicode().tag(sync=True)
        seed = traitlets.Int().tag(sync=True)
        faded = traitlets.Bool().tag(sync=True)
        units = traitlets.List(traitlets.Unicode()).tag(sync=True)
        seeds = traitlets.List(traitlets.Int()).tag(sync=True)
        thumbs = traitlets.List().tag(sync=True)
        loaded = traitlets.Dict().tag(sync=True)
        blobs = traitlets.Bytes().tag(sync=True)

        def __init__(self, cards: UnitCards, **state: Any) -> None:  # noqa: ANN401
            self._cards = cards
            super().__init__(**state)
            self.on_msg(self._answer)

        @traitlets.validate("unit", "seed")  # type: ignore[untyped-decorator]
        def _known(self, proposal: Any) -> Any:  # noqa: ANN401
            name, value = proposal["trait"].name, proposal["value"]
            known = self._cards.data[name].values
            if value in known:
                return value
            if name == "unit" and is_unit(value):  # another view's, which this one may follow
                return value
            message = f"Expected a {name} of these cards ({', '.join(map(str, known[:8]))}), got {value!r}."
            raise traitlets.TraitError(message)

        def _answer(self, _widget: Any, message: Any, _buffers: Any) -> None:  # noqa: ANN401
            content, buffers = answer(self._cards, message)
            self.send(content, buffers)

    return CardWidget


def answer(cards: UnitCards, message: Any) -> tuple[dict[str, Any], list[bytes]]:  # noqa: ANN401
    """What Python sends when the browser asks for a unit that did not travel with the widget."""
    unit = message.get("unit") if isinstance(message, dict) else None
    units = [str(name) for name in cards.data["unit"].values]
    if not isinstance(unit, str) or unit not in units:
        return {"type": "error", "text": f"These cards have no unit {unit!r}."}, []
    packer = Packer()
    content = portion(cards, units.index(unit), INLINE_BYTES).pack(packer)
    return {"type": "content", "unit": unit, "content": content}, [packer.packed]


def _thumb(cards: UnitCards, index: int) -> np.ndarray:
    return np.asarray(cards.data["picture"].isel(unit=index, seed=0).values)


def article(part: Portion, seeds: list[str]) -> Markup:
    """One card without scripts."""
    facts = part.facts
    left = tag(
        "div",
        _gallery(part, seeds),
        badge_row(facts["badges"]),
        _toggle() if part.masks else None,
        class_="fvh-left",
    )
    right = tag("div", _heading("Natural activations"), _natural(facts), class_="fvh-right")
    return tag(
        "article",
        tag("header", tag("h3", text(facts["id"])), tag("p", text(facts["subtitle"]), class_="fvh-subtitle")),
        tag("div", left, right, class_="fvh-body"),
        _strip(facts["tops"], part.tops),
        _audit(facts),
        *[tag("p", text(note), class_="fvh-note") for note in facts["notes"]],
        class_="fvh-card",
        aria_label=facts["id"],
    )


def _gallery(part: Portion, seeds: list[str]) -> Markup:
    if not part.pictures:
        return tag("p", text("No picture was made of this unit."), class_="fvh-phrase")
    figures = []
    for place, (seed, encoded) in enumerate(zip(seeds, part.pictures, strict=True)):
        mask = f"--fvh-mask:url({data_uri(part.masks[place])})" if part.masks else None
        look = [name for name, on in (("fvh-pixelated", part.facts["pixelated"]), ("fvh-masked", mask)) if on]
        alt = f"What {part.facts['id']} looks for, seed {seed}"
        image = tag("img", src=data_uri(encoded), alt=alt, class_=" ".join(look) or None, style=mask)
        named = tag("figcaption", text(f"seed {seed}")) if len(seeds) > 1 else None
        figures.append(tag("figure", tag("div", image, class_="fvh-frame"), named))
    return tag("div", *figures, class_="fvh-gallery")


def _toggle() -> Markup:
    return tag("label", tag("input", type="checkbox"), text("Fade what did not matter"), class_="fvh-toggle")


def _heading(words: str) -> Markup:
    return tag("h4", text(words))


def _natural(facts: Facts) -> Markup:
    chart = draw(facts["histogram"]) if facts["histogram"] is not None else None
    return join(
        chart,
        *[tag("p", text(words), class_="fvh-phrase") for words in (facts["natural"], *facts["phrases"])],
    )


def _audit(facts: Facts) -> Markup | None:
    return join(_heading("Audit"), audit_table(facts["checks"])) if facts["checks"] else None


def _strip(tops: list[Top], pictures: list[bytes]) -> Markup | None:
    if not tops:
        return None
    items = [_top(top, pictures[rank] if pictures else None) for rank, top in enumerate(tops)]
    return join(_heading("Real images that activate it most"), tag("ol", *items, class_="fvh-tops"))


def _top(top: Top, encoded: bytes | None) -> Markup:
    about = f"{top['label']} {top['id']}".strip()
    picture = None
    if encoded is not None:
        where = ", with an outline where the unit fired" if top["box"] else ""
        image = tag("img", src=data_uri(encoded), alt=f"Image {about}{where}")
        picture = tag("span", image, _outline(top["box"]), class_="fvh-thumb")
    value = tag("span", text(top["value"]), class_="fvh-value")
    return tag(
        "li", picture, value, tag("span", text(top["label"] or top["id"]), class_="fvh-label"), title=about
    )


def _outline(box: tuple[float, float, float, float] | None) -> Markup | None:
    if box is None:
        return None
    names = ("top", "left", "height", "width")
    style = ";".join(f"{name}:{100 * share:.2f}%" for name, share in zip(names, box, strict=True))
    return tag("span", class_="fvh-outline", style=style)


def _rest(units: list[str]) -> Markup | None:
    if not units:
        return None
    names = ", ".join(units[:12]) + (" …" if len(units) > 12 else "")
    words = f"{len(units)} more on the page that to_html(path) writes: {names}."
    return tag("p", text(words), class_="fvh-note")
