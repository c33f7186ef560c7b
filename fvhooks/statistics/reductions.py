"""Reductions over the positions of each channel, on whichever device the activations are.

On a CPU NumPy's are used: its `argmax` and `sort` are vectorised, torch's took 6 and 10 times as long.
"""

import numpy as np
import torch
from jaxtyping import Float, Int

Activations = Float[torch.Tensor, "image channel position"]
PerChannel = Float[np.ndarray, "image channel"]


def extremes(activations: Activations) -> tuple[PerChannel, Int[np.ndarray, "image channel"]]:
    """The largest value of each channel and the first position that has it."""
    if activations.device.type == "cpu":
        values = activations.numpy()
        positions = values.argmax(-1)
        return np.take_along_axis(values, positions[..., None], -1)[..., 0], positions.astype(np.int32)
    peaks, places = activations.max(-1)
    return peaks.cpu().numpy(), places.cpu().numpy().astype(np.int32)


def lows(activations: Activations) -> PerChannel:
    """The smallest value of each channel."""
    if activations.device.type == "cpu":
        return np.asarray(activations.numpy().min(-1))
    return np.asarray(activations.amin(-1).cpu().numpy())


def means(activations: Activations) -> PerChannel:
    """The mean of each channel."""
    if activations.device.type == "cpu":
        return np.asarray(activations.numpy().mean(-1))
    return np.asarray(activations.mean(-1).cpu().numpy())


def deviations(activations: Activations) -> tuple[PerChannel, PerChannel]:
    """The mean of each channel and the sum of squared differences from it, in two passes."""
    if activations.device.type == "cpu":
        values = activations.numpy()
        centre = values.mean(-1, keepdims=True)
        rest = values - centre
        return centre[..., 0], np.einsum("icp,icp->ic", rest, rest)
    middle = activations.mean(-1, keepdim=True)
    squares = (activations - middle).square().sum(-1)
    return middle[..., 0].cpu().numpy(), squares.cpu().numpy()


def order_statistics(
    activations: Activations, ranks: Int[np.ndarray, " rank"]
) -> Float[np.ndarray, "image channel rank"]:
    """Each channel's values sorted upwards, at the given places of that order."""
    if activations.device.type == "cpu":
        return np.asarray(np.sort(activations.numpy(), axis=-1)[..., ranks])
    chosen = torch.from_numpy(ranks).to(activations.device, torch.int64)
    return np.asarray(activations.sort(-1).values[..., chosen].cpu().numpy())
