"""ReLUs that let another gradient back than their own, while a block runs."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.overrides import TorchFunctionMode

_IN_PLACE = frozenset({torch.relu_, torch.Tensor.relu_, F.relu_})
_RELUS = _IN_PLACE | {torch.relu, torch.Tensor.relu, F.relu}
_CAPPED = frozenset({F.relu6, F.hardtanh, F.hardtanh_})  # `nn.ReLU6` runs `hardtanh` from 0 to 6


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
        capped: whether a ReLU with an upper bound, such as ReLU6, is one too.
    """

    def __init__(self, rectifier: type[torch.autograd.Function], *, capped: bool = False) -> None:
        super().__init__()
        self.rectifier, self.capped = rectifier, capped
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
        low, high, overwrites = self._bounds(func, args, given)
        if low != 0:  # no rectifier
            return func(*args, **given)
        self.met += 1
        x = args[0] if args else given["input"]
        fired = self.rectifier.apply(x)
        if high is not None:
            fired = fired.clamp(max=high)
        return x.copy_(fired) if overwrites else fired  # whoever reads the input later sees it changed

    def _bounds(
        self, func: Callable[..., Any], args: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[float | None, float | None, bool]:
        """Between what an operation holds its input, None for nothing, and whether it overwrites that."""
        if func in _RELUS:
            return 0, None, func in _IN_PLACE or given.get("inplace", any(args[1:2]))
        if not self.capped or func not in _CAPPED:
            return None, None, False
        if func is F.relu6:
            return 0, 6, given.get("inplace", any(args[1:2]))
        named = dict(zip(("min_val", "max_val", "inplace"), args[1:], strict=False)) | given
        overwrites = func is F.hardtanh_ or bool(named.get("inplace"))
        return named.get("min_val", -1.0), named.get("max_val", 1.0), overwrites
