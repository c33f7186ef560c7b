"""Make units fire: the objective of activation maximisation."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float

from fvhooks.synthesis.objectives import Objective, Seen
from fvhooks.units import Direction, Layout, Unit


@dataclass(frozen=True)
class Activation(Objective):
    """Minus the activation of each picture's unit, averaged over positions where the unit names none.

    Args:
        units: one an owner, all of one layer; a single one is every picture's.
        layout: how that layer is laid out.
    """

    units: Sequence[Unit | Direction]
    layout: Layout

    @property
    def layers(self) -> tuple[str, ...]:
        """The units' layer."""
        return (self.units[0].layer,)

    def __call__(self, seen: Seen) -> Float[torch.Tensor, " picture"]:
        """The loss of each picture."""
        return -torch.stack([value.mean() for value in responses(seen, self.units, self.layout)])


def responses(
    seen: Seen, units: Sequence[Unit | Direction], layout: Layout
) -> list[Float[torch.Tensor, " position"]]:
    """The activation of each picture's unit at each of its positions."""
    activations = seen.activations[units[0].layer]
    found = []
    for picture, which in enumerate(seen.owner.tolist()):
        unit, values = units[which if len(units) > 1 else 0], activations[picture]
        if isinstance(unit, Direction):
            found.append(
                torch.as_tensor(unit.vector.copy(), device=values.device, dtype=values.dtype) @ values
            )
        elif unit.position is None:
            found.append(values[unit.channel])
        else:
            found.append(values[unit.channel, layout.index(unit.position)].view(1))
    return found
