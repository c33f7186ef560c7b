"""Two graphs side by side: what they share, where they part."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.errors import MissingInputError

_TAKEN_APART = ("score", "share", "importance", "by_activation")
_OF_BOTH = ("edges", "which", "ranking", "selection", "rule")


def compare(first: AttributionGraph, second: AttributionGraph) -> AttributionGraph:
    """Both graphs in one, each unit and edge marked by the side that it is on.

    Examples:
        >>> black = AttributionGraph.of(["a:0", "b:1"], [(0, 1)], weight=[1.0], layers=["a", "b"])
        >>> brown = AttributionGraph.of(["a:0", "b:2"], [(0, 1)], weight=[1.0], layers=["a", "b"])
        >>> both = compare(black, brown)
        >>> dict(zip(both.data["unit"].values.tolist(), both.data["side"].values.tolist(), strict=True))
        {'a:0': 0, 'b:1': -1, 'b:2': 1}

    Args:
        first: of one class.
        second: of another, of the same model and kind of edges.

    Returns:
        A graph with `side` of nodes and `edge_side` of edges: −1 of the first alone, 1 of the second alone, 0
        of both. Values of each side are kept under their names with `_first` and `_second`; `score` and
        `weight` are the larger of the two. `attrs["overlap"]` is the Jaccard index of their units by layer.

    Raises:
        MissingInputError: graphs that cannot be compared.
    """
    _check(first, second)
    layers = first.layers if len(first.layers) >= len(second.layers) else second.layers
    nodes = [{str(unit): n for n, unit in enumerate(g.data["unit"].values)} for g in (first, second)]
    rank = {layer: place for place, layer in enumerate(layers)}
    known = {unit.id: unit for graph in (first, second) for unit in graph.units}
    ids = sorted(known, key=lambda name: (rank[known[name].layer], known[name].channel))
    place = {name: number for number, name in enumerate(ids)}
    edges = [_edges(graph) for graph in (first, second)]
    listed = sorted(set(edges[0]) | set(edges[1]), key=lambda ends: (place[ends[1]], place[ends[0]]))
    weights = np.array([[found.get(ends, np.nan) for ends in listed] for found in edges]).reshape(2, -1)
    sides = _side([[name in own for name in ids] for own in nodes])
    described: dict[str, Shaped[np.ndarray, " node"]] = {"side": sides}
    for name in _TAKEN_APART:
        described |= _pair(name, first, second, ids, nodes)
    if "score_first" in described:
        described["score"] = np.fmax(described["score_first"], described["score_second"])
    made = AttributionGraph.of(
        ids,
        [(place[a], place[b]) for a, b in listed],
        weight=_larger(weights),
        layers=layers,
        nodes=described,
        **_about(first, second, units_of=nodes, layers=layers),
    )
    further = {
        "edge_side": ("edge", _side(~np.isnan(weights))),
        "weight_first": ("edge", weights[0]),
        "weight_second": ("edge", weights[1]),
    }
    if "stability" in first.data and "stability" in second.data:
        stable = [_edges(graph, "stability") for graph in (first, second)]
        both = np.array([[found.get(ends, np.nan) for ends in listed] for found in stable]).reshape(2, -1)
        further["stability"] = ("edge", np.fmin(both[0], both[1]))
    return AttributionGraph(made.data.assign(further))


def _check(first: AttributionGraph, second: AttributionGraph) -> None:
    kinds = [g.data.attrs.get("edges") for g in (first, second)]
    if kinds[0] != kinds[1]:
        raise MissingInputError(
            f"Expected graphs with the same kind of edges, got {kinds[0]!r} and {kinds[1]!r}."
        )
    longer, shorter = sorted((first.layers, second.layers), key=len, reverse=True)
    if [layer for layer in longer if layer in shorter] != shorter:
        raise MissingInputError(
            f"Expected two graphs over the same layers, got {first.layers} and {second.layers}."
        )


def _edges(graph: AttributionGraph, name: str = "weight") -> dict[tuple[str, str], float]:
    names = graph.data["unit"].values
    return {
        (str(names[a]), str(names[b])): float(weight)
        for (a, b), weight in zip(graph.pairs, graph.data[name].values, strict=True)
    }


def _side(there: Any) -> Shaped[np.ndarray, " item"]:  # noqa: ANN401 - two rows of yes and no
    one, other = np.asarray(there, dtype=bool).reshape(2, -1)
    return np.asarray(other.astype(np.int64) - one.astype(np.int64))


def _pair(
    name: str,
    first: AttributionGraph,
    second: AttributionGraph,
    ids: list[str],
    nodes: list[dict[str, int]],
) -> dict[str, Float[np.ndarray, " node"]]:
    if name not in first.data or name not in second.data:
        return {}
    found = {}
    for side, graph, places in zip(("first", "second"), (first, second), nodes, strict=True):
        values = graph.data[name].values.astype(np.float64)
        found[f"{name}_{side}"] = np.array([values[places[i]] if i in places else np.nan for i in ids])
    return found


def _larger(weights: Float[np.ndarray, "side edge"]) -> Float[np.ndarray, " edge"]:
    sizes = np.nan_to_num(np.abs(weights))
    return np.take_along_axis(weights, sizes.argmax(0)[None], 0)[0] if weights.size else np.zeros(0)


def _about(
    first: AttributionGraph, second: AttributionGraph, *, units_of: list[dict[str, int]], layers: list[str]
) -> Mapping[str, Any]:
    one, other = first.data.attrs, second.data.attrs
    names = [str(said.get("name", side)) for said, side in ((one, "first"), (other, "second"))]
    overlap = {}
    for layer in layers:
        a, b = ({unit for unit in known if unit.rpartition(":")[0] == layer} for known in units_of)
        overlap[layer] = len(a & b) / len(a | b) if a | b else None
    same = {name: one[name] for name in _OF_BOTH if name in one and one[name] == other.get(name)}
    return {
        **same,
        "first": names[0],
        "second": names[1],
        "name": f"{names[0]} and {names[1]}",
        "sides": names,
        "overlap": overlap,
    }
