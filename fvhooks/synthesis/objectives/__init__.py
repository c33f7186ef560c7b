"""What a picture is optimised for: one objective a file; they are added and weighted with `+` and `*`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Seen:
    """What an objective may look at in one step.

    Args:
        activations: what each layer that an objective named gives for the transformed pictures, as
            `[picture, channel, position]`.
        pictures: the transformed pictures, in [0, 1].
        owner: the index of each picture's unit.
    """

    activations: Mapping[str, Float[torch.Tensor, "picture channel position"]]
    pictures: Float[torch.Tensor, "picture rgb y x"]
    owner: Int[torch.Tensor, " picture"]


class Objective(ABC):
    """A loss of each picture; lower is better.

    Examples:
        >>> from fvhooks.synthesis.objectives.pixel_norm import PixelNorm
        >>> from fvhooks.synthesis.objectives.total_variation import TotalVariation
        >>> both = TotalVariation() + 0.5 * PixelNorm()
        >>> both(Seen({}, torch.ones(2, 1, 4, 4), torch.tensor([0, 0]))).tolist()
        [2.0, 2.0]
    """

    @property
    @abstractmethod
    def layers(self) -> tuple[str, ...]:
        """The layers that it reads."""

    @abstractmethod
    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture. Only pictures of one owner may influence one another."""

    def __add__(self, other: "Objective") -> "Objective":
        return Sum([*_terms(self), *_terms(other)])

    def __mul__(self, weight: float) -> "Objective":
        return Sum([(weight * own, term) for own, term in _terms(self)])

    __rmul__ = __mul__

    def __neg__(self) -> "Objective":
        return self * -1.0

    def __sub__(self, other: "Objective") -> "Objective":
        return self + -other


@dataclass(frozen=True)
class Sum(Objective):
    """Several objectives, each with a weight.

    Args:
        terms: (weight, objective) pairs.
    """

    terms: Sequence[tuple[float, Objective]]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of all terms."""
        return tuple(dict.fromkeys(layer for _, term in self.terms for layer in term.layers))

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The weighted sum."""
        return torch.stack([weight * term(seen) for weight, term in self.terms]).sum(0)


def _terms(objective: Objective) -> Sequence[tuple[float, Objective]]:
    return objective.terms if isinstance(objective, Sum) else [(1.0, objective)]


__all__ = ["Objective", "Seen", "Sum"]
