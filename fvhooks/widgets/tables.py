"""Tables of verdicts, the same on a card and in a report."""

from collections.abc import Sequence

from fvhooks.widgets.facts import Check
from fvhooks.widgets.markup import Markup, join, tag, text

SYMBOLS = {"contradicted": "✕", "inconclusive": "?", "not contradicted": "○"}
"""A shape beside each verdict's words, so that colour is never the only sign."""


def verdict(words: str) -> Markup:
    """A verdict as words, a shape and a colour."""
    symbol = tag("span", text(SYMBOLS.get(words, "–")), class_="fvh-symbol", aria_hidden="true")
    return tag("span", symbol, text(words), class_="fvh-verdict", data_verdict=words)


def table(
    caption: str, heads: Sequence[str], rows: Sequence[Markup], *, hide_caption: bool = False
) -> Markup:
    """A table with a caption and headed columns, which scrolls by itself where it is too wide."""
    titles = join(*[tag("th", text(head), scope="col") for head in heads])
    named = tag("caption", text(caption), class_="fvh-hidden" if hide_caption else None)
    body = tag("table", named, tag("thead", tag("tr", titles)), tag("tbody", *rows), class_="fvh-table")
    return tag("div", body, class_="fvh-scroll")


def audit_table(checks: Sequence[Check]) -> Markup:
    """The audit of one unit."""
    heads = ("Check", "Question", "Value [interval]", "Verdict")
    return table("Audit of the picture", heads, [_row(check) for check in checks], hide_caption=True)


def _row(check: Check) -> Markup:
    return tag(
        "tr",
        tag("th", text(check["check"]), scope="row"),
        tag("td", text(check["family"])),
        tag("td", text(check["numbers"]), class_="fvh-number"),
        tag("td", verdict(check["verdict"])),
    )
