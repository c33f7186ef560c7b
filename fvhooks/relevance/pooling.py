"""Another rule for max-pooling: its relevance is shared over the window, not won by the largest value."""

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from fvhooks.relevance.rules import Call, Rule

_NOTHING: Final = 1e-20


def _spread(call: Call) -> Any:  # noqa: ANN401
    """By absolute value, as an average-pooling to the same size would; a window of zeros takes nothing."""

    def share(relevance: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            size = x.abs().requires_grad_()
            whole = F.adaptive_avg_pool2d(size, (relevance.shape[-2], relevance.shape[-1]))
        taken = whole.detach() > _NOTHING
        call.flow.strand((relevance * ~taken).flatten(1).sum(1))
        ratio = torch.where(taken, relevance / whole.clamp(min=_NOTHING), 0.0)
        (back,) = torch.autograd.grad(whole, size, ratio.detach())
        return (size.detach() * back,)

    flowing = [x for x in call.args[:1] if isinstance(x, Tensor) and x.requires_grad]
    return call.shared(share, *flowing)


SPREAD: Final[dict[Callable[..., Any], Rule]] = {torch.max_pool2d: _spread, F.max_pool2d: _spread}
"""For `Flow.more`."""
