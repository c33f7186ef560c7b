"""The mean of sorted activations: which values a channel takes over the picture, whatever their places."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, Int

from fvhooks.errors import MissingInputError
from fvhooks.statistics import STATISTICS, Measured, Statistic, Subject
from fvhooks.statistics.reductions import order_statistics


def choose_ranks(positions: int, count: int | None = 256) -> Int[np.ndarray, " rank"]:
    """Which places of the sorted order are kept: both ends, and more of them towards the ends.

    Examples:
        >>> choose_ranks(4).tolist()
        [0, 1, 2, 3]
        >>> choose_ranks(100, 8).tolist()
        [0, 5, 19, 38, 61, 80, 94, 99]

    Args:
        positions: how many values there are to sort.
        count: how many to keep at most, two or more; None keeps all.

    Returns:
        Distinct integers from 0 to `positions - 1`, upwards.
    """
    if count is None or positions <= count:
        return np.arange(positions)
    if count < 2:
        raise MissingInputError(f"Two ends are kept at least: expected ranks ≥ 2 or None, got {count}.")
    half = (count + 1) // 2
    levels = (1 - np.cos(np.pi * np.arange(half) / (count - 1))) / 2  # Chebyshev's: dense at both ends
    low = np.rint(levels * (positions - 1)).astype(np.int64)
    low = np.maximum.accumulate(low - np.arange(half)) + np.arange(half)  # neighbours that rounded together
    high = positions - 1 - low[: count - half][::-1]
    return np.concatenate([low, high])


@STATISTICS.register("profile")
@dataclass
class Profile(Statistic):
    """Mean over images of each channel's sorted values, at chosen ranks.

    Examples:
        >>> profile = Profile.about(Subject(1, choose_ranks(3)))
        >>> profile.update(torch.tensor([[[3.0, 1.0, 2.0]], [[5.0, 3.0, 4.0]]]))
        >>> profile.result()["profile"].tolist()
        [[2.0, 3.0, 4.0]]

    Args:
        state: sum of the sorted values, in float64.
        count: how many images were seen.
        ranks: which places of the sorted order are kept.
    """

    of: ClassVar[Literal["activations"]] = "activations"
    per: ClassVar[Literal["group"]] = "group"
    over: ClassVar[Literal["references"]] = "references"
    dimensions: ClassVar[dict[str, tuple[str, ...]]] = {"profile": ("channel", "rank")}

    state: Float64[np.ndarray, "channel rank"]
    count: int
    ranks: Int[np.ndarray, " rank"]

    @classmethod
    def about(cls, subject: Subject) -> "Profile":
        """Nothing seen yet; the subject says which ranks are kept."""
        ranks = np.arange(0) if subject.ranks is None else subject.ranks
        return cls(np.zeros((subject.channels, len(ranks))), 0, ranks)

    @classmethod
    def restored(
        cls, subject: Subject, result: dict[str, Float[np.ndarray, "channel rank"]], count: int
    ) -> "Profile":
        """What gave such means."""
        empty = cls.about(subject)
        return cls(result["profile"].astype(np.float64) * count, count, empty.ranks) if count else empty

    def measure(self, values: Float[torch.Tensor, "image channel position"]) -> Measured:
        """The sorted values of each channel, at the ranks that are kept."""
        return (order_statistics(values, self.ranks),)

    def add(self, measured: Measured) -> None:
        """Take in what was measured of some images."""
        for image in measured[0]:
            self.state += image
        self.count += len(measured[0])

    def merge(self, other: "Profile") -> "Profile":
        """What both have seen."""
        return type(self)(self.state + other.state, self.count + other.count, self.ranks)

    def result(self) -> dict[str, Float[np.ndarray, "channel rank"]]:
        """`profile` (channel, rank)."""
        with np.errstate(invalid="ignore"):
            return {"profile": (self.state / np.float64(self.count)).astype(np.float32)}
