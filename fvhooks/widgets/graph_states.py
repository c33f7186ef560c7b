"""A graph as the browser takes it: lists, and one buffer of numbers and pictures, within a budget."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Shaped

from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.widgets.encodings import Packer, Span
from fvhooks.widgets.graph_classes import classes_of
from fvhooks.widgets.graph_facts import SIDES, detail, heading, optional, verdicts_of
from fvhooks.widgets.graph_rows import Rows, rows_of, scores_of, weights_of
from fvhooks.widgets.tile_sheets import sheet_of

MOST_NODES, MOST_EDGES = 3_000, 10_000
"""What a browser still draws without making anybody wait; of larger graphs the strongest are drawn."""

_THUMBS = 0.6  # of the budget, at most: what remains goes to pictures beside the graph
_SPARE = 4_000  # bytes that a message takes beside what is counted


def drawable(graph: AttributionGraph) -> tuple[AttributionGraph, list[str]]:
    """The graph, or the strongest part of one that is too large to draw, and what was left out in words."""
    nodes, edges = graph.data.sizes["node"], graph.data.sizes["edge"]
    notes = []
    if nodes > MOST_NODES:
        kept = np.sort(np.argsort(-scores_of(graph), kind="stable")[:MOST_NODES])
        place = np.full(nodes, -1)
        place[kept] = np.arange(len(kept))
        inside = (place[graph.pairs] >= 0).all(1)
        data = graph.data.isel(node=kept, edge=np.flatnonzero(inside))
        ends = {end: ("edge", place[data[end].values]) for end in ("source", "target")}
        graph = AttributionGraph(data.assign(ends))
        notes.append(f"The {MOST_NODES:,} units with the highest scores of {nodes:,} are drawn.")
    if graph.data.sizes["edge"] > MOST_EDGES:
        strongest = np.sort(np.argsort(-np.abs(weights_of(graph)), kind="stable")[:MOST_EDGES])
        graph = AttributionGraph(graph.data.isel(edge=strongest))
        notes.append(f"The {MOST_EDGES:,} strongest of {edges:,} edges are drawn.")
    return graph, notes


def state_of(graph: AttributionGraph, budget: int | None = None) -> dict[str, Any]:
    """The traits of a live view.

    Args:
        graph: what to show.
        budget: how many bytes all of it may take; pictures are made smaller until they fit, and those
            beside the graph travel with it for as many units as there is room for, the strongest first.
    """
    graph, notes = drawable(graph)
    rows, packer = rows_of(graph), Packer()
    about = heading(graph) | {"notes": notes, "layers": rows.layers, "nodes": _nodes(graph, rows)}
    about |= {"edges": _edges(graph, packer), "sides": _sides(graph), "atlas": None}
    classes = classes_of(graph, packer)
    words = len(json.dumps([about, classes])) + _SPARE
    left = None if budget is None else budget - packer.size - words
    sheet = sheet_of(graph.data, None if left is None else int(_THUMBS * left))
    if sheet is not None:
        about["atlas"] = sheet.about() | {"span": packer.add(sheet.encoded)}
        about["nodes"]["thumb"] = sheet.place.tolist()
    left = None if budget is None else budget - packer.size - words - len(json.dumps(about["nodes"]["thumb"]))
    loaded = dict(_details(graph, left, packer))
    return {"graph": about, "classes": classes, "loaded": loaded, "blobs": packer.packed}


def pack_numbers(packer: Packer, values: Shaped[np.ndarray, "..."], kind: str) -> Span:
    """Numbers in the buffer, little-endian: "<f4" or "<i4"."""
    return packer.add(np.ascontiguousarray(values).astype(kind).tobytes())


def _nodes(graph: AttributionGraph, rows: Rows) -> dict[str, Any]:
    data, count = graph.data, graph.data.sizes["node"]
    return {
        "unit": [str(name) for name in data["unit"].values],
        "channel": data["channel"].values.tolist(),
        "row": rows.row.tolist(),
        "rank": rows.rank.tolist(),
        "score": scores_of(graph).tolist(),
        "share": _plain(optional(data, "share"), count),
        "classes": _plain(optional(data, "classes"), count),
        "side": _plain(optional(data, "side"), count),
        "verdict": verdicts_of(data),
        "thumb": [-1] * count,
    }


def _plain(values: np.ndarray | None, count: int) -> list[float | None]:
    """Numbers that JSON knows: null for what is not known."""
    if values is None:
        return [None] * count
    return [round(float(value), 6) if np.isfinite(value) else None for value in values]


def _edges(graph: AttributionGraph, packer: Packer) -> dict[str, Any]:
    data = graph.data
    packed: dict[str, Any] = {
        "source": pack_numbers(packer, data["source"].values, "<i4"),
        "target": pack_numbers(packer, data["target"].values, "<i4"),
        "weight": pack_numbers(packer, weights_of(graph), "<f4"),
        "stability": None,
        "side": None,
    }
    if "stability" in data:
        packed["stability"] = pack_numbers(packer, data["stability"].values, "<f4")
    if "edge_side" in data:
        packed["side"] = pack_numbers(packer, data["edge_side"].values, "<i4")
    return packed


def _sides(graph: AttributionGraph) -> list[str] | None:
    """What the two classes of a difference are called; None where the graph is of one."""
    if not {"side", "edge_side"} & set(graph.data.variables):
        return None
    named = [str(name) for name in graph.data.attrs.get("sides", ())]
    return named[:2] if len(named) >= 2 else ["first class", "second class"]


def _details(
    graph: AttributionGraph, budget: int | None, packer: Packer
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What stands beside the graph for as many nodes as there is room for."""
    sides = _sides_for(graph) if budget is None else SIDES[1:2]
    for node in np.argsort(-scores_of(graph), kind="stable"):
        made = detail(graph.data, int(node), sides=sides)
        if budget is not None:
            budget -= made.size
            if budget < 0:
                return
        yield str(graph.data["unit"].values[node]), made.pack(packer)


def _sides_for(graph: AttributionGraph) -> tuple[int, ...]:
    """Smaller pictures for larger graphs, so that a page stays one that can be opened."""
    count = graph.data.sizes["node"]
    return SIDES[:1] if count <= 100 else SIDES[2:3] if count <= 400 else SIDES[5:6]
