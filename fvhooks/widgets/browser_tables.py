"""A browser without scripts: the first units of each layer as tables, and cards as far as a budget goes."""

import numpy as np

from fvhooks.browsing.measures import FIRES
from fvhooks.browsing.results import StoreBrowser
from fvhooks.widgets.browser_states import facts_of
from fvhooks.widgets.card import article
from fvhooks.widgets.charts import number
from fvhooks.widgets.markup import Markup, tag, text
from fvhooks.widgets.portions import portion
from fvhooks.widgets.tables import table

ROWS = 12
"""Units of a layer that a table without a script holds."""

_LAYERS = 40
_HTML_GROWTH = 0.7  # base64 makes four characters of three bytes, and there is markup around them


def still(browser: StoreBrowser, budget: int | None) -> list[Markup]:
    """The parts of a page: a heading, a table for each layer, and cards.

    Args:
        browser: what to show.
        budget: in bytes; None for tables alone, which a script then replaces.
    """
    facts = facts_of(browser, kernel=False)
    head = tag("header", tag("h3", text(facts["title"])))
    layers = facts["layers"]
    parts = [head, *[_layer(browser, *about) for about in layers[:_LAYERS]]]
    if len(layers) > _LAYERS:
        parts.append(tag("p", text(f"{len(layers) - _LAYERS} more layers are not shown."), class_="fvh-note"))
    if budget is None:
        return parts
    return [*parts, *_cards(browser, int(budget * _HTML_GROWTH) - sum(map(len, parts)))]


def _layer(browser: StoreBrowser, layer: str, count: int, dead: int) -> Markup:
    statistic = browser.statistics[0]
    shown = list(dict.fromkeys([statistic, FIRES, "highest peak", "median peak"]))
    columns = [browser.values(layer, name) for name in shown]
    lines = [
        tag(
            "tr",
            tag("th", text(unit.id), scope="row"),
            *[tag("td", text(number(float(values[unit.channel])))) for values in columns],
        )
        for unit in browser.sorted_units(layer)[:ROWS]
    ]
    part = f"the first {ROWS} of {count:,} units" if count > ROWS else f"{count} units"
    silent = f", {dead:,} never fire" if dead else ""
    heads = ["Unit", *(name.capitalize() for name in shown)]
    return table(f"{layer}: {part} by {statistic}{silent}", heads, lines)


def _cards(browser: StoreBrowser, left: int) -> list[Markup]:
    cards = browser.cards
    shown: list[Markup] = []
    seeds = [str(seed) for seed in cards.data["seed"].values]
    drawn = cards.data["pictured"].values if "pictured" in cards.data else np.zeros(0, bool)
    for index in np.argsort(~drawn, kind="stable"):
        part = portion(cards, int(index), max(left, 0))
        left -= part.size
        if left < 0 and shown:
            break
        shown.append(article(part, seeds))
    return shown
