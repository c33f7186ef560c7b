"""Circuits: which units a class rests on, and which of them feed which."""

from fvhooks.circuits.ablations import margin_change
from fvhooks.circuits.attribution import attribution_graph
from fvhooks.circuits.choices import GraphOptions
from fvhooks.circuits.class_maps import ClassMap, class_map
from fvhooks.circuits.comparison import compare
from fvhooks.circuits.contributions import RelevanceOptions
from fvhooks.circuits.edge_lists import from_edges
from fvhooks.circuits.edges import EDGES, Evidence, PairEdges, Question
from fvhooks.circuits.exchange import from_json, from_networkx
from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.circuits.ranking import pagerank
from fvhooks.circuits.selection import Selection
from fvhooks.circuits.verification import Verification
from fvhooks.circuits.voting import Rule, class_votes

__all__ = [
    "EDGES",
    "AttributionGraph",
    "ClassMap",
    "Evidence",
    "GraphOptions",
    "PairEdges",
    "Question",
    "RelevanceOptions",
    "Rule",
    "Selection",
    "Verification",
    "attribution_graph",
    "class_map",
    "class_votes",
    "compare",
    "from_edges",
    "from_json",
    "from_networkx",
    "margin_change",
    "pagerank",
]
