"""Which channels of a network feed which: found once by watching a forward pass, and kept as plain data."""

from fvhooks.wiring.calls import Addition, Calls, Weighted
from fvhooks.wiring.plans import Filter, Node, Skip, Wiring
from fvhooks.wiring.tracing import find_wiring
from fvhooks.wiring.votes import InfluenceRule
from fvhooks.wiring.weights import expanded_weights

__all__ = [
    "Addition",
    "Calls",
    "Filter",
    "InfluenceRule",
    "Node",
    "Skip",
    "Weighted",
    "Wiring",
    "expanded_weights",
    "find_wiring",
]
