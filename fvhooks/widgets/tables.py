"""Tables of verdicts, the same on a card and in a report."""

from collections.abc import Sequence

from fvhooks.widgets.badges import symbol
from fvhooks.widgets.facts import Check
from fvhooks.widgets.markup import Markup, join, tag, text


def check_cells(check: Check, *, head: bool = True) -> list[Markup]:
    """What was asked, what came out, and the verdict with its reason, as cells of a row.

    Args:
        check: one line of an audit.
        head: whether the first cell is the head of its row.
    """
    asked = join(text(check["check"]), tag("small", text(check["family"])))
    return [
        tag("th", asked, scope="row") if head else tag("td", asked),
        tag("td", text(check["numbers"]), class_="fvh-number"),
        tag("td", text(check["limit"]), class_="fvh-number"),
        tag(
            "td", verdict(check["verdict"]), tag("small", text(check["reason"])) if check["reason"] else None
        ),
    ]


def verdict(words: str) -> Markup:
    """A verdict as words, a shape and a colour."""
    return tag("span", symbol(words), text(words), class_="fvh-verdict", data_verdict=words)


def table(
    caption: str, heads: Sequence[str], rows: Sequence[Markup], *, hide_caption: bool = False
) -> Markup:
    """A table with a caption and headed columns, which scrolls by itself where it is too wide."""
    titles = join(*[tag("th", text(head), scope="col") for head in heads])
    named = tag("caption", text(caption), class_="fvh-hidden" if hide_caption else None)
    body = tag("table", named, tag("thead", tag("tr", titles)), tag("tbody", *rows), class_="fvh-table")
    return tag("div", body, class_="fvh-scroll")


CHECK_HEADS = ("Check", "Value [interval]", "Limit", "Verdict")
"""Titles of `check_cells`."""


def audit_table(checks: Sequence[Check]) -> Markup:
    """The audit of one unit."""
    rows = [tag("tr", *check_cells(check)) for check in checks]
    return table("Audit of the picture", CHECK_HEADS, rows, hide_caption=True)
