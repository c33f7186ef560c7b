"""How the peaks of each channel are distributed, in memory that does not grow with the images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Int64

_BITS = 4  # of the mantissa: sixteen bins an octave
_LEAST, _OCTAVES = -20, 36  # the smallest power of two that is told from zero, and how many follow
_FIRST = (127 + _LEAST) << _BITS
_PER_SIGN = _OCTAVES << _BITS
BINS = 2 * _PER_SIGN + 1


@dataclass
class PeakHistogram:
    """Counts of the peaks of each channel, sixteen bins an octave, beside the least and the greatest.

    Counts add up, so that the same comes out in whatever order and batches the images come.

    Examples:
        >>> seen = PeakHistogram.empty(1)
        >>> seen.update(np.array([[1.0], [2.0], [-3.0]], np.float32))
        >>> seen.quantiles([0, 0.5, 1]).round(1).tolist(), round(float(seen.active_fraction()[0]), 2)
        ([[-3.0, 1.0, 2.0]], 0.67)

    Args:
        counts: images in each bin.
        least: the lowest peak; inf where none was seen.
        greatest: the highest; −inf where none was seen.
        active: images whose peak is above zero.
    """

    counts: Int[np.ndarray, "channel bin"]
    least: Float[np.ndarray, " channel"]
    greatest: Float[np.ndarray, " channel"]
    active: Int64[np.ndarray, " channel"]

    @classmethod
    def empty(cls, channels: int) -> "PeakHistogram":
        """Nothing seen yet."""
        return cls(
            np.zeros((channels, BINS), np.int64),
            np.full(channels, np.inf, np.float32),
            np.full(channels, -np.inf, np.float32),
            np.zeros(channels, np.int64),
        )

    def update(self, peaks: Float[np.ndarray, "image channel"]) -> None:
        """Take in the peaks of more images, none of them NaN."""
        if not len(peaks):
            return
        channels = peaks.shape[1]
        places = _bins(peaks) + np.arange(channels) * BINS
        self.counts = self.counts + np.bincount(places.ravel(), minlength=channels * BINS).reshape(
            channels, -1
        )
        self.least = np.minimum(self.least, peaks.min(0))
        self.greatest = np.maximum(self.greatest, peaks.max(0))
        self.active = self.active + (peaks > 0).sum(0)

    def merge(self, other: "PeakHistogram") -> "PeakHistogram":
        """What both have seen."""
        return PeakHistogram(
            self.counts + other.counts,
            np.minimum(self.least, other.least),
            np.maximum(self.greatest, other.greatest),
            self.active + other.active,
        )

    def active_fraction(self) -> Float[np.ndarray, " channel"]:
        """The share of images whose peak is above zero; NaN where none was seen."""
        total = self.counts.sum(1)
        return np.where(total > 0, self.active / np.maximum(total, 1), np.nan).astype(np.float32)

    def quantiles(self, shares: Sequence[float]) -> Float[np.ndarray, "channel quantile"]:
        """The peaks below which these shares of the images lie; NaN where none was seen.

        The ends are exact. Between them the images of a bin, whose ends are 6 % apart, are taken as spread
        evenly.

        Args:
            shares: from 0 to 1.
        """
        cumulated, edges = self.counts.cumsum(1), _edges()
        total, found = cumulated[:, -1], np.empty((len(self.counts), len(shares)))
        channel = np.arange(len(self.counts))
        for place, share in enumerate(shares):
            rank = np.maximum(total - 1, 0) * share
            bins = (cumulated > rank[:, None]).argmax(1)
            inside = self.counts[channel, bins]
            before = cumulated[channel, bins] - inside
            part = (rank - before + 0.5) / np.maximum(inside, 1)
            found[:, place] = edges[bins] + part.clip(0, 1) * (edges[bins + 1] - edges[bins])
        found = np.clip(found, self.least[:, None], self.greatest[:, None])
        found[:, np.asarray(shares) == 0] = self.least[:, None]
        found[:, np.asarray(shares) == 1] = self.greatest[:, None]
        return np.where(total[:, None] > 0, found, np.nan).astype(np.float32)


def _bins(values: Float[np.ndarray, "image channel"]) -> Int64[np.ndarray, "image channel"]:
    """The bin of each value: the leading bits of a float, as they order it."""
    bits = np.ascontiguousarray(values, np.float32).view(np.int32).astype(np.int64)
    size = ((bits & 0x7FFFFFFF) >> (23 - _BITS)) - _FIRST + 1
    size = size.clip(0, _PER_SIGN)
    return np.where(bits < 0, _PER_SIGN - size, _PER_SIGN + size)


def _edges() -> Float[np.ndarray, " edge"]:
    """The lower end of each bin, and the upper end of the last; those around zero are one bin."""
    keys = np.arange(_FIRST, _FIRST + _PER_SIGN + 1, dtype=np.int32)
    sizes = (keys << (23 - _BITS)).view(np.float32).astype(np.float64)
    return np.concatenate([-sizes[::-1], sizes])
