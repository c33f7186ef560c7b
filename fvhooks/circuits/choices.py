"""What `attribution_graph` can be told beside the essentials."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from fvhooks.errors import MissingInputError, did_you_mean
from fvhooks.hooks import HookedModel
from fvhooks.units import Unit

RANKINGS = ("pagerank", "directed", "activation", "score")


class GraphOptions(TypedDict, total=False):
    """What `attribution_graph` can be told beside the essentials.

    Attributes:
        hooked: the model, for edges that are measured when the graph is made.
        layers: the rows (else: every layer of the store but the logits; of votes, those that have them).
        which: "all" of the class's images, or those that the model takes for it ("right") or not ("wrong").
        ids: only these images, whatever their split, such as a single one.
        ranking: what chooses units. "pagerank": personalised, undirected, as in Summit. "directed": from
            the upper end of each edge to the lower. "activation": the votes alone, the baseline. "score":
            the scores that the edges come with, such as relevance.
        selection: "per_layer" or "unified" (Summit's; too coarse for small networks).
        mass: share of the ranking that is kept (0.15 a layer; 0.075 unified).
        units: of each layer, how many are kept at least (1), with "per_layer".
        rule: of the votes, "count" or "mass".
        size: of the rule: how many channels, or which share of the sum.
        damping: of PageRank (0.85).
        exclude: units that are left out, such as those that fire for every image.
        names: what each label is called.
        options: of the kind of edges.
    """

    hooked: HookedModel | None
    layers: Sequence[str] | None
    which: Literal["all", "right", "wrong"]
    ids: Sequence[str] | None
    ranking: Literal["pagerank", "directed", "activation", "score"]
    selection: Literal["per_layer", "unified"]
    mass: float | None
    units: int
    rule: Literal["count", "mass"]
    size: float | None
    damping: float
    exclude: Sequence[Unit]
    names: Mapping[int, str]
    options: Mapping[str, Any]


def checked_options(options: GraphOptions) -> GraphOptions:
    """The options, once each of them is one that makes sense."""
    unknown = [name for name in options if name not in GraphOptions.__annotations__]
    if unknown:
        known = list(GraphOptions.__annotations__)
        hint = did_you_mean(unknown[0], known)
        raise TypeError(f"attribution_graph has no argument {unknown[0]!r}.{hint} It has {', '.join(known)}.")
    for name, known_values in (
        ("ranking", RANKINGS),
        ("selection", ("per_layer", "unified")),
        ("rule", ("count", "mass")),
        ("which", ("all", "right", "wrong")),
    ):
        value = options.get(name, known_values[0])
        if value not in known_values:
            hint = did_you_mean(str(value), known_values)
            raise MissingInputError(f"Expected {name} to be one of {known_values}, got {value!r}.{hint}")
    return options
