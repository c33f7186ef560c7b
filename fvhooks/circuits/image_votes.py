"""The votes of single images, counted when they are asked for: a store keeps only those of whole classes."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.circuits.edges import HALVES, Question
from fvhooks.errors import MissingInputError
from fvhooks.store.reading import Store
from fvhooks.wiring import Wiring
from fvhooks.wiring.plans import NOWHERE
from fvhooks.wiring.votes import Votes, candidates

_BATCH = 16


@dataclass(frozen=True, eq=False)
class ImageVotes:
    """The votes of some images, as shares of them.

    Args:
        store: whose wiring and rule they follow.
        found: of each node, how many images, and how many of each half, name a candidate.
        counts: how many images there are, and how many of each half.
    """

    store: Store
    found: dict[int, Int[np.ndarray, "variant _ _"]]
    counts: Int[np.ndarray, " variant"]

    @classmethod
    def of(cls, question: Question) -> "ImageVotes":
        """One forward pass over the images of a question.

        Raises:
            MissingInputError: no model was given.
            StoreError: the store belongs to another model.
        """
        hooked, store = question.hooked, question.store
        if hooked is None:
            raise MissingInputError(
                "A store keeps the votes of classes, not of single images: pass hooked= beside ids=, and "
                "they are counted now."
            )
        layers = list(store.wiring.layers)
        store.require(hooked, layers)
        names = [str(name) for name in store.images_table.id.values[question.rows]]
        votes = Votes(store.wiring, store.influence_rule)
        found: dict[int, Int[np.ndarray, "variant _ _"]] = {}
        for start in range(0, len(names), _BATCH):
            images = hooked.normalize(store.images(names[start : start + _BATCH]))
            votes.begin(np.arange(len(images)))
            with torch.no_grad(), votes:
                hooked.read_normalized(images, layers)
            half = question.half[start : start + _BATCH]
            for number, winners in votes.end().items():
                size = len(candidates(store.wiring.nodes[number]))
                if number not in found:
                    found[number] = np.zeros((1 + HALVES, winners.shape[2], size), np.int32)
                _count(found[number], winners, half)
        counts = np.array([len(names), *np.bincount(question.half, minlength=HALVES)])
        return cls(store, found, counts)

    @property
    def wiring(self) -> Wiring:
        """Of the network."""
        return self.store.wiring

    def steps(
        self, number: int
    ) -> tuple[Int[np.ndarray, " step"], Int[np.ndarray, "step 2"], Float[np.ndarray, "step variant"]]:
        """(channel, (node, channel) that it named, share of images) of a node, whoever got a vote."""
        node, counts = self.wiring.nodes[number], self.found[number]
        target, chosen = np.nonzero(counts[0])
        known = candidates(node)
        origin = known[chosen, 1:]
        for place, skip in enumerate(node.skips):
            mine = known[chosen, 0] == len(node.filters) + place
            origin[mine] = skip.origin[target[mine]]
        shares = counts[:, target, chosen].T / np.where(
            self.counts > 0, self.counts, np.nan
        )  # of no image nothing is known
        there = origin[:, 0] != NOWHERE
        return target[there], origin[there], shares[there]


def _count(
    counts: Int[np.ndarray, "variant channel candidate"],
    winners: Int[np.ndarray, "image vote channel"],
    half: Int[np.ndarray, " image"],
) -> None:
    image, vote, channel = np.nonzero(winners >= 0)
    chosen = winners[image, vote, channel]
    for variant, which in ((0, np.ones(len(image), bool)), (1, half[image] == 0), (2, half[image] == 1)):
        np.add.at(counts[variant], (channel[which], chosen[which]), 1)
