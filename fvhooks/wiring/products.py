"""What products and quotients do to lines: a factor that is constant scales, one from the image is a gate."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fvhooks.wiring.labels import Labels
from fvhooks.wiring.operations import Call, bent, lifted


def product(call: Call) -> Labels | None:
    """A product of two."""
    first, second = call.operands
    if call.of(first) is not None and call.of(second) is not None:
        return _gated(call, first, second)
    followed, factor = (first, second) if call.of(first) is not None else (second, first)
    return _scaled(call, followed, factor)


def quotient(call: Call) -> Labels | None:
    """A quotient of two."""
    first, second = call.operands
    if call.of(second) is not None or call.given.get("rounding_mode"):
        return bent(call)
    return _scaled(call, first, 1.0 / torch.as_tensor(second).double())


def negative(call: Call) -> Labels | None:
    """The opposite."""
    return _scaled(call, call.own, -1.0)


def _scaled(call: Call, followed: Tensor, factor: Any) -> Labels | None:  # noqa: ANN401
    """A product with a constant; one that changes from position to position bends."""
    labels = call.of(followed)
    if labels is None:
        return None
    values = torch.as_tensor(factor).detach().double().cpu()
    ndim = max(followed.ndim, values.ndim)
    labels, values = lifted(labels, ndim), values.reshape((1,) * (ndim - values.ndim) + tuple(values.shape))
    for axis in range(ndim):
        head = values.narrow(axis, 0, 1)
        values = head if bool((values == head).all()) else values
    shape = np.broadcast_shapes(labels.shape, values.shape)
    if math.prod(shape) > labels.numel():
        return call.made("bent", labels)
    return call.made("scaled", labels, gain=values.expand(shape).reshape(-1).numpy().copy())


def _gated(call: Call, first: Tensor, second: Tensor) -> Labels | None:
    """A product of two things computed from the image: the smaller one, if there is one, is a gate."""
    labels, others = call.of(first), call.of(second)
    if labels is None or others is None:
        return None
    if first.shape == second.shape:
        if call.same(labels, others):
            return call.made("bent", labels)
        if not _is_pooled(first):
            return None
        gates = [_is_squashed(call, one) for one in (labels, others)]
        if gates[0] == gates[1]:
            return None
        labels = others if gates[0] else labels
    elif first.numel() < second.numel():
        labels = others
    return call.made("bent", lifted(labels, max(first.ndim, second.ndim)), gate=True)


def _is_pooled(tensor: Tensor) -> bool:
    """Whether each channel has one value, so that a gate cannot be told by its size."""
    return math.prod(tensor.shape[2:]) == 1


def _is_squashed(call: Call, labels: Labels) -> bool:
    """Whether all of it has just come through a sigmoid."""
    parts = list(call.lines.by_signal(labels.reshape(-1).numpy()))
    return all(call.lines.signals[index].squashed for index, _, _ in parts)
