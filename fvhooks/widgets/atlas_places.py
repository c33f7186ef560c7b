"""Where a map is looked at from: what its view keeps in Python, and what is taken from there."""

import math
from collections.abc import Mapping
from copy import copy
from typing import Any

from fvhooks.errors import MissingInputError

KEYS = ("x", "y", "across", "grid", "colour")
"""The middle of the window (column, row), the cells across it, on the grid or not, and the colours."""

STATE = ("place", "selected", "pinned")
"""What a view can be brought back to."""


class Stateful:
    """The part of a live map that says what is looked at, and can be told."""

    @property
    def state(self) -> dict[str, Any]:
        """Place, selected and pinned items, as plain values."""
        return {name: copy(getattr(self, name)) for name in STATE}

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        unknown = [name for name in state if name not in STATE]
        if unknown:
            raise MissingInputError(f"Expected a state of {', '.join(STATE)}, got {unknown[0]!r}.")
        with self.hold_trait_notifications():  # type: ignore[attr-defined]  # all of it, or nothing
            for name, value in state.items():
                setattr(self, name, value)


def place_fault(place: Any) -> str:  # noqa: ANN401 - whatever a user or a browser sends
    """What is wrong with a place; empty where nothing is. An empty one is the whole map.

    Args:
        place: `x`, `y`, `across` (cells), `grid` (bool) and `colour` (an overlay's name, or "none").
    """
    if place == {}:
        return ""
    if not isinstance(place, dict) or set(place) != set(KEYS):
        return f"Expected a place as {{{', '.join(KEYS)}}}, or {{}}, got {place!r}."
    for name in ("x", "y", "across"):
        value = place[name]
        known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not known or (name == "across" and value <= 0):
            return f"Expected {name} of a place as a number of cells, got {value!r}."
    if not isinstance(place["grid"], bool) or not isinstance(place["colour"], str):
        return f"Expected grid of a place as a bool and colour as a name, got {place!r}."
    return ""
