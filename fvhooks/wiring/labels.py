"""Which line each value of a tensor belongs to.

Labels are a tensor of line numbers that broadcasts to the values' shape: of an axis along which they do not
change only one place is kept.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from fvhooks.wiring.lines import LineNumbers

Labels = Int[Tensor, "..."]


def compact(labels: Labels) -> Labels:
    """The same labels, an axis kept only where they change along it.

    Zeros at the border of a map (`image channel y x`) are no change: the padding of a channel is part of it.

    Examples:
        >>> compact(torch.tensor([[1, 1, 1], [2, 2, 2]])).shape
        torch.Size([2, 1])
    """
    for axis in range(labels.ndim):
        if labels.shape[axis] == 1:
            continue
        head = labels.narrow(axis, 0, 1)
        if labels.ndim == 4 and axis >= 2:
            head = labels.amax(axis, keepdim=True)
            same = (labels == head) | (labels == 0)
        else:
            same = labels == head
        if bool(same.all()):
            labels = head
    return labels.clone() if labels.numel() else labels


def without(labels: Labels, axes: Sequence[int]) -> Labels | None:
    """The labels with some axes left at one place; None where they change along them, zeros aside.

    Args:
        labels: compact or not.
        axes: which, counted from either end.
    """
    for axis in axes:
        if labels.shape[axis] > 1:
            head = labels.amax(axis, keepdim=True)
            if not bool(((labels == head) | (labels == 0)).all()):
                return None
            labels = head
    return labels


def along(labels: Labels, axis: int, size: int) -> LineNumbers | None:
    """The line of each channel; None where a channel has several.

    Args:
        labels: compact or not.
        axis: the channels', counted from either end.
        size: how many channels.
    """
    axis %= labels.ndim
    bare = without(labels, [other for other in range(labels.ndim) if other != axis])
    if bare is None:
        return None
    return bare.reshape(-1).expand(size if bare.numel() == 1 else -1).numpy().copy()


def across(lines: LineNumbers, axis: int, ndim: int) -> Labels:
    """Labels of a tensor whose channels are some lines.

    Examples:
        >>> across(np.array([4, 5, 6]), 1, 4).shape
        torch.Size([1, 3, 1, 1])
    """
    shape = [1] * ndim
    shape[axis] = len(lines)
    return torch.from_numpy(np.asarray(lines, dtype=np.int64)).reshape(shape)
