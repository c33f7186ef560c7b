"""ReLUs that let another gradient back than their own, while a block runs."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.overrides import TorchFunctionMode

_IN_PLACE = frozenset({torch.relu_, torch.Tensor.relu_, F.relu_})
_RELUS = _IN_PLACE | {torch.relu, torch.Tensor.relu, F.relu}


class Guided(torch.autograd.Function):
    """A ReLU that lets only positive gradients back."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        """The rectified values."""
        fired = x.clamp(min=0)
        ctx.save_for_backward(fired)
        return fired

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        """The gradient where it is positive and the ReLU fired."""
        (fired,) = ctx.saved_tensors
        return torch.where(fired > 0, gradients[0].clamp(min=0), 0.0)


class Redirected(torch.autograd.Function):
    """A ReLU through which a picture that it blocks altogether can still be pulled up.

    Of an item of the batch for which no gradient passes, the part passes that raises what is silent: a step
    against it brings the ReLU nearer to firing. All other items pass as through any ReLU.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        """The rectified values."""
        fired = x.clamp(min=0)
        ctx.save_for_backward(fired)
        return fired

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        """The ReLU's own gradient, or where it is zero for a whole item, that towards firing."""
        (fired,), gradient = ctx.saved_tensors, gradients[0]
        own = torch.where(fired > 0, gradient, 0.0)
        blocked = ~own.flatten(1).any(1) if own.ndim > 1 else own == 0
        shape = [len(own), *[1] * (own.ndim - 1)]
        return torch.where(blocked.view(shape), gradient.clamp(max=0), own)


class Rectifiers(TorchFunctionMode):
    """While it is entered, every ReLU is another, that of a function too; nothing is put on the model.

    Args:
        rectifier: an autograd function that takes what a ReLU takes.
    """

    def __init__(self, rectifier: type[torch.autograd.Function]) -> None:
        super().__init__()
        self.rectifier = rectifier
        self.met = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - torch's signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Run one operation, a ReLU with another way back."""
        given = kwargs or {}
        if func not in _RELUS:
            return func(*args, **given)
        self.met += 1
        x = args[0] if args else given["input"]
        fired = self.rectifier.apply(x)
        overwrites = func in _IN_PLACE or given.get("inplace", any(args[1:2]))
        return x.copy_(fired) if overwrites else fired  # whoever reads the input later sees it changed
