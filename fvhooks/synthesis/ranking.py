"""Sort matching on a CPU: a few rows at a time, from their ranks to the gradient while the cache holds them.

A row is one channel of one picture. Its values are laid on an even grid between its smallest and largest
one, as many steps as fit into 32 bits beside the place of the value, so that one vectorised sort of whole
numbers ranks them: half the work of 64 bits, a sixth of an argsort. Values less than a step apart
rank by place. With 12,544 positions a step is 1/262,000 of the row's range.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.threads import thread_pool

_BLOCK = 1 << 15  # values at a time: keys, grid, targets and places together stay below 1 MB
_WORTH_A_THREAD = 1 << 17  # values; to start one costs as much as to match some ten thousand

Rows = Float[np.ndarray, "row place"]


def matched_rows(
    values: Float[torch.Tensor, "picture channel position"],
    profiles: Float[torch.Tensor, "profile channel rank"],
    owner: Int[torch.Tensor, " picture"],
    weight: Float[torch.Tensor, "picture channel 1"],
) -> tuple[Float[torch.Tensor, "picture channel position"], Float[torch.Tensor, " picture"]]:
    """The gradient of the sort-matching loss of each picture at its values, and the loss.

    Each row is computed by itself: neither the other rows nor the number of threads change a bit of it.

    Args:
        values: what the pictures give, on the CPU.
        profiles: ascending along the last axis.
        owner: which profile each picture follows.
        weight: of each channel's squared differences.
    """
    pull = torch.empty_like(values)
    losses = np.empty(values.shape[:2], np.float32)
    task = _Task(
        values.detach().numpy(),
        np.ascontiguousarray(profiles.numpy(), np.float32),
        owner.numpy(),
        np.ascontiguousarray(weight.numpy()[..., 0], np.float32),
        pull.numpy(),
        losses,
    )
    rows = values.shape[0] * values.shape[1]
    parts = max(1, min(torch.get_num_threads(), values.numel() // _WORTH_A_THREAD, rows))
    bounds = np.linspace(0, rows, parts + 1).astype(int).tolist()
    if parts == 1:
        task.run(0, rows)
    else:  # NumPy lets go of the interpreter lock while it sorts
        with thread_pool(parts, "fvhooks-sort") as pool:
            for job in [pool.submit(task.run, first, last) for first, last in itertools.pairwise(bounds)]:
                job.result()
    return pull, torch.from_numpy(losses).sum(1)


class _Room:
    """What a thread works in, taken once: a block of rows of a length."""

    def __init__(self, rows: int, places: int) -> None:
        bits = max(1, (places - 1).bit_length())
        kind: Any = np.uint32 if bits <= 16 else np.uint64
        grid = min(32 - bits, 24) if bits <= 16 else 24
        self.bits, self.mask = kind(bits), kind((1 << bits) - 1)
        self.steps = np.float32(0.999 * 2**grid)  # below the power: rounding must not pass it
        self.places = np.arange(places, dtype=kind)
        self.starts = (np.arange(rows) * places)[:, None]
        self.grid, self.targets = np.empty((rows, places), np.float32), np.empty((rows, places), np.float32)
        self.keys: Any = np.empty((rows, places), kind)
        self.index = np.empty((rows, places), np.int64)

    def order(self, rows: Rows) -> Int[np.ndarray, "row place"]:
        """Where in this room each value of the rows belongs that comes k-th in its row."""
        grid, keys, index = self.grid[: len(rows)], self.keys[: len(rows)], self.index[: len(rows)]
        low = rows.min(1, keepdims=True)
        span = np.maximum(rows.max(1, keepdims=True) - low, np.float32(1e-30))
        np.subtract(rows, low, out=grid)
        grid *= self.steps / span
        with np.errstate(invalid="ignore"):  # what is not finite ranks somewhere; the loss will tell of it
            np.copyto(keys.view(np.int32 if keys.itemsize == 4 else np.int64), grid, casting="unsafe")
        keys <<= self.bits
        keys |= self.places
        keys.sort(axis=-1)
        keys &= self.mask
        np.add(keys, self.starts[: len(rows)], out=index, casting="unsafe")
        return index


@dataclass(frozen=True, slots=True)
class _Task:
    """Everything that the threads share; each writes rows of its own."""

    values: Float[np.ndarray, "picture channel place"]
    profiles: Float[np.ndarray, "profile channel place"]
    owner: Int[np.ndarray, " picture"]
    weight: Float[np.ndarray, "picture channel"]
    pull: Float[np.ndarray, "picture channel place"]
    losses: Float[np.ndarray, "picture channel"]

    def run(self, first: int, last: int) -> None:
        """Match rows `first` to `last`, counted through the pictures."""
        channels, places = self.values.shape[1:]
        height = max(1, _BLOCK // places)
        room = _Room(height, places)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            while first < last:
                picture, row = divmod(first, channels)
                end = min(row + height, channels, row + last - first)
                self._match(room, picture, slice(row, end))
                first += end - row

    def _match(self, room: _Room, picture: int, rows: slice) -> None:
        values = np.ascontiguousarray(self.values[picture, rows], np.float32)
        targets, grid = room.targets[: len(values)], room.grid[: len(values)]
        index = room.order(values)
        targets.reshape(-1)[index.reshape(-1)] = self.profiles[self.owner[picture], rows].reshape(-1)
        np.subtract(values, targets, out=targets)
        weight = self.weight[picture, rows]
        np.multiply(targets, targets, out=grid)
        self.losses[picture, rows] = grid.sum(1) * weight
        np.multiply(targets, 2 * weight[:, None], out=self.pull[picture, rows], casting="same_kind")
