"""Cards in portions that a notebook can carry: a unit each, shrunk where one alone is too large."""

import json
from dataclasses import dataclass
from typing import Any

from fvhooks.unit_cards import UnitCards
from fvhooks.widgets.encodings import Packer, encode, encode_mask
from fvhooks.widgets.facts import Facts, describe, is_pictured, top_ranks

SIDES = (320, 224, 160, 112, 80)
"""Picture sides that are tried, largest first: a card shows 280 pixels."""


@dataclass(frozen=True, slots=True)
class Portion:
    """One unit: its facts and its encoded pictures."""

    facts: Facts
    pictures: list[bytes]
    masks: list[bytes]
    tops: list[bytes]

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        encoded = sum(map(len, (*self.pictures, *self.masks, *self.tops)))
        return encoded + len(json.dumps(self.facts))

    def pack(self, packer: Packer) -> dict[str, Any]:
        """Put the pictures into a buffer, and return the facts with where each picture is."""
        kinds = {"pictures": self.pictures, "masks": self.masks, "tops": self.tops}
        spans = {name: [packer.add(part) for part in parts] for name, parts in kinds.items()}
        return {"facts": self.facts, "spans": spans}


def portion(cards: UnitCards, index: int, limit: int | None) -> Portion:
    """One unit's card, in at most `limit` bytes where shrinking its pictures can achieve that."""
    facts = describe(cards, index)
    if limit is None:
        return _encoded(cards, index, facts, None)
    for side in SIDES:
        made = _encoded(cards, index, facts, side)
        if made.size <= limit:
            break
    return made


def _encoded(cards: UnitCards, index: int, facts: Facts, side: int | None) -> Portion:
    unit = cards.data.isel(unit=index)
    drawn = is_pictured(unit)
    pictures = [encode(picture, side) for picture in unit["picture"].values] if drawn else []
    masks = [encode_mask(alpha, side) for alpha in unit["alpha"].values] if drawn and "alpha" in unit else []
    ranks = top_ranks(unit) if "top_image" in unit else []
    tops = [encode(unit["top_image"].values[rank], side) for rank in ranks]
    return Portion(facts, pictures, masks, tops)
