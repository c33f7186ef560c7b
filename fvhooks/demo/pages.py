"""The demo's `index.html`: what was made, how to read it, and how to go on from here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

import numpy as np
import xarray as xr

from fvhooks.demo.crops import CLASSES
from fvhooks.results import VIEWERS, Result
from fvhooks.unit_cards import UnitCards
from fvhooks.units import Unit
from fvhooks.widgets.encodings import encode
from fvhooks.widgets.markup import Markup, data_uri, join, tag, text

_PAGE = Path(__file__).with_name("page.html")

_NEXT = """\
import fvhooks as fv
from fvhooks.demo import load_network, photographs

hooked = load_network()
store = fv.open_store("stats.zarr", dataset=photographs())
unit = fv.Unit("{layer}", {channel})
store.top_images(unit, k=9)                                    # which real crops move it, and where
pictures = fv.visualize(hooked, [unit], recipe="vital", store=store)
fv.cards(pictures, store, fv.audit(hooked, pictures, store))   # the last line of a notebook cell shows it
"""


@dataclass(frozen=True, eq=False)
class Chapter:
    """Some units of one kind, with what is shown of them.

    Args:
        title: heading of the chapter.
        about: a paragraph below it.
        cards: the units' cards.
        names: what to call each unit.
        slugs: a name for files and anchors, one a unit.
    """

    title: str
    about: str
    cards: UnitCards
    names: Sequence[str]
    slugs: Sequence[str]


def write_page(path: Path, chapters: Sequence[Chapter], facts: dict[str, str], unit: Unit) -> Path:
    """Write a page that needs nothing but itself: no network, no script, no other file.

    Args:
        path: the file.
        chapters: what to show.
        facts: short figures for the top of the page.
        unit: one that the closing example goes on with.
    """
    chapters = [_named(chapter) for chapter in chapters]
    slots = {
        "facts": join(*[_figure(name, value) for name, value in facts.items()]),
        "glances": join(*[_glance(chapter) for chapter in chapters]),
        "chapters": join(*[_cards(chapter) for chapter in chapters]),
        "example": text(_NEXT.format(layer=unit.layer, channel=unit.channel)),
    }
    path.write_text(Template(_PAGE.read_text(encoding="utf-8")).substitute(slots), encoding="utf-8")
    return path


def _named(chapter: Chapter) -> Chapter:
    """The same with words for the numbers that stand for classes and units."""
    data = chapter.cards.data.assign_coords(unit=np.array(chapter.names, dtype=object))
    if "top_label" in data:
        words = [[_class_of(label) for label in row] for row in data["top_label"].values]
        data = data.assign(top_label=(data["top_label"].dims, np.array(words, dtype=object)))
    return replace(chapter, cards=UnitCards(data))


def _class_of(label: str) -> str:
    return CLASSES[int(label)] if str(label).isdigit() else str(label)


def _figure(name: str, value: str) -> Markup:
    return tag("div", tag("dt", text(name)), tag("dd", text(value)))


def _glance(chapter: Chapter) -> Markup:
    data = chapter.cards.data
    items = [
        tag("li", tag("a", _pair(data.isel(unit=place)), _caption(data.isel(unit=place)), href=f"#{slug}"))
        for place, slug in enumerate(chapter.slugs)
    ]
    heading = join(tag("h2", text(chapter.title)), tag("p", text(chapter.about)))
    return join(heading, tag("ul", *items, class_="glance"))


def _pair(unit: xr.Dataset) -> Markup:
    name = str(unit["unit"].item())
    made = tag("img", src=data_uri(encode(unit["picture"].values[0])), alt=f"What {name} looks for")
    if "top_image" not in unit:
        return tag("div", made, tag("span", text("picture")), class_="pair")
    real = tag(
        "img",
        src=data_uri(encode(unit["top_image"].values[0])),
        alt=f"Real crop with the highest activation of {name}",
    )
    return tag("div", made, real, tag("span", text("picture")), tag("span", text("real crop")), class_="pair")


def _caption(unit: xr.Dataset) -> Markup:
    lines = (
        [
            tag(
                "span",
                text(f"{str(check).replace('_', ' ')}: "),
                tag("b", text(verdict), data_verdict=str(verdict)),
                class_="verdict",
            )
            for check, verdict in zip(unit["check"].values, unit["verdict"].values, strict=True)
            if verdict
        ]
        if "verdict" in unit
        else []
    )
    return join(tag("span", text(unit["unit"].item()), class_="name"), *lines)


def _cards(chapter: Chapter) -> Markup:
    shown = [
        tag("div", _html(UnitCards(chapter.cards.data.isel(unit=[place]))), class_="card", id=slug)
        for place, slug in enumerate(chapter.slugs)
    ]
    return join(tag("h2", text(f"{chapter.title}: the cards")), *shown)


def _html(result: Result) -> Markup:
    return Markup(VIEWERS[result.kind].html(result))
