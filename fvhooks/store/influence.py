"""What a store has counted of which channels feed which."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
import zarr
from jaxtyping import Int

from fvhooks.errors import LayerNotFoundError, MissingInputError, did_you_mean
from fvhooks.store import schema
from fvhooks.store.influence_arrays import INFLUENCE_GROUP, stored_wiring
from fvhooks.store.ledgers import array_of
from fvhooks.store.passes import aspects_of, passes_of
from fvhooks.store.vote_space import PARTS, VoteSpace
from fvhooks.wiring import InfluenceRule, Wiring
from fvhooks.wiring.plans import NOWHERE
from fvhooks.wiring.votes import candidates

WHICH = {"all": (0, 1, 2, 3), "right": (0, 2), "wrong": (1, 3)}
"""The parts of a label's images: all, those that the model takes for it, or the others."""


@dataclass(frozen=True, eq=False)
class NodeVotes:
    """The votes of one node's channels, of one label's images.

    Args:
        node: (node of the wiring) that each named input belongs to, `NOWHERE` where it is none.
        channel: which of its channels.
        votes: how many.
        remainder: votes for all inputs that are not kept.
    """

    node: Int[np.ndarray, "channel width"]
    channel: Int[np.ndarray, "channel width"]
    votes: Int[np.ndarray, "channel width part"]
    remainder: Int[np.ndarray, "channel part"]


class KeptInfluence:
    """The questions about influence that a store answers."""

    if TYPE_CHECKING:
        path: str
        _root: zarr.Group
        _about: dict[str, Any]

    @property
    def has_influence(self) -> bool:
        """Whether influence was counted."""
        return any(schema.INFLUENCE in kept for kept in aspects_of(passes_of(self._root)).values())

    @cached_property
    def wiring(self) -> Wiring:
        """Which channels feed which, as it was found when the store was made.

        Raises:
            MissingInputError: influence was not counted; what to call.
        """
        found = stored_wiring(self._root) if self.has_influence else None
        if found is None:
            raise MissingInputError(
                f"The store {self.path} has no influence. Call fvhooks.collect(…, influence=True) "
                "with the same model, data set and path to add it; for a transformer ask for "
                "edges='relevance' instead."
            )
        return found

    @property
    def influence_layers(self) -> list[str]:
        """Layers between whose channels influence was counted: an autoencoder's latents have none.

        Raises:
            MissingInputError: influence was not counted; what to call.
        """
        return [node.name for node in self.wiring.nodes if node.kept]

    @property
    def influence_rule(self) -> InfluenceRule:
        """How influence was counted."""
        return InfluenceRule(**(self._about.get("influence") or {}))

    def influence(self, layer: str, label: int) -> xr.Dataset:
        """Which inputs the channels of a layer named in the images of a label, those with most votes first.

        Examples:
            >>> store.influence("layer4", 207).votes.sum("part")  # doctest: +SKIP

        Args:
            layer: one between whose channels and earlier ones influence was counted.
            label: of the data set.

        Returns:
            `source_layer` (a layer, or the name of what is hidden before it; empty for no channel of any),
            `source_channel` (−1) and `votes` (part) of each (channel, width), `remainder` (channel, part) for
            all others, `activation` (channel, part): images in which the channel is among the strongest
            tenth; and `images` (part) that voted. Parts are halves of the images, right and wrong ones.

        Raises:
            MissingInputError: no influence, or no such label.
            LayerNotFoundError: influence was counted for other layers.
        """
        number = self.node_of(layer)
        channel = ("channel", "width")
        found: dict[str, Any] = {
            "activation": (("channel", "part"), self.activation_counts(layer, label)),
            "images": ("part", self.influence_images(label)),
        }
        if number in self.vote_space.counted:
            votes = self.node_votes(number, label)
            names = np.array([*(node.name for node in self.wiring.nodes), ""], dtype=object)
            found |= {
                "source_layer": (channel, names[votes.node]),
                "source_channel": (channel, votes.channel),
                "votes": ((*channel, "part"), votes.votes),
                "remainder": (("channel", "part"), votes.remainder),
            }
        return xr.Dataset(found, coords={"part": list(PARTS)}, attrs={"layer": layer, "label": label})

    def influence_images(self, label: int) -> Int[np.ndarray, " part"]:
        """How many images of a label voted, in each of the four parts."""
        return self._row("images", label)

    def activation_counts(self, layer: str, label: int) -> Int[np.ndarray, "channel part"]:
        """In how many of a label's images each channel is among the strongest tenth of its layer."""
        return self._row(f"{self.vote_space.keys()[self.node_of(layer)]}/activation", label)

    @cached_property
    def vote_space(self) -> VoteSpace:
        """Where each vote is counted."""
        return VoteSpace(self.wiring, self.influence_rule.votes)

    def node_votes(self, number: int, label: int) -> NodeVotes:
        """The votes of a node of the wiring, hidden ones too.

        Args:
            number: of the node.
            label: of the data set.
        """
        key = self.vote_space.keys()[number]
        source, votes, remainder = (
            self._row(f"{key}/{name}", label) for name in ("source", "votes", "remainder")
        )
        node, channel = self._origins(number, source)
        return NodeVotes(node, channel, votes, remainder)

    def _origins(
        self, number: int, source: Int[np.ndarray, "channel width"]
    ) -> tuple[Int[np.ndarray, "channel width"], Int[np.ndarray, "channel width"]]:
        """From candidates to nodes and channels; of what is added as it is they depend on the target."""
        node = self.wiring.nodes[number]
        known = np.r_[candidates(node), [[NOWHERE] * 3]]  # the last for whoever is missing
        term, nodes, channels = (known[source, column] for column in range(3))
        for place, skip in enumerate(node.skips):
            target, slot = np.nonzero(term == len(node.filters) + place)
            nodes[target, slot], channels[target, slot] = skip.origin[target].T
        return nodes, channels

    def node_of(self, layer: str) -> int:
        """The node of the wiring that a layer is.

        Raises:
            LayerNotFoundError: influence was counted for other layers.
        """
        names = {node.name: number for number, node in enumerate(self.wiring.nodes) if node.kept}
        if layer not in names:
            hint = did_you_mean(layer, names)
            raise LayerNotFoundError(
                f"The store {self.path} has counted no influence for layer {layer!r}.{hint} It has "
                f"{list(names)}; collect again with layers=[{layer!r}, …] and influence=True to add it."
            )
        return names[layer]

    def _row(self, name: str, label: int) -> Int[np.ndarray, "..."]:
        place = np.flatnonzero(self._influence_labels == label)
        if not len(place):
            raise MissingInputError(
                f"The store has no label {label}. It has {', '.join(map(str, self._influence_labels[:8]))}"
                f"{' and more' if len(self._influence_labels) > 8 else ''}."
            )
        found = np.asarray(array_of(self._root, f"{INFLUENCE_GROUP}/{name}")[int(place[0])])
        return found.astype(np.int64)

    @cached_property
    def _influence_labels(self) -> Int[np.ndarray, " label"]:
        self.wiring  # noqa: B018 - says what is lacking
        return np.asarray(array_of(self._root, f"{INFLUENCE_GROUP}/group")[:])
