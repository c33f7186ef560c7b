"""Edges that any circuit tool found, as a graph."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Shaped

from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.errors import MissingInputError, ShapeError
from fvhooks.units import Unit

_ENDS = (("source", "target"), ("from", "to"), ("src", "dst"), ("upstream", "downstream"))
_WEIGHTS = ("weight", "score", "attribution", "value")

End = Unit | str | tuple[str, int]
Edge = tuple[End, End] | tuple[End, End, float] | tuple[End, End, Mapping[str, Any]]


def from_edges(
    edges: Iterable[Any] | pd.DataFrame,
    /,
    *,
    layers: Sequence[str] | None = None,
    nodes: Mapping[str, Mapping[str, Any]] | None = None,
    known: Mapping[str, int] | None = None,
    **attributes: Any,  # noqa: ANN401
) -> AttributionGraph:
    """A graph from edges that any circuit tool found, to draw it with pictures on its nodes.

    Examples:
        >>> graph = from_edges([("block0:3", "block1:5", 0.7), ("block0:4", "block1:5", -0.2)])
        >>> graph.layers, graph.data["weight"].values.tolist()
        (['block0', 'block1'], [0.7, -0.2])

    Args:
        edges: (source, target), with a weight or attributes behind it where there are some; or a table with
            such columns. An end is an id such as "layer3:7", a `Unit`, or (layer, channel).
        layers: the rows, the lowest first; else in the order of the edges.
        nodes: what is known of each unit, by id; units without edges too.
        known: how many channels each layer has, such as `{name: hooked.layout(name).channels}`; to refuse
            units that the model does not have.
        **attributes: what the graph says of itself.

    Raises:
        MissingInputError: ends that are no units, units that are not known, edges in a circle, no weight.
    """
    listed = [_edge(edge) for edge in (_rows_of(edges) if isinstance(edges, pd.DataFrame) else edges)]
    ids = list(dict.fromkeys([*(nodes or {}), *(end.id for edge in listed for end in edge[:2])]))
    units = [as_unit(name) for name in ids]
    _check_known(units, known)
    rows = _ordered([unit.layer for unit in units], listed, layers)
    place = {name: number for number, name in enumerate(ids)}
    facts = sorted({name for _, _, more in listed for name in more} - {"weight"})
    made = AttributionGraph.of(
        ids,
        [(place[source.id], place[target.id]) for source, target, _ in listed],
        weight=[float(more.get("weight", 1.0)) for _, _, more in listed],
        layers=rows,
        nodes=_node_facts(ids, nodes or {}),
        **{"edges": "given"} | attributes,
    )
    taken = set(map(str, made.data.variables))
    further = {
        f"edge_{name}" if name in taken else name: (
            "edge",
            _column([more.get(name) for _, _, more in listed]),
        )
        for name in facts
    }
    return AttributionGraph(made.data.assign(further))


def _edge(given: Any) -> tuple[Unit, Unit, dict[str, Any]]:  # noqa: ANN401 - what a user gives
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        raise ShapeError(
            f"Expected an edge to be (source, target) or (source, target, weight), got {given!r}."
        )
    source, target = as_unit(given[0]), as_unit(given[1])
    more = given[2] if len(given) == 3 else {}
    facts = (
        {str(name): value for name, value in more.items()} if isinstance(more, Mapping) else {"weight": more}
    )
    try:
        weight = float(facts.get("weight", 1.0))
    except (TypeError, ValueError):
        weight = np.nan
    if not np.isfinite(weight):
        raise MissingInputError(
            f"Expected a finite weight of the edge {source.id} to {target.id}, got {facts.get('weight')!r}."
        )
    return source, target, facts


def as_unit(end: Any) -> Unit:  # noqa: ANN401 - what a user gives
    """A unit, its id, or (layer, channel), as a unit."""
    if isinstance(end, Unit):
        return end
    try:
        if isinstance(end, str):
            return Unit.parse(end)
        layer, channel = end
        return Unit(str(layer), int(channel))
    except (TypeError, ValueError) as error:
        raise MissingInputError(
            f"Expected a unit such as 'layer3:7', Unit('layer3', 7) or ('layer3', 7), got {end!r}."
        ) from error


def _rows_of(table: pd.DataFrame) -> list[Edge]:
    """The edges of a table, by the names that tools give its columns."""
    columns = [str(name) for name in table.columns]
    ends = next((pair for pair in _ENDS if set(pair) <= set(columns)), None)
    if ends is None:
        raise MissingInputError(
            f"Expected columns 'source' and 'target', and perhaps 'weight', got {columns}."
        )
    weight = next((name for name in _WEIGHTS if name in columns), None)
    rest = [name for name in columns if name not in (*ends, weight)]
    found: list[Edge] = []
    for row in table.to_dict("records"):
        facts: dict[str, Any] = {name: row[name] for name in rest}
        found.append(
            (row[ends[0]], row[ends[1]], facts | ({} if weight is None else {"weight": row[weight]}))
        )
    return found


def _check_known(units: Sequence[Unit], known: Mapping[str, int] | None) -> None:
    if known is None:
        return
    wrong = [unit for unit in units if unit.channel >= known.get(unit.layer, 0)]
    if wrong:
        one = wrong[0]
        has = f"{known[one.layer]} channels" if one.layer in known else f"none of the layers {list(known)}"
        raise MissingInputError(
            f"{len(wrong)} of {len(units)} units are not in the model, such as {one.id!r}: it has {has}."
        )


def _ordered(
    layers: Sequence[str], edges: Sequence[tuple[Unit, Unit, Any]], given: Sequence[str] | None
) -> list[str]:
    """The rows from the lowest up: as given, or so that every edge points upwards."""
    below: dict[str, set[str]] = {layer: set() for layer in dict.fromkeys(layers)}
    for source, target, _ in edges:
        below[target.layer].add(source.layer)
    if given is not None:
        rank = {layer: place for place, layer in enumerate(given)}
        missing = [layer for layer in below if layer not in rank]
        if missing:
            raise MissingInputError(f"Expected units of the layers {list(given)}, got some of {missing}.")
        wrong = [(low, high) for high, lows in below.items() for low in lows if rank[low] >= rank[high]]
        if wrong:
            raise MissingInputError(
                f"Expected edges from lower layers to higher ones, got one from {wrong[0][0]!r} to "
                f"{wrong[0][1]!r} with the layers in the order {list(given)}."
            )
        return list(given)
    rows: list[str] = []
    while below:
        free = [layer for layer, lows in below.items() if lows <= set(rows)]
        if not free:
            raise MissingInputError(
                f"The edges run in a circle through the layers {sorted(below)}: a graph is drawn from the "
                "lowest layer up. Leave out the edges that lead back, or name each pass as its own layer."
            )
        rows.append(free[0])
        del below[free[0]]
    return rows


def _node_facts(
    ids: Sequence[str], nodes: Mapping[str, Mapping[str, Any]]
) -> dict[str, Shaped[np.ndarray, " node"]]:
    own = {"id", "unit", "layer", "channel"}  # an id says them
    names = sorted({str(name) for facts in nodes.values() for name in facts} - own)
    return {name: _column([nodes.get(node, {}).get(name) for node in ids]) for name in names}


def _column(values: Sequence[Any]) -> Shaped[np.ndarray, " value"]:
    """Numbers where all are numbers or missing, else words."""
    if all(isinstance(value, (bool, np.bool_)) for value in values):
        return np.array(values, dtype=bool)
    if all(value is None or isinstance(value, (int, float, np.number)) for value in values):
        return np.array([np.nan if value is None else float(value) for value in values])
    return np.array(["" if value is None else str(value) for value in values], dtype=object)
