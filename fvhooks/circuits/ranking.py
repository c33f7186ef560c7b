"""Personalised PageRank on a weighted graph, and the neighbourhoods that it is run on."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from fvhooks.errors import MissingInputError, NonFiniteError

DAMPING = 0.85
TOLERANCE = 1e-12
_STEPS = 1000

Pairs = Int[np.ndarray, "edge 2"]
PerEdge = Float[np.ndarray, " edge"]
PerNode = Float[np.ndarray, " node"]


def pagerank(
    pairs: Pairs,
    weights: PerEdge,
    personalisation: PerNode,
    *,
    direction: Literal["undirected", "down"] = "undirected",
    damping: float = DAMPING,
) -> PerNode:
    """Personalised PageRank: where a walk along weighted edges is, that starts over at chosen nodes.

    Undirected, as in Summit, mass flows upwards too, so that a node can matter for what it feeds; and with a
    personalisation near to a node's own edge weights the result is near to those weights. Down, a walk goes
    from each edge's target to its source.

    Examples:
        >>> pairs = np.array([[0, 2], [1, 2]])
        >>> start = np.array([0.0, 0.0, 1.0])
        >>> pagerank(pairs, np.array([3.0, 1.0]), start, direction="down").round(3).tolist()
        [0.345, 0.115, 0.541]

    Args:
        pairs: source and target of each edge.
        weights: of each edge, zero or more.
        personalisation: where the walk starts over, zero or more; normalised here.
        direction: which way it walks.
        damping: how likely it goes on instead of starting over, from 0 to below 1.

    Returns:
        A number a node, 1 in all.

    Raises:
        MissingInputError: a negative weight, a personalisation of zeros, damping out of range.
        NonFiniteError: NaN or infinity.
    """
    start = _checked(pairs, weights, personalisation, damping)
    if direction == "undirected":
        leaving, entering, passed = np.r_[pairs[:, 0], pairs[:, 1]], np.r_[pairs[:, 1], pairs[:, 0]], 2
    else:
        leaving, entering, passed = pairs[:, 1], pairs[:, 0], 1
    # what arrives at a node is summed in one go; narrow numbers are sorted much faster
    order = np.argsort(entering.astype(np.min_scalar_type(len(start))), kind="stable")
    leaving, entering = leaving[order], entering[order]
    each = np.tile(weights.astype(np.float64), passed)[order]
    out = np.bincount(leaving, each, len(start))
    share = np.divide(each, out[leaving], out=np.zeros_like(each), where=out[leaving] > 0)
    begins = np.flatnonzero(np.diff(entering, prepend=-1))
    fed, carried = entering[begins], np.empty_like(share)
    stuck = out == 0
    rank = start.copy()
    for _ in range(_STEPS):
        np.multiply(share, np.take(rank, leaving, out=carried, mode="clip"), out=carried)
        arriving = rank[stuck].sum() * start
        arriving[fed] += np.add.reduceat(carried, begins) if len(begins) else 0
        new = damping * arriving + (1 - damping) * start
        change = np.abs(new - rank).sum()
        rank = new
        if change < TOLERANCE:
            break
    return np.asarray(rank / rank.sum())


def _checked(pairs: Pairs, weights: PerEdge, personalisation: PerNode, damping: float) -> PerNode:
    if not (np.isfinite(weights).all() and np.isfinite(personalisation).all()):
        raise NonFiniteError("Expected finite edge weights and personalisation, got NaN or infinity.")
    if (weights < 0).any() or (personalisation < 0).any():
        raise MissingInputError(
            "PageRank walks along weights of zero or more, got a negative one. Pass their absolute values, "
            "or their positive part."
        )
    if not 0 <= damping < 1:
        raise MissingInputError(f"Expected damping from 0 to below 1, got {damping}.")
    if len(pairs) and int(pairs.max()) >= len(personalisation):
        raise MissingInputError(
            f"Expected edges between {len(personalisation)} nodes, got one to node {int(pairs.max())}."
        )
    total = personalisation.sum()
    if total == 0:
        raise MissingInputError(
            "Expected a personalisation with a node above zero: no unit was ever counted."
        )
    return np.asarray(personalisation / total, dtype=np.float64)
