"""Where the units of a graph stand: rows of layers, an order within each, sides, and the curves between."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from fvhooks.circuits.graphs import AttributionGraph

# The same numbers as in widgets/parts/graph/scales.ts and rows.ts, which draw the live picture.
SMALLEST, LARGEST, THICKEST = 33.0, 100.0, 6.0
ACROSS, DOWN = 24.0, 200.0
FAINTEST = 0.2
_UNSURE = 0.7  # opacity where nothing is known of an edge's stability
_SWEEPS = 12


@dataclass(frozen=True, eq=False)
class Rows:
    """Which row each node is in, the highest layer first, and its place among the nodes of its row.

    Args:
        layers: names of the rows, those without nodes left out.
        row: of each node.
        rank: of each node in its row; hiding some nodes leaves the order of the others as it is.
    """

    layers: list[str]
    row: Int[np.ndarray, " node"]
    rank: Int[np.ndarray, " node"]


def rows_of(graph: AttributionGraph) -> Rows:
    """The rows of a graph, its nodes ordered by the places of their neighbours so that few edges cross.

    Examples:
        >>> pairs = [(0, 3), (1, 2)]
        >>> graph = AttributionGraph.of(["a:0", "a:1", "b:0", "b:1"], pairs, weight=[1, 1], layers=["a", "b"])
        >>> rows_of(graph).layers, rows_of(graph).row.tolist(), rows_of(graph).rank.tolist()
        (['b', 'a'], [1, 1, 0, 0], [0, 1, 1, 0])
    """
    names = [str(layer) for layer in graph.data["layer"].values]
    layers = [layer for layer in reversed(graph.layers) if layer in set(names)]
    place = {layer: row for row, layer in enumerate(layers)}
    row = np.array([place[name] for name in names], dtype=np.int64)
    start = np.lexsort((graph.data["channel"].values, -scores_of(graph), row))
    return Rows(layers, row, _untangled(row, start, graph.pairs, np.abs(weights_of(graph))))


def _untangled(
    row: Int[np.ndarray, " node"],
    start: Int[np.ndarray, " node"],
    pairs: Int[np.ndarray, "edge 2"],
    strength: Float[np.ndarray, " edge"],
) -> Int[np.ndarray, " node"]:
    """The rank of each node after sweeps of weighted barycentres, down and up; ties keep their order."""
    count = int(row.max()) + 1 if len(row) else 0
    members = [start[row[start] == one] for one in range(count)]
    place = np.zeros(len(row))
    rank = np.zeros(len(row), dtype=np.int64)
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    both = np.concatenate([strength, strength])
    for sweep in range(_SWEEPS + 1):
        down = sweep % 2 == 0
        for one in range(count) if down else range(count - 1, -1, -1):
            if sweep:  # the first pass only takes down where the nodes start
                use = (row[ends[:, 0]] == one) & ((row[ends[:, 1]] < one) == down) & (row[ends[:, 1]] != one)
                weight = np.bincount(ends[use, 0], both[use], len(row))
                total = np.bincount(ends[use, 0], both[use] * place[ends[use, 1]], len(row))
                aim = np.where(weight > 0, total / np.where(weight > 0, weight, 1), place)
                members[one] = members[one][np.argsort(aim[members[one]], kind="stable")]
            rank[members[one]] = np.arange(len(members[one]))
            place[members[one]] = np.arange(len(members[one])) - (len(members[one]) - 1) / 2
    return rank


def scores_of(graph: AttributionGraph) -> Float[np.ndarray, " node"]:
    """The score of each node; 0 where it is not known."""
    if "score" not in graph.data:
        return np.zeros(graph.data.sizes["node"])
    return _known(graph.data["score"].values)


def weights_of(graph: AttributionGraph) -> Float[np.ndarray, " edge"]:
    """The weight of each edge; 0 where it is not known."""
    return _known(graph.data["weight"].values)


def _known(values: np.ndarray) -> np.ndarray:
    known: np.ndarray = np.nan_to_num(values.astype(float), nan=0.0, posinf=0.0, neginf=0.0)
    return known


def sides_of(scores: Float[np.ndarray, " node"]) -> Float[np.ndarray, " node"]:
    """The side of each node in pixels, linear in its score.

    Examples:
        >>> sides_of(np.array([0.0, 0.5, 1.0])).tolist()
        [33.0, 66.5, 100.0]
    """
    largest = float(scores.max(initial=0.0)) or 1.0
    sides: np.ndarray = SMALLEST + (LARGEST - SMALLEST) * np.clip(scores, 0, None) / largest
    return sides


def widths_of(graph: AttributionGraph) -> Float[np.ndarray, " edge"]:
    """The width of each edge in pixels: linear in its size, beside those between the same rows."""
    sizes = np.abs(weights_of(graph))
    rank = {layer: place for place, layer in enumerate(graph.layers)}
    rows = np.array([rank[str(layer)] for layer in graph.data["layer"].values], dtype=np.int64)
    between: np.ndarray = (
        np.unique(rows[graph.pairs], axis=0, return_inverse=True)[1].ravel() if len(sizes) else rows[:0]
    )
    strongest = np.zeros(len(sizes))
    np.maximum.at(strongest, between, sizes)
    return np.asarray(THICKEST * sizes / np.where(strongest > 0, strongest, 1)[between])


def opacities_of(graph: AttributionGraph) -> Float[np.ndarray, " edge"]:
    """The opacity of each edge: the more stable, the more solid."""
    if "stability" not in graph.data:
        return np.full(graph.data.sizes["edge"], _UNSURE)
    known = graph.data["stability"].values.astype(float)
    solid = FAINTEST + (0.9 - FAINTEST) * np.clip(np.nan_to_num(known), 0, 1)
    return np.where(np.isfinite(known), solid, _UNSURE)


def centres_of(
    rows: Rows, sides: Float[np.ndarray, " node"], shown: Bool[np.ndarray, " node"]
) -> Float[np.ndarray, "node 2"]:
    """(x, y) of the middle of each node; each row of the nodes shown is centred at x = 0."""
    centres = np.full((len(sides), 2), np.nan)
    for one in range(len(rows.layers)):
        members = np.flatnonzero((rows.row == one) & shown)
        members = members[np.argsort(rows.rank[members])]
        right = np.cumsum(sides[members] + ACROSS)
        middle = right - sides[members] / 2 - ACROSS
        centres[members, 0] = middle - (right[-1] - ACROSS) / 2 if len(members) else middle
        centres[members, 1] = one * DOWN
    return centres


def curve_of(
    start: Float[np.ndarray, "2"], end: Float[np.ndarray, "2"], sides: tuple[float, float]
) -> Float[np.ndarray, "4 2"]:
    """The four points of the cubic Bézier from the top of the lower node to the bottom of the upper one."""
    up = 1.0 if end[1] < start[1] else -1.0
    first = start - np.array([0.0, up * sides[0] / 2])
    last = end + np.array([0.0, up * sides[1] / 2])
    bend = np.array([0.0, up * max(abs(first[1] - last[1]) / 2, DOWN / 4)])
    return np.stack([first, first - bend, last + bend, last])
