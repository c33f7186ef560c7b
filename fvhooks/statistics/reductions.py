"""Reductions over the positions of each channel, on whichever device the activations are.

On a CPU NumPy's `argmax` and `sort` are used, which are vectorised: torch's took 3 and 10 times as long. Sums
are torch's: they take a whole batch, share it out over the cores and need a third of NumPy's time.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

Spread = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""How work is spread over threads: `map`, or an executor's."""

_PART = 4  # images that one thread looks at at a time
_ROUNDED = 30  # mean² over variance from where a difference of float32 sums loses digits that count

Activations = Float[torch.Tensor, "image channel position"]
PerChannel = Float[np.ndarray, "image channel"]


def extremes(
    activations: Activations, spread: Spread = map
) -> tuple[PerChannel, Int[np.ndarray, "image channel"]]:
    """The largest value of each channel and the first position that has it."""
    if activations.device.type == "cpu":
        parts = list(spread(_extremes, torch.split(activations, _PART)))
        values, positions = zip(*parts, strict=True)
        return np.concatenate(values), np.concatenate(positions)
    peaks, places = activations.max(-1)
    return peaks.cpu().numpy(), places.cpu().numpy().astype(np.int32)


def _extremes(activations: Activations) -> tuple[PerChannel, Int[np.ndarray, "image channel"]]:
    values = activations.numpy()
    positions = values.argmax(-1)
    return np.take_along_axis(values, positions[..., None], -1)[..., 0], positions.astype(np.int32)


def lows(activations: Activations) -> PerChannel:
    """The smallest value of each channel."""
    return np.asarray(activations.amin(-1).cpu().numpy())


def means(activations: Activations) -> PerChannel:
    """The mean of each channel."""
    return np.asarray(_means(activations).cpu().numpy())


def _means(activations: Activations) -> Float[torch.Tensor, "image channel"]:
    return _by_row(activations, lambda rows: rows.mean(-1))


def _by_row(
    activations: Activations, reduce: Callable[[torch.Tensor], torch.Tensor]
) -> Float[torch.Tensor, "image channel"]:
    """Torch shares a single sum out over threads, which changes its last bits: it gets company."""
    if activations.shape[0] * activations.shape[1] == 1:
        return reduce(activations.expand(2, -1, -1).contiguous())[:1]
    return reduce(activations)


def deviations(activations: Activations) -> tuple[PerChannel, PerChannel]:
    """The mean of each channel and the sum of squared differences from it.

    From the sum of squares, without a copy of the activations; channels whose mean is so far from zero that
    rounding would show are done in two passes.
    """
    middle = _means(activations)
    level = activations.shape[-1] * middle.square()
    norms = _by_row(activations, lambda rows: torch.linalg.vector_norm(rows, dim=-1))
    squares = (norms.square() - level).clamp(min=0)
    close = (squares * _ROUNDED < level).nonzero(as_tuple=True)
    if len(close[0]):
        rest = (activations[close] - middle[close].unsqueeze(-1)).square().unsqueeze(0)
        squares[close] = _by_row(rest, lambda rows: rows.sum(-1))[0]
    return middle.cpu().numpy(), squares.cpu().numpy()


def order_statistics(
    activations: Activations, ranks: Int[np.ndarray, " rank"]
) -> Float[np.ndarray, "image channel rank"]:
    """Each channel's values sorted upwards, at the given places of that order."""
    if activations.device.type == "cpu":
        return np.asarray(np.sort(activations.numpy(), axis=-1)[..., ranks])
    chosen = torch.from_numpy(ranks).to(activations.device, torch.int64)
    return np.asarray(activations.sort(-1).values[..., chosen].cpu().numpy())
