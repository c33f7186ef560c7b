"""Badges: what an audit says of a picture, in words and shapes, small enough to ride on it."""

from collections.abc import Iterable
from typing import TypedDict

import xarray as xr

from fvhooks.widgets.markup import Markup, tag, text

SYMBOLS = {"contradicted": "✕", "inconclusive": "?", "not contradicted": "○"}
"""A shape beside each verdict's words, so that colour is never the only sign."""
CLAIMS = {"off_path": "path", "tampered": "network"}
"""What each family of checks is in doubt of; short, since pictures are narrow."""


class Badge(TypedDict):
    """One family's verdict on the pictures of one unit."""

    claim: str
    verdict: str


def badges_of(unit: xr.Dataset) -> list[Badge]:
    """The badges of one unit, from its `family_verdict` (kind); none where it was not audited."""
    if "family_verdict" not in unit:
        return []
    said = zip(unit["kind"].values, unit["family_verdict"].values, strict=True)
    return [
        {"claim": CLAIMS.get(str(kind), str(kind).replace("_", " ")), "verdict": str(verdict)}
        for kind, verdict in said
        if verdict
    ]


def symbol(words: str) -> Markup:
    """A verdict's shape, which readers of the words are spared."""
    return tag("span", text(SYMBOLS.get(words, "–")), class_="fvh-symbol", aria_hidden="true")


def badge_row(badges: Iterable[Badge]) -> Markup | None:
    """The badges of one unit, one below the other; None where there are none."""
    items = [
        tag("li", symbol(badge["verdict"]), text(f"{badge['claim']}: {badge['verdict']}"),
            class_="fvh-badge", data_verdict=badge["verdict"])
        for badge in badges
    ]  # fmt: skip
    return tag("ul", *items, class_="fvh-badges", aria_label="Audit") if items else None
