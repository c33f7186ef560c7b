"""All units and edges that there are, and what a graph keeps of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from fvhooks.circuits.choices import GraphOptions
from fvhooks.circuits.edges import HALVES, Evidence, PairEdges, Question
from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.circuits.images import Images
from fvhooks.circuits.ranking import pagerank
from fvhooks.circuits.selection import Selection, strongest
from fvhooks.circuits.voting import choose_rule
from fvhooks.errors import LayerNotFoundError, MissingInputError
from fvhooks.store.influence import WHICH
from fvhooks.units import LOGITS, Unit


@dataclass(frozen=True, eq=False)
class Draft:
    """All units and edges that there are, before any is left out.

    Args:
        layers: the rows, the logits last where an edge reaches them.
        first: index of the first node of each row.
        shares: of the images, how many vote for each node.
        scores: of each node, 1 at most in each row.
        pairs: source and target of each edge.
        weights: of each edge.
        halves: of each edge, from each half.
        ranks: what units are chosen by.
        kept: which nodes are.
        excluded: which must not be.
        said: how they were chosen.
    """

    layers: list[str]
    first: Int[np.ndarray, " row"]
    shares: Float[np.ndarray, " node"]
    scores: Float[np.ndarray, " node"]
    pairs: Int[np.ndarray, "edge 2"]
    weights: Float[np.ndarray, " edge"]
    halves: Float[np.ndarray, "half edge"]
    ranks: Float[np.ndarray, " node"]
    kept: Bool[np.ndarray, " node"]
    excluded: Bool[np.ndarray, " node"]
    said: Mapping[str, Any]

    @classmethod
    def of(cls, question: Question, evidence: Evidence, images: Images, chosen: GraphOptions) -> "Draft":
        """Put together what was found."""
        store, layers = question.store, list(question.layers)
        shares = {layer: _shares(question, layer, images, chosen) for layer in layers}
        if any(pair.target == LOGITS for pair in evidence.pairs):
            layers.append(LOGITS)
            shares[LOGITS] = np.eye(store.layout(LOGITS).channels)[question.output]
        first = np.cumsum([0, *(len(shares[layer]) for layer in layers)])
        scores = {layer: _scaled(values) for layer, values in (evidence.scores or shares).items()}
        scores = {layer: scores.get(layer, _scaled(shares[layer])) for layer in layers}
        score = np.concatenate([scores[layer] for layer in layers])
        excluded = _excluded(layers, first, chosen.get("exclude", ()))
        found = [pair for pair in evidence.pairs if {pair.source, pair.target} <= set(layers)]
        pairs, weights, halves = _joined(found, layers, first, question.output)
        open_edges = ~excluded[pairs].any(1) & (weights != 0)
        pairs, weights, halves = pairs[open_edges], weights[open_edges], halves[:, open_edges]
        share = np.concatenate([shares[layer] for layer in layers])
        start = share if chosen.get("ranking") == "activation" else score
        if np.isnan(start).any():
            raise MissingInputError(
                "Activation votes need the peaks of each image, and the store keeps only the strongest. "
                "Collect with keep='all' or influence=True, or take edges with scores, such as 'relevance'."
            )
        ranks = _ranks(pairs, weights, np.where(excluded, 0, start), chosen)
        rows = np.repeat(np.arange(len(layers)), np.diff(first))
        how = Selection(chosen.get("selection", "per_layer"), chosen.get("mass"), chosen.get("units", 1))
        kept = how(ranks, rows, pairs)
        said = {
            "ranking": chosen.get("ranking", "pagerank"),
            "selection": how.kind,
            "rule": chosen.get("rule", "count") if store.keeps_all else "count",
        }
        return cls(layers, first, share, score, pairs, weights, halves, ranks, kept, excluded, said)

    def graph(self, about: Mapping[str, Any]) -> AttributionGraph:
        """What is kept of it."""
        nodes = np.flatnonzero(self.kept)
        rows = np.searchsorted(self.first, nodes, side="right") - 1
        channels = nodes - self.first[rows]
        units = [Unit(self.layers[row], int(channel)).id for row, channel in zip(rows, channels, strict=True)]
        place = np.full(len(self.kept), -1)
        place[nodes] = np.arange(len(nodes))
        inside = self.kept[self.pairs].all(1)
        order = np.lexsort((self.pairs[inside, 0], self.pairs[inside, 1]))
        baseline = self._baseline()
        described = {
            "score": self.scores[nodes],
            "share": self.shares[nodes],
            "importance": self.ranks[nodes],
            "by_activation": baseline[nodes],
        }
        chosen = np.array([self.layers[row] != LOGITS for row in rows], bool)
        known = chosen.any() and not np.isnan(self.shares).any()
        agreed = float(baseline[nodes][chosen].mean()) if known else np.nan
        return AttributionGraph.of(
            units,
            [(int(a), int(b)) for a, b in place[self.pairs[inside][order]]],
            weight=self.weights[inside][order],
            stability=stability(self.halves[:, inside][:, order]),
            layers=self.layers,
            nodes=described,
            overlap_with_top_activation=agreed,
            **about,
        )

    def _baseline(self) -> Bool[np.ndarray, " node"]:
        """The same number of units a layer, by votes alone."""
        chosen = np.zeros(len(self.kept), bool)
        spans = {
            layer: slice(start, stop)
            for layer, start, stop in zip(self.layers, self.first[:-1], self.first[1:], strict=True)
        }
        sizes = {layer: int(self.kept[span].sum()) for layer, span in spans.items()}
        free = np.where(self.excluded, -1, self.shares)
        best = strongest({layer: free[span] for layer, span in spans.items()}, sizes)
        for layer, channels in best.items():
            chosen[spans[layer].start + channels] = True
        return chosen


def stability(halves: Float[np.ndarray, "half edge"]) -> Float[np.ndarray, " edge"]:
    """How far two halves of the images agree about each edge: the smaller weight over the larger.

    Examples:
        >>> stability(np.array([[1.0, 2.0, 3.0], [1.0, 4.0, -3.0]])).tolist()
        [1.0, 0.5, 0.0]

    Args:
        halves: the weights from each.

    Returns:
        0, where one has none or they differ in sign, to 1; NaN where halves are not known.
    """
    low, high = np.sort(np.abs(halves), axis=0)
    agreed = np.divide(low, high, out=np.zeros_like(low), where=high > 0)
    agreed[np.sign(halves[0]) * np.sign(halves[1]) <= 0] = 0
    return np.where(np.isnan(halves).any(0), np.nan, agreed)


def _shares(
    question: Question, layer: str, images: Images, chosen: GraphOptions
) -> Float[np.ndarray, " channel"]:
    """Of the images, how many vote for each channel; NaN where the store does not know."""
    store = question.store
    if store.keeps_all:
        rule = choose_rule(store, layer, chosen.get("rule", "count"), chosen.get("size"))
        return np.asarray(rule(store.rows_of(layer, "peak", images.rows)).mean(0))
    if store.has_influence and question.which in WHICH:
        parts = list(WHICH[question.which])
        counts = store.activation_counts(layer, question.label)[:, parts].sum(1)
        return np.asarray(counts / store.influence_images(question.label)[parts].sum())
    return np.full(store.layout(layer).channels, np.nan)


def _scaled(values: Float[np.ndarray, " channel"]) -> Float[np.ndarray, " channel"]:
    """From 0 to 1: Summit divides the votes of a layer by the largest."""
    sizes = np.abs(values)
    return np.asarray(sizes / sizes.max()) if sizes.max() > 0 else sizes


def _joined(
    found: Sequence[PairEdges], layers: Sequence[str], first: Int[np.ndarray, " row"], output: int
) -> tuple[Int[np.ndarray, "edge 2"], Float[np.ndarray, " edge"], Float[np.ndarray, "half edge"]]:
    """All edges as one list, nodes counted over all layers; of the outputs only the target's."""
    start = dict(zip(layers, first.tolist(), strict=False))
    pairs, weights, halves = [np.zeros((0, 2), np.int64)], [np.zeros(0)], [np.zeros((HALVES, 0))]
    for pair in found:
        mine = (pair.targets == output) if pair.target == LOGITS else np.ones(len(pair.weights), bool)
        ends = np.stack([start[pair.source] + pair.sources, start[pair.target] + pair.targets], 1)
        pairs.append(ends[mine].astype(np.int64))
        weights.append(np.asarray(pair.weights[mine], np.float64))
        known = pair.halves if pair.halves is not None else np.full((HALVES, len(mine)), np.nan)
        halves.append(np.asarray(known[:, mine], np.float64))
    return np.concatenate(pairs), np.concatenate(weights), np.concatenate(halves, axis=1)


def _excluded(
    layers: Sequence[str], first: Int[np.ndarray, " row"], units: Sequence[Unit]
) -> Bool[np.ndarray, " node"]:
    excluded = np.zeros(int(first[-1]), bool)
    for unit in units:
        if unit.layer not in layers or unit.channel >= np.diff(first)[layers.index(unit.layer)]:
            raise LayerNotFoundError(
                f"Expected units of the layers {list(layers)} to exclude, got {unit.id!r}."
            )
        excluded[first[layers.index(unit.layer)] + unit.channel] = True
    return excluded


def _ranks(
    pairs: Int[np.ndarray, "edge 2"],
    weights: Float[np.ndarray, " edge"],
    score: Float[np.ndarray, " node"],
    chosen: GraphOptions,
) -> Float[np.ndarray, " node"]:
    ranking = chosen.get("ranking", "pagerank")
    if ranking in ("activation", "score"):
        return score
    direction: Literal["undirected", "down"] = "undirected" if ranking == "pagerank" else "down"
    return pagerank(pairs, np.abs(weights), score, direction=direction, damping=chosen.get("damping", 0.85))
