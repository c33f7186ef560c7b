"""Edges by the weights alone, so that inhibition shows."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from fvhooks.circuits.edges import EDGES, Evidence, PairEdges, Question
from fvhooks.errors import MissingInputError
from fvhooks.wiring import find_wiring
from fvhooks.wiring.weights import expanded_weights

_OPTIONS = frozenset({"strongest", "natural"})


@EDGES.register("weights")
def weights(question: Question) -> Evidence:
    """Expanded weights between neighbouring rows, the same for every class; see `expanded_weights`.

    Options: `strongest`, how many edges of each sign a target keeps at most (16); `natural`, images in [0, 1]
    whose active share weights what lies between.

    Args:
        question: with `hooked`.

    Raises:
        MissingInputError: no model, an unknown option, or rows between which no path leads.
        UnsupportedModelError: an operation between two rows mixes channels.
    """
    hooked, options = question.hooked, question.options
    if hooked is None:
        raise MissingInputError(
            'edges="weights" are read from the model, which the store does not hold: pass hooked=….'
        )
    unknown = sorted(set(options) - _OPTIONS)
    strongest = options.get("strongest", 16)
    if unknown or not isinstance(strongest, int) or strongest < 1:
        raise MissingInputError(
            f"Expected the options {sorted(_OPTIONS)}, strongest at least 1, got {dict(options)}."
        )
    layers = [hooked.resolve(layer) for layer in question.layers]
    wiring = find_wiring(hooked, layers, options.get("natural"))
    pairs = [
        _strongest(
            source,
            target,
            expanded_weights(hooked, wiring, source, target, natural=options.get("natural")),
            strongest,
        )
        for source, target in pairwise(layers)
    ]
    notes = {"strongest": strongest, "natural": "natural" in options, "gated": list(wiring.gated)}
    return Evidence(pairs, None, len(question.rows), notes)


def _strongest(source: str, target: str, matrix: Float[np.ndarray, "target source"], count: int) -> PairEdges:
    """The edges of the largest weights of each sign of each target."""
    ranks = np.argsort(np.argsort(-matrix, axis=1, kind="stable"), axis=1)
    chosen = (matrix > 0) & (ranks < count) | (matrix < 0) & (ranks >= matrix.shape[1] - count)
    targets, sources = np.nonzero(chosen)
    return PairEdges(source, target, sources, targets, matrix[targets, sources])
