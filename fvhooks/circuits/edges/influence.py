"""Edges by votes: in how many of a class's images a channel names another as an input that speaks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from fvhooks.circuits.edges import EDGES, Evidence, PairEdges, Question
from fvhooks.circuits.image_votes import ImageVotes
from fvhooks.errors import MissingInputError, did_you_mean
from fvhooks.store.influence import WHICH
from fvhooks.store.reading import Store
from fvhooks.wiring import Wiring

_VARIANTS = 3  # all images that count, and each half of them
_SURE = 1.0  # a channel's way to itself


@dataclass(frozen=True, eq=False)
class _Ways:
    """The widest ways from the channels of one node to those of a later one, by target.

    Args:
        target: in ascending order.
        source: channel that the way begins at.
        width: the share of images that agree about its weakest step.
        is_direct: whether it is one step.
    """

    target: Int[np.ndarray, " way"]
    source: Int[np.ndarray, " way"]
    width: Float[np.ndarray, "way variant"]
    is_direct: Bool[np.ndarray, " way"]


@EDGES.register("influence")
def influence_edges(question: Question) -> Evidence:
    """Summit's edges: direct votes, and through hidden channels the widest way.

    The weight is the share of the class's images that cast the vote; of a way through hidden channels, or
    through layers of the store that are no rows of the graph, that of its weakest step, and of several ways
    the widest. Of the edges through hidden channels each target keeps the heaviest
    `options["heaviest"]`: where that is not said as many as its layer's direct edges have on average, or as
    the store keeps.

    Args:
        question: its store must have influence.

    Raises:
        MissingInputError: it has none, no such label or images, or a pair of rows that no path joins.
    """
    store = question.store
    _check_options(question.options)
    if question.which == "ids":
        single = ImageVotes.of(question)
        return Evidence(_pairs(single, question), None, int(single.counts[0]), _notes(store))
    parts = list(WHICH[question.which])
    images = store.influence_images(question.label)
    counts = np.array(
        [
            images[parts].sum(),
            images[[p for p in parts if p < 2]].sum(),
            images[[p for p in parts if p > 1]].sum(),
        ]
    )
    if not counts[0]:
        raise MissingInputError(
            f"No image of label {question.label} counts as {question.which!r} outside the report split; "
            "choose another label, or collect more images."
        )
    votes = _Votes(store, question.label, parts, counts)
    scores = None
    if not store.keeps_all:  # there are no peaks of all images to count
        scores = {
            layer: store.activation_counts(layer, question.label)[:, parts].sum(1) / counts[0]
            for layer in question.layers
        }
    return Evidence(_pairs(votes, question), scores, int(counts[0]), _notes(store))


def _check_options(options: Mapping[str, Any]) -> None:
    unknown = [name for name in options if name != "heaviest"]
    if unknown:
        hint = did_you_mean(unknown[0], ["heaviest"])
        raise MissingInputError(f"Influence edges have the option 'heaviest', got {unknown[0]!r}.{hint}")
    heaviest = options.get("heaviest")
    if heaviest is not None and heaviest < 1:
        raise MissingInputError(f"Expected heaviest, edges of a target, to be 1 or more, got {heaviest}.")


def _notes(store: Store) -> dict[str, int | bool]:
    rule = store.influence_rule
    return {"votes": rule.votes, "positive_only": rule.positive_only}


@dataclass(frozen=True, eq=False)
class _Votes:
    """The votes of a class, as shares of its images.

    Args:
        store: they are from.
        label: the class.
        parts: which of its images count.
        counts: how many those are, and those of each half.
    """

    store: Store
    label: int
    parts: Sequence[int]
    counts: Int[np.ndarray, " variant"]

    @property
    def wiring(self) -> Wiring:
        """Of the network."""
        return self.store.wiring

    def steps(
        self, number: int
    ) -> tuple[Int[np.ndarray, " step"], Int[np.ndarray, "step 2"], Float[np.ndarray, "step variant"]]:
        """(channel, (node, channel) that it named, share of images) of a node, whoever got a vote."""
        found = self.store.node_votes(number, self.label)
        halves = [[p for p in self.parts if p < 2], [p for p in self.parts if p > 1]]
        chosen = [found.votes[..., some].sum(-1) for some in (self.parts, *halves)]
        shares = np.stack(chosen, axis=-1) / np.where(
            self.counts > 0, self.counts, np.nan
        )  # of no image nothing is known
        target, slot = np.nonzero((found.node >= 0) & (shares[..., 0] > 0))
        origin = np.column_stack([found.node[target, slot], found.channel[target, slot]])
        return target, origin, shares[target, slot]


def _pairs(votes: "_Votes | ImageVotes", question: Question) -> list[PairEdges]:
    asked = question.options.get("heaviest")
    return [_pair(votes, source, target, asked) for source, target in pairwise(question.layers)]


def _pair(votes: "_Votes | ImageVotes", source: str, target: str, asked: int | None) -> PairEdges:
    numbers = {node.name: number for number, node in enumerate(votes.wiring.nodes) if node.kept}
    first, last = (votes.store.node_of(layer) for layer in (source, target))
    between = votes.wiring.between(first, last)
    if last not in between:
        feeding = [name for name, number in numbers.items() if last in votes.wiring.between(number, last)]
        raise MissingInputError(
            f"Expected rows that feed each other; no path leads from {source!r} to {target!r}. "
            f"{target!r} is fed by {', '.join(feeding) or 'no layer of the store'}."
        )
    ways = _ways(votes, first, between)
    ways = _heaviest(ways, asked or _usual(ways, votes.store.influence_rule.width))
    return PairEdges(
        source, target, ways.source, ways.target, ways.width[:, 0], np.ascontiguousarray(ways.width[:, 1:].T)
    )


def _ways(votes: "_Votes | ImageVotes", first: int, between: Sequence[int]) -> _Ways:
    """The widest ways to the last of some nodes, one node after the other."""
    own = np.arange(votes.wiring.nodes[first].channels)
    sure = np.full((len(own), _VARIANTS), _SURE)
    known = {first: _Ways(own, own, sure, np.zeros(len(own), bool))}
    for number in between:
        target, origin, share = votes.steps(number)
        found = []
        for before, ways in known.items():
            here = np.flatnonzero(origin[:, 0] == before)
            start = np.searchsorted(ways.target, origin[here, 1])
            length = np.searchsorted(ways.target, origin[here, 1], side="right") - start
            step = np.repeat(here, length)
            place = np.arange(len(step)) - np.repeat(np.cumsum(length) - length, length)
            way = np.repeat(start, length) + place
            width = np.minimum(share[step], ways.width[way])
            found.append(_Ways(target[step], ways.source[way], width, np.full(len(step), before == first)))
        known[number] = _widest(found, len(own))
    return known[between[-1]]


def _widest(found: Sequence[_Ways], sources: int) -> _Ways:
    """Of several ways between the same two channels the widest."""
    target, source = (np.concatenate([getattr(w, name) for w in found]) for name in ("target", "source"))
    width = np.concatenate([ways.width for ways in found])
    direct = np.concatenate([ways.is_direct for ways in found])
    keys = target * sources + source
    order = np.argsort(keys, kind="stable")
    if not len(order):
        return _Ways(target, source, width, direct)
    starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) > 0])
    chosen = order[starts]
    return _Ways(
        target[chosen],
        source[chosen],
        np.maximum.reduceat(width[order], starts),
        np.logical_or.reduceat(direct[order], starts),
    )


def _usual(ways: _Ways, width: int) -> int:
    """How many edges through hidden channels a target keeps: as many as others have direct ones."""
    direct = np.unique(ways.target[ways.is_direct], return_counts=True)[1]
    only = np.setdiff1d(ways.target[ways.is_direct], ways.target[~ways.is_direct])
    return max(1, int(direct.mean())) if len(only) else width


def _heaviest(ways: _Ways, count: int) -> _Ways:
    """All direct edges, and of the others the heaviest of each target; of equal ones the lowest source."""
    order = np.lexsort((ways.source, -ways.width[:, 0], ways.is_direct, ways.target))
    hidden = order[~ways.is_direct[order]]
    rank = np.arange(len(hidden)) - np.searchsorted(ways.target[hidden], ways.target[hidden])
    kept = np.sort(np.r_[np.flatnonzero(ways.is_direct), hidden[rank < count]])
    kept = kept[ways.width[kept, 0] > 0]
    return _Ways(ways.target[kept], ways.source[kept], ways.width[kept], ways.is_direct[kept])
