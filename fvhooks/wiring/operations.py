"""One call of an operation, as a rule is given it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fvhooks.hooks.addresses import tensors_in
from fvhooks.wiring.calls import Addition, Weighted
from fvhooks.wiring.labels import Labels
from fvhooks.wiring.lines import Kind, Lines


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operation, about to run.

    Args:
        lines: of the forward pass; a rule adds to them.
        labels: of a tensor, None where it is a constant.
        name: the operation's.
        args: what it is given by place.
        given: by name.
        counted: where it is a weighted call or an addition, that.
        place: the name of the module that it runs in.
        module: the same if that module is a convolution or linear map, otherwise "".
    """

    lines: Lines
    labels: Callable[[Tensor], Labels | None]
    name: str
    args: tuple[Any, ...]
    given: dict[str, Any]
    counted: Weighted | Addition | None = None
    place: str = ""
    module: str = ""

    @property
    def operands(self) -> tuple[Any, Any]:
        """What an operation on two things is given."""
        named = [self.given[key] for key in ("input", "other") if key in self.given]
        first, second = (*self.args, *named, None, None)[:2]
        return first, second

    @property
    def own(self) -> Tensor:
        """What an operation on one tensor is given."""
        found: Tensor = self.operands[0]
        return found

    @property
    def followed(self) -> list[Tensor]:
        """Everything in the call that comes from the image."""
        every = tensors_in([*self.args, self.given]).values()
        return [tensor for tensor in every if self.labels(tensor) is not None]

    def of(self, value: Any) -> Labels | None:  # noqa: ANN401
        """Labels of an argument; None for what is not followed."""
        return self.labels(value) if isinstance(value, Tensor) else None

    def same(self, labels: Labels, others: Labels) -> bool:
        """Whether each value of two tensors comes from the same channel."""
        if labels.shape != others.shape:
            return False
        one, other = (self.lines.follow(each.reshape(-1).numpy()).stops for each in (labels, others))
        return bool(np.array_equal(one, other))

    def made(
        self,
        kind: Kind,
        *parents: Labels,
        gain: Float[np.ndarray, " factor"] | None = None,
        number: int = 0,
        gate: bool = False,
    ) -> Labels:
        """New lines, each made of those at its place; nothing is made where there are none."""
        shape = np.broadcast_shapes(*(p.shape for p in parents))
        flat = [p.expand(shape).reshape(-1).numpy().copy() for p in parents]
        signal = self.lines.add(
            kind, len(flat[0]), parents=tuple(flat), gain=gain, number=number, name=self.place
        )
        signal.gate = gate
        nothing = np.all([lines == 0 for lines in flat], axis=0)
        return torch.from_numpy(np.where(nothing, 0, signal.lines)).reshape(shape)

    def mixed(self, output: Tensor) -> Labels:
        """The labels of what mixes channels."""
        signal = self.lines.add("mixed", 1, name=self.name)
        return torch.full((1,) * output.ndim, signal.first)


def lifted(labels: Labels, ndim: int) -> Labels:
    """Labels with further axes in front."""
    return labels.reshape((1,) * (ndim - labels.ndim) + tuple(labels.shape))


def bent(call: Call) -> Labels | None:
    """A function of each value, with constants or with values of the same lines."""
    labels = [found for tensor in call.followed if (found := call.labels(tensor)) is not None]
    if not all(call.same(labels[0], other) for other in labels[1:]):
        return None
    return call.made("bent", labels[0])
