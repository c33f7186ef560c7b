"""Where each vote is counted: all nodes, channels, candidates and parts as one row of numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from fvhooks.store.schema import encode_name
from fvhooks.wiring.plans import Wiring
from fvhooks.wiring.votes import candidates, is_counted

PARTS = ("first half, right", "first half, wrong", "second half, right", "second half, wrong")
"""Images apart: two random halves, and whether the model takes an image for its label's."""

HEADS = 0.1
"""The share of a layer's channels that an image counts as active: those of the largest peaks."""


@dataclass(frozen=True, eq=False)
class VoteSpace:
    """A number for each (node, channel, candidate, part), and behind them each (kept layer, channel, part).

    Args:
        wiring: of the network.
        votes: how many each channel casts in an image.
    """

    wiring: Wiring
    votes: int

    @cached_property
    def counted(self) -> list[int]:
        """The nodes whose channels have inputs."""
        return [number for number, node in enumerate(self.wiring.nodes) if is_counted(node)]

    @cached_property
    def kept(self) -> list[int]:
        """The nodes that are layers of the store."""
        return [number for number, node in enumerate(self.wiring.nodes) if node.kept]

    def keys(self) -> dict[int, str]:
        """The name of each node's group in a store, of those that have one."""
        both = sorted({*self.counted, *self.kept})
        return {number: f"{number:03d}-{encode_name(self.wiring.nodes[number].name)}" for number in both}

    @cached_property
    def channels(self) -> Int[np.ndarray, " node"]:
        """Of each counted node."""
        return np.array([self.wiring.nodes[number].channels for number in self.counted], np.int64)

    @cached_property
    def candidates(self) -> Int[np.ndarray, " node"]:
        """How many each counted node has."""
        return np.array([len(candidates(self.wiring.nodes[number])) for number in self.counted], np.int64)

    @cached_property
    def pairs_before(self) -> Int[np.ndarray, " _"]:
        """How many pairs of channel and candidate lie before each counted node; all of them last."""
        return np.append(0, np.cumsum(self.channels * self.candidates))

    @cached_property
    def channels_before(self) -> Int[np.ndarray, " _"]:
        """How many channels lie before each counted node; all of them last."""
        return np.append(0, np.cumsum(self.channels))

    @cached_property
    def active_before(self) -> Int[np.ndarray, " _"]:
        """How many channels lie before each kept layer; all of them last."""
        sizes = np.array([self.wiring.nodes[number].channels for number in self.kept], np.int64)
        return np.append(0, np.cumsum(sizes))

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return int(self.pairs_before[-1] + self.active_before[-1]) * len(PARTS)

    @property
    def of_an_image(self) -> int:
        """How many votes an image casts at most."""
        heads = sum(heads_of(self.wiring.nodes[number].channels) for number in self.kept)
        return int(self.channels_before[-1]) * self.votes + heads

    def pair(
        self, place: int, channel: Int[np.ndarray, "..."], candidate: Int[np.ndarray, "..."]
    ) -> Int[np.ndarray, "..."]:
        """The number of pairs of the counted node at a place."""
        return np.asarray(self.pairs_before[place] + channel * self.candidates[place] + candidate)

    def channel_and_candidate(
        self, pairs: Int[np.ndarray, " _"]
    ) -> tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]:
        """The channel, counted over all nodes, and the candidate of pairs."""
        place = np.searchsorted(self.pairs_before, pairs, side="right") - 1
        channel, candidate = np.divmod(pairs - self.pairs_before[place], self.candidates[place].clip(min=1))
        return self.channels_before[place] + channel, candidate

    def numbers(
        self,
        winners: Mapping[int, Int[np.ndarray, "image vote _"]],
        peaks: Mapping[str, Float[np.ndarray, "image _"]],
        parts: Int[np.ndarray, " image"],
    ) -> Int[np.ndarray, "image ballot"]:
        """Where the votes of some images go; −1 where one is not cast.

        Args:
            winners: candidates that the channels of each node name.
            peaks: of each kept layer, by name.
            parts: which of `PARTS` each image is in.
        """
        found = []
        for place, number in enumerate(self.counted):
            named = winners[number].astype(np.int64)
            pairs = self.pair(place, np.arange(named.shape[2]), named)
            found.append(np.where(named < 0, -1, pairs).reshape(len(named), -1))
        for place, number in enumerate(self.kept):
            values = peaks[self.wiring.nodes[number].name]
            heads = heads_of(values.shape[1])
            first = np.argsort(-values, axis=1, kind="stable")[:, :heads]  # of equal ones the lowest
            found.append(self.pairs_before[-1] + self.active_before[place] + first)
        together = np.concatenate(found, axis=1) if found else np.zeros((len(parts), 0), np.int64)
        return np.where(together < 0, -1, together * len(PARTS) + parts[:, None])


def heads_of(channels: int) -> int:
    """How many channels of a layer an image counts as active.

    Examples:
        >>> heads_of(16), heads_of(512), heads_of(3)
        (2, 52, 1)
    """
    return int(np.ceil(HEADS * channels))


def count_type(images: int) -> np.dtype[np.signedinteger]:
    """The type that counts of so many images fit in."""
    return np.dtype(np.int16 if images < 2**15 else np.int32)


def source_type(number: int) -> np.dtype[np.signedinteger]:
    """The type that the numbers of so many candidates fit in."""
    return np.dtype(np.int16 if number < 2**15 else np.int32)
