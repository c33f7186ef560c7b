"""A graph as a table: for readers of screens, and where nothing is drawn."""

import numpy as np

from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.widgets.charts import number
from fvhooks.widgets.graph_facts import verdicts_of
from fvhooks.widgets.graph_rows import rows_of, scores_of, weights_of
from fvhooks.widgets.markup import Markup, tag, text

_HEADS = ("Unit", "Score", "Classes", "Fed by", "Feeds", "Audit")
_NEIGHBOURS = 3


def node_table(graph: AttributionGraph) -> Markup:
    """One line a unit, the highest layer first, the strongest units of each first."""
    rows, scores, data = rows_of(graph), scores_of(graph), graph.data
    order = np.lexsort((data["channel"].values, -scores, rows.row))
    heads = tag("tr", *[tag("th", text(head), scope="col") for head in _HEADS])
    verdicts = verdicts_of(data)
    lines = [_line(graph, int(node), float(scores[node]), verdicts[node]) for node in order]
    caption = tag("caption", text("Units of the graph"), class_="fvh-hidden")
    table = tag("table", caption, tag("thead", heads), tag("tbody", *lines), class_="fvh-table")
    return tag("div", table, class_="fvh-scroll")


def _line(graph: AttributionGraph, node: int, score: float, verdict: str) -> Markup:
    data = graph.data
    classes = float(data["classes"].values[node]) if "classes" in data else np.nan
    cells = [
        number(score),
        number(classes),
        _strongest(graph, node, ("target", "source")),
        _strongest(graph, node, ("source", "target")),
        verdict or "–",
    ]
    named = tag("th", text(data["unit"].values[node]), scope="row")
    return tag("tr", named, *[tag("td", text(cell)) for cell in cells])


def _strongest(graph: AttributionGraph, node: int, ends: tuple[str, str]) -> str:
    """The strongest neighbours on one side, with their weights."""
    weights, data = weights_of(graph), graph.data
    edges = np.flatnonzero(data[ends[0]].values == node)
    edges = edges[np.argsort(-np.abs(weights[edges]), kind="stable")]
    names = data["unit"].values[data[ends[1]].values[edges[:_NEIGHBOURS]]]
    said = [f"{name} ({number(float(weights[e]))})" for name, e in zip(names, edges, strict=False)]
    more = len(edges) - len(said)
    return ", ".join(said) + (f" and {more} more" if more > 0 else "") or "–"
