"""Graphs to and from other tools: networkx, JSON, tables and lists of edges."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fvhooks.circuits.edge_lists import as_unit, from_edges
from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.errors import SchemaError

if TYPE_CHECKING:
    import networkx as nx

VERSION = 1
_NAMED = ("id", "layer", "channel")


def to_networkx(graph: AttributionGraph) -> "nx.DiGraph":
    """A directed graph whose nodes are (layer, channel).

    Args:
        graph: to turn into one. What is known of each unit and edge, such as "weight", are their attributes.
    """
    import networkx as nx  # noqa: PLC0415 - it takes a while to load

    made = nx.DiGraph(**{name: value for name, value in graph.data.attrs.items() if name != "layers"})
    made.graph["layers"] = graph.layers
    facts = _table(graph, "node")
    keys = [(unit.layer, unit.channel) for unit in graph.units]
    for key, (_, row) in zip(keys, facts.iterrows(), strict=True):
        made.add_node(key, **{str(name): _plain(value) for name, value in row.items() if name != "layer"})
    for (source, target), (_, row) in zip(graph.pairs, _table(graph, "edge").iterrows(), strict=True):
        made.add_edge(
            keys[source],
            keys[target],
            **{str(name): _plain(value) for name, value in row.items() if name not in ("source", "target")},
        )
    return made


def from_networkx(made: "nx.DiGraph", layers: Sequence[str] | None = None) -> AttributionGraph:
    """A graph from networkx: what `to_networkx` gives, or any whose nodes are units.

    Args:
        made: nodes are (layer, channel), ids such as "layer3:7", or `Unit`s; edges have a "weight", or 1.
        layers: the rows, the lowest first; else as the graph says, or in the order of its edges.

    Raises:
        MissingInputError: nodes that are no units, edges in a circle.
    """
    rows = layers if layers is not None else made.graph.get("layers")
    listed = [(source, target, dict(facts)) for source, target, facts in made.edges(data=True)]
    nodes = {as_unit(node).id: dict(facts) for node, facts in made.nodes(data=True)}
    about = {str(name): value for name, value in made.graph.items() if name != "layers"}
    return from_edges(listed, layers=rows, nodes=nodes, **about)


def to_json(graph: AttributionGraph, path: str | Path | None = None) -> str:
    """A graph as JSON; the schema is in the documentation.

    Args:
        graph: to write.
        path: of a file that it is written to as well.
    """
    skip = {"layer", "channel", "unit"}
    table = _table(graph, "node")
    said = {name: _plain(value) for name, value in graph.data.attrs.items() if name != "layers"}
    whole = {
        "format": "fvhooks.attribution_graph",
        "version": VERSION,
        "layers": graph.layers,
        "about": said,
        "nodes": [
            {"id": unit.id, "layer": unit.layer, "channel": unit.channel}
            | {str(name): _plain(value) for name, value in row.items() if name not in skip}
            for unit, (_, row) in zip(graph.units, table.iterrows(), strict=True)
        ],
        "edges": [
            {str(name): _plain(value) for name, value in row.items()}
            | {"source": graph.units[int(row["source"])].id, "target": graph.units[int(row["target"])].id}
            for _, row in _table(graph, "edge").iterrows()
        ],
    }
    text = json.dumps(whole, indent=1, allow_nan=False)
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


def from_json(text: str | Path) -> AttributionGraph:
    """A graph from JSON that `to_json` wrote, or that follows its schema.

    Args:
        text: the JSON itself, or the path of a file.

    Raises:
        SchemaError: something else, or a newer version.
    """
    is_path = isinstance(text, Path) or (not text.lstrip().startswith("{") and Path(text).is_file())
    raw = Path(text).read_text(encoding="utf-8") if is_path else str(text)
    try:
        whole = json.loads(raw)
        if whole["format"] != "fvhooks.attribution_graph":
            raise SchemaError(f"Expected an attribution graph, got the format {whole['format']!r}.")
        if int(whole["version"]) > VERSION:
            raise SchemaError(
                f"The graph is of version {whole['version']}, newer than {VERSION}: update fvhooks."
            )
        nodes = {
            str(node["id"]): {k: v for k, v in node.items() if k not in _NAMED} for node in whole["nodes"]
        }
        listed = [(edge["source"], edge["target"], edge) for edge in whole["edges"]]
        return from_edges(
            [
                (a, b, {k: v for k, v in more.items() if k not in ("source", "target")})
                for a, b, more in listed
            ],
            layers=whole["layers"],
            nodes=nodes,
            **{str(name): value for name, value in whole["about"].items()},
        )
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise SchemaError(
            "Expected the JSON of an attribution graph: an object with format, version, layers, about, nodes "
            f"and edges ({type(error).__name__}: {error})."
        ) from error


def _table(graph: AttributionGraph, dimension: str) -> pd.DataFrame:
    """What is known of each node, or of each edge, but not its pictures."""
    names = [str(name) for name, values in graph.data.data_vars.items() if values.dims == (dimension,)]
    return pd.DataFrame({name: graph.data[name].values for name in names})


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever an attribute holds
    """As JSON can hold it; NaN is null."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if not np.isfinite(value):
            return None
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(inner) for inner in value]
    return value
