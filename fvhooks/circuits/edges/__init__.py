"""Where the weights of a graph's edges come from: one file each, found by its name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, Int

from fvhooks.hooks import HookedModel
from fvhooks.registries import Registry
from fvhooks.store.reading import Store

HALVES = 2


@dataclass(frozen=True, eq=False)
class PairEdges:
    """Edges from the units of one layer to those of a later one.

    Args:
        source: the lower layer.
        target: the upper one.
        sources: channel of each edge's source.
        targets: channel of each edge's target.
        weights: of each edge; positive speaks for the target, comparable among the edges of this pair.
        halves: the same from each half of the images alone; none where it does not come from images.
    """

    source: str
    target: str
    sources: Int[np.ndarray, " edge"]
    targets: Int[np.ndarray, " edge"]
    weights: Float[np.ndarray, " edge"]
    halves: Float[np.ndarray, "half edge"] | None = None


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a source of edges.

    Args:
        store: of the model.
        label: the class, as the data set numbers it.
        output: the model's output for it.
        layers: the rows of the graph, the lowest first, the logits not among them.
        rows: rows of the store whose images count.
        half: which half each of them belongs to, 0 or 1.
        which: "all", "right" or "wrong": of the class's images, those that the model takes for it, or not.
        hooked: the model, where it was given.
        options: of this kind of edges.
    """

    store: Store
    label: int
    output: int
    layers: Sequence[str]
    rows: Int[np.ndarray, " row"]
    half: Int[np.ndarray, " row"]
    which: str = "all"
    hooked: HookedModel | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a source of edges found.

    Args:
        pairs: the edges of each pair of neighbouring layers.
        scores: how much each channel of each layer matters; none: activation aggregation is used.
        images: how many there were.
        notes: what the graph says about how its edges were made.
    """

    pairs: Sequence[PairEdges]
    scores: Mapping[str, Float[np.ndarray, " channel"]] | None
    images: int
    notes: Mapping[str, Any] = field(default_factory=dict)


class EdgeSource(Protocol):
    """One way to weight the edges of a graph."""

    def __call__(self, question: Question) -> Evidence:
        """The edges for a class."""
        ...


EDGES: Registry[EdgeSource] = Registry("fvhooks.circuits.edges", "kind of edges")
"""The kinds of edges, by name; another package adds its own by an entry point of this folder's name."""

__all__ = ["EDGES", "HALVES", "EdgeSource", "Evidence", "PairEdges", "Question"]
