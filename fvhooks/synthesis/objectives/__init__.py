"""What a picture is optimised for: one objective a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

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


@runtime_checkable
class Objective(Protocol):
    """A loss of each picture; lower is better."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that it reads."""
        ...

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture; pictures do not influence one another."""
        ...
