"""Does an edge say what happens? The effect on a unit of replacing one below it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from fvhooks.circuits.ablations import Stage, masks
from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.metrics.intervals import Interval, percentile_interval
from fvhooks.metrics.paths import spearman

_FEWEST = 5  # edges that a rank correlation takes
_DRAWS = 1000


@dataclass(frozen=True)
class Agreement:
    """How far the edges between two layers agree with effects.

    Args:
        source: the lower layer.
        target: the upper one.
        edges: how many there are.
        weights: rank correlation of weight and effect.
        control: rank correlation of the source's activation alone and effect.
    """

    source: str
    target: str
    edges: int
    weights: Interval
    control: float


def effects(graph: AttributionGraph, stage: Stage) -> Float[np.ndarray, " edge"]:
    """How much of each edge's target is gone once its source is what it is on images of other classes.

    As a share of the target's mean activation, by size; on images of the class that made no graph.

    Args:
        graph: whose edges.
        stage: the model and the images.
    """
    units, pairs = graph.units, graph.pairs
    found = np.full(len(pairs), np.nan)
    usual: dict[str, Float[np.ndarray, " _"]] = {}
    above = sorted({units[target].layer for target in pairs[:, 1]})
    if above:
        usual = stage.means(above, {})
    by_layer = sorted({(units[source].layer, int(source)) for source in pairs[:, 0]})
    for _, source in by_layer:
        mine = np.flatnonzero(pairs[:, 0] == source)
        layers = sorted({units[pairs[edge, 1]].layer for edge in mine})
        less = stage.means(layers, masks(stage.store, [units[source]]), "resample")
        for edge in mine:
            target = units[pairs[edge, 1]]
            before = usual[target.layer][target.channel]
            found[edge] = (before - less[target.layer][target.channel]) / max(abs(before), 1e-9)
    return found


def agreements(
    graph: AttributionGraph,
    found: Float[np.ndarray, " edge"],
    stage: Stage,
    *,
    seed: int = 0,
) -> list[Agreement]:
    """Rank correlation of weight and effect for each pair of layers.

    Edges between channels of the same number are left out: in a residual network these are one unit that is
    carried on, which any rule finds.

    Args:
        graph: whose edges.
        found: their `effects`.
        stage: that they were measured on.
        seed: of the bootstrap over edges.
    """
    units, weights = graph.units, graph.data["weight"].values
    ends = [(units[source], units[target]) for source, target in graph.pairs]
    layers = list(dict.fromkeys((source.layer, target.layer) for source, target in ends))
    order = {layer: place for place, layer in enumerate(graph.layers)}
    made = []
    for source, target in sorted(layers, key=lambda pair: (order[pair[0]], order[pair[1]])):
        mine = [
            edge
            for edge, (one, other) in enumerate(ends)
            if (one.layer, other.layer) == (source, target) and one.channel != other.channel
        ]
        if len(mine) >= _FEWEST:
            active = stage.means([source], {})[source]
            control = _correlation([active[ends[edge][0].channel] for edge in mine], found[mine])
            made.append(
                Agreement(source, target, len(mine), _interval(weights[mine], found[mine], seed), control)
            )
    return made


def _correlation(ours: Sequence[float] | Float[np.ndarray, " _"], theirs: Float[np.ndarray, " _"]) -> float:
    one, other = (np.asarray(values, np.float64)[None] for values in (ours, theirs))
    return float(spearman(one, other)[0, 0])


def _interval(weights: Float[np.ndarray, " _"], found: Float[np.ndarray, " _"], seed: int) -> Interval:
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(_DRAWS):
        rows = generator.integers(len(weights), size=len(weights))
        if len(np.unique(rows)) >= 3:
            drawn.append(_correlation(weights[rows], found[rows]))
    return percentile_interval(_correlation(weights, found), drawn)
