"""Votes: in each image every channel of a node names the few inputs that speak most for it.

All inputs of a channel compete: the input channels of each convolution or linear map that is a term of it,
and each tensor that is added to it as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from fvhooks.errors import MissingInputError, UnsupportedModelError
from fvhooks.wiring.calls import Addition, Calls, Weighted
from fvhooks.wiring.compiled_pairs import Spread
from fvhooks.wiring.geometry import as_images
from fvhooks.wiring.pair_maps import NOBODY, PairMaps, Strongest
from fvhooks.wiring.plans import NOWHERE, Filter, Node, Skip, Wiring


@dataclass(frozen=True)
class InfluenceRule:
    """How influence is counted.

    Examples:
        >>> InfluenceRule.of(True), InfluenceRule.of({"votes": 3}).votes
        (InfluenceRule(votes=5, positive_only=False, width=32), 3)

    Args:
        votes: how many inputs each channel names in an image, of those that speak most for it.
        positive_only: leave out inputs that do not raise it; else a silent input outranks an inhibiting one,
            as in Summit, and every channel names as many as it can.
        width: how many inputs of each channel and label a store keeps, those with the most votes; the votes
            of all others are kept as one number.
    """

    votes: int = 5
    positive_only: bool = False
    width: int = 32

    @classmethod
    def of(cls, said: Any) -> "InfluenceRule | None":  # noqa: ANN401 - what a user passes
        """The rule that is meant by True, a dictionary, or itself; None for False.

        Raises:
            MissingInputError: something else, or numbers below 1.
        """
        if said is None or said is False:
            return None
        try:
            rule = said if isinstance(said, cls) else cls() if said is True else cls(**said)
        except TypeError as error:
            raise MissingInputError(
                f"Expected influence=True, or some of votes, positive_only and width, got {said!r}."
            ) from error
        if rule.votes < 1 or rule.width < 1:
            raise MissingInputError(f"Expected votes and width of influence to be 1 or more, got {rule}.")
        return rule


def candidates(node: Node) -> Int[np.ndarray, "candidate 3"]:
    """What can be named as an input of a node's channels: (term, node, channel) of each.

    A filter has one for each of its input channels; a skip has one, whose channel is the target's own matter:
    it says `NOWHERE`, and so does what comes from no node.

    Args:
        node: of a wiring.
    """
    found = [np.column_stack([np.full(len(term.origin), place), term.origin])
             for place, term in enumerate(node.filters)]  # fmt: skip
    found += [np.array([[len(node.filters) + place, NOWHERE, NOWHERE]]) for place in range(len(node.skips))]
    return np.concatenate(found) if found else np.zeros((0, 3), np.int64)


def is_counted(node: Node) -> bool:
    """Whether any channel of a node has an input that is a channel of another node."""
    origins = [*(term.origin for term in node.filters), *(skip.origin for skip in node.skips)]
    return any((origin[:, 0] != NOWHERE).any() for origin in origins)


class Votes(Calls):
    """While it is entered, one forward pass casts the votes of its images.

    Args:
        wiring: what feeds what.
        rule: how many votes, and for whom.
        compiled: whether to use compiled code where it can be had.
    """

    def __init__(self, wiring: Wiring, rule: InfluenceRule, *, compiled: bool = True) -> None:
        super().__init__()
        self._wiring, self._rule, self._compiled = wiring, rule, compiled
        self._images: torch.Tensor | None = None
        self._spread: Spread = map
        self._pairs: dict[tuple[int, int], PairMaps] = {}
        self._found: dict[int, list[tuple[int, int, Strongest]]] = {}  # first candidate, first channel
        self._filters: dict[int, list[tuple[int, int, Filter]]] = {}
        self._skips: dict[int, list[tuple[int, int, Skip]]] = {}
        self.counted = [number for number, node in enumerate(wiring.nodes) if is_counted(node)]
        for number in self.counted:
            node, first = wiring.nodes[number], 0
            for term in node.filters:
                self._filters.setdefault(term.call, []).append((number, first, term))
                first += len(term.origin)
            for skip in node.skips:
                self._skips.setdefault(skip.addition, []).append((number, first, skip))
                first += 1

    def begin(self, images: Sequence[int] | Int[np.ndarray, " image"], spread: Spread = map) -> None:
        """Say that a forward pass comes, and which of its images vote.

        Args:
            images: their places in the batch.
            spread: how images are spread over threads.
        """
        self.weighted = self.additions = 0
        self._images, self._spread, self._found = torch.as_tensor(np.asarray(images, np.int64)), spread, {}

    def on_weighted(self, weighted: Weighted) -> None:
        """A convolution or linear map: how strongly its inputs speak."""
        terms = self._filters.get(weighted.call, ())
        if not terms:
            return
        given, kernel, geometry = as_images(weighted)
        chosen = self._of_voters(given)
        strongest: dict[bytes, Strongest] = {}
        for number, first, term in terms:
            _check(term, kernel, weighted)
            same = term.scale.tobytes()
            if same not in strongest:
                key = (weighted.call, len(strongest))
                if key not in self._pairs:
                    scale = torch.as_tensor(term.scale, dtype=torch.float64).to(kernel.device)
                    folded = (kernel.detach().double() * scale[:, None, None, None]).to(_kept_type(given))
                    self._pairs[key] = PairMaps(folded, geometry, compiled=self._compiled)
                strongest[same] = self._pairs[key].strongest(chosen, self._rule.votes, self._spread)
            best = strongest[same]
            sources = torch.where(best.sources == NOBODY, best.sources, best.sources + first)
            self._take(number, (first, term.first), Strongest(best.values, sources))

    def on_addition(self, addition: Addition) -> None:
        """What is added as it is competes by the largest value of each of its channels."""
        for number, first, skip in self._skips.get(addition.number, ()):
            scale = torch.as_tensor(skip.scale)
            values = self._of_voters(addition.operands[skip.operand])
            scale = scale.to(values)
            positions = values.flatten(2) if values.ndim > 2 else values[..., None]
            largest = torch.maximum(positions.amax(2) * scale, positions.amin(2) * scale)
            self._take(number, (first, 0), self._alone(largest, first, skip))

    def end(self) -> dict[int, Int[np.ndarray, "image vote _"]]:
        """The candidates that each channel of each node names, by image; `NOBODY` where there are fewer."""
        for number, first, skip in self._skips.get(NOWHERE, ()):
            count = 0 if self._images is None else len(self._images)
            largest = torch.full((count, len(skip.origin)), torch.inf)
            self._take(number, (first, 0), self._alone(largest, first, skip))
        return {number: self._winners(number) for number in self.counted}

    def _of_voters(self, values: torch.Tensor) -> torch.Tensor:
        chosen = self._images
        values = values.detach()
        if chosen is not None and len(chosen) < len(values):
            values = values[chosen.to(values.device)]
        return values.to(_kept_type(values))

    def _alone(self, largest: torch.Tensor, candidate: int, skip: Skip) -> Strongest:
        there = torch.as_tensor(skip.origin[:, 0] != NOWHERE, device=largest.device)
        values = torch.where(there, largest, -torch.inf)
        sources = torch.where(there, candidate, NOBODY).to(torch.int32).expand(len(largest), -1)
        return Strongest(values[:, None], sources[:, None])

    def _take(self, number: int, first: tuple[int, int], found: Strongest) -> None:
        self._found.setdefault(number, []).append((*first, found))

    def _winners(self, number: int) -> Int[np.ndarray, "image vote _"]:
        """All terms of a node together: the strongest, of equal ones the first."""
        channels, votes = self._wiring.nodes[number].channels, self._rule.votes
        count = 0 if self._images is None else len(self._images)
        values = np.full((count, votes, channels), -np.inf, np.float32)
        sources = np.full((count, votes, channels), NOBODY, np.int32)
        for _, first, found in sorted(self._found.pop(number, []), key=lambda part: part[0]):
            here = slice(first, first + found.values.shape[2])
            new, who = found.values.float().cpu().numpy(), found.sources.cpu().numpy()
            before = sources[..., here]
            if (before == NOBODY).all():
                values[:, : new.shape[1], here], sources[:, : who.shape[1], here] = (
                    new[:, :votes],
                    who[:, :votes],
                )
                continue
            both, names = np.concatenate([values[..., here], new], 1), np.concatenate([before, who], 1)
            order = np.argsort(-both, axis=1, kind="stable")[:, :votes]
            values[..., here] = np.take_along_axis(both, order, 1)
            sources[..., here] = np.take_along_axis(names, order, 1)
        if self._rule.positive_only:
            sources[~(values > 0)] = NOBODY
        return sources


def _kept_type(values: torch.Tensor) -> torch.dtype:
    return torch.float64 if values.dtype == torch.float64 else torch.float32


def _check(term: Filter, kernel: torch.Tensor, weighted: Weighted) -> None:
    inputs = kernel.shape[1] * weighted.groups
    if (len(term.scale), len(term.origin)) != (len(kernel), inputs):
        raise UnsupportedModelError(
            f"Expected call {weighted.call} of {term.module or 'a function'!r} to have {len(term.origin)} "
            f"inputs and {len(term.scale)} outputs, got {inputs} and {len(kernel)}: the model does not run "
            "as it did when its wiring was found."
        )
