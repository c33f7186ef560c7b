"""Limits that come from networks nobody tampered with, kept with where they come from."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Float

FILE = "clean_networks.json"


@dataclass(frozen=True, slots=True, eq=False)
class CleanLimit:
    """What pictures of clean networks stay below.

    Examples:
        >>> limit = CleanLimit(0.3, "three pictures", np.array([0.1, 0.2, 0.3]))
        >>> limit.p_value(0.9), limit.p_value(0.2)
        (0.25, 0.75)

    Args:
        value: the limit.
        origin: which pictures, of which units of which networks, set it.
        numbers: of all pictures of clean networks that were measured.
    """

    value: float
    origin: str
    numbers: Float[np.ndarray, " picture"]

    def p_value(self, number: float) -> float:
        """The share of pictures of clean networks that reach a number, itself included; NaN for NaN."""
        if np.isnan(number):
            return float("nan")
        return float((1 + (self.numbers >= number).sum()) / (1 + len(self.numbers)))


@cache
def measured() -> dict[str, Any]:
    """Everything that `benchmarks/tampered_limits.py` wrote."""
    known: dict[str, Any] = json.loads((files("fvhooks.reliability") / FILE).read_text(encoding="utf-8"))
    return known


def clean_limit(check: str) -> CleanLimit:
    """The limit of a check of the family "tampered".

    Examples:
        >>> clean_limit("silent_units").origin.startswith("the largest of ")
        True

    Args:
        check: its name.
    """
    found = measured()
    kept = found["checks"][check]
    return CleanLimit(float(kept["limit"]), str(found["origin"]), np.array(kept["numbers"], dtype=float))
