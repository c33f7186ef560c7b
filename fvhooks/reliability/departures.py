"""How far a picture lies from what real images do, in units of their own range.

Some numbers are measured for every image: for instance its similarity to other images at each depth of a
network. The range of real images is their 5 to 95 % range of each number. The *departure* of one number is 0
at the median of real images, 1 at the edge of that range, 2 twice as far out. All numbers of a picture
together depart by their root mean square, after what real images' numbers have in common is taken out
(Mahalanobis' distance): a picture whose numbers each lie in their range may still go together as in no real
image. The limit for it is what 95 % of real images stay below.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from fvhooks.errors import MissingInputError

RANGE = (0.05, 0.95)
LEVEL = 0.95
FEWEST = 10
"""Real images below which no limit is set: the highest of n images is passed by one fresh image in n + 1."""
_FOLDS = 10
_KEPT = 0.5  # of the correlations: some tens of images do not tell those of ten numbers well


@dataclass(frozen=True, slots=True)
class Band:
    """The range of each number among real images.

    Examples:
        >>> band = Band.fit(np.arange(101.0)[:, None])
        >>> band.departure(np.array([[50.0], [95.0], [140.0]])).tolist()
        [0.0, 1.0, 2.0]

    Args:
        low: 5 % quantile of each number; of several draws of real images at once, where each has its own.
        middle: median.
        high: 95 % quantile.
        precision: the inverse of the departures' correlations; without it numbers count as unrelated.
    """

    low: Float[np.ndarray, "*draw number"]
    middle: Float[np.ndarray, "*draw number"]
    high: Float[np.ndarray, "*draw number"]
    precision: Float[np.ndarray, "number number"] | None = None

    @classmethod
    def fit(cls, values: Float[np.ndarray, "image number"]) -> "Band":
        """The ranges among real images, and how their numbers go together."""
        low, middle, high = np.quantile(values, [RANGE[0], 0.5, RANGE[1]], axis=0)
        alone = cls(low, middle, high)
        return replace(alone, precision=np.linalg.inv(_correlations(alone._signed(values))))

    def departure(self, values: Float[np.ndarray, "*any number"]) -> Float[np.ndarray, "*any"]:
        """The departure of each picture, all its numbers together."""
        off = self._signed(values)
        endless = np.isinf(off).any(-1)
        off = np.where(endless[..., None], 0.0, off)
        precision = np.eye(off.shape[-1]) if self.precision is None else self.precision
        squares = np.einsum("...i,ij,...j->...", off, precision, off) / off.shape[-1]
        return np.asarray(np.where(endless, np.inf, np.sqrt(squares)))

    def departures(self, values: Float[np.ndarray, "*any number"]) -> Float[np.ndarray, "*any number"]:
        """The departure of each number of each picture alone."""
        return np.asarray(np.abs(self._signed(values)))

    def _signed(self, values: Float[np.ndarray, "*any number"]) -> Float[np.ndarray, "*any number"]:
        off = values - self.middle
        width = np.where(off > 0, self.high - self.middle, self.middle - self.low)
        with np.errstate(
            divide="ignore", invalid="ignore"
        ):  # no width: anything off the middle is infinitely far
            return np.asarray(np.where(off == 0, 0.0, off / width))


def _correlations(off: Float[np.ndarray, "image number"]) -> Float[np.ndarray, "number number"]:
    """How departures go together, shrunk towards not at all; a number without a range goes with none."""
    known = np.isfinite(off).all(0) & (off != 0).any(0)
    rows = np.where(known, off, 0.0)
    length = np.where(known, np.sqrt((rows**2).sum(0)), 1.0)
    together = _KEPT * (rows / length).T @ (rows / length)
    np.fill_diagonal(together, 1.0)
    return together


def departure_limit(values: Float[np.ndarray, "image number"]) -> float:
    """The departure that 95 % of fresh real images stay below.

    Below 19 images the highest of them stands for the 95 %.

    Raises:
        MissingInputError: too few images to set a limit with.
    """
    return upper_limit(fresh_departures(values))


def fresh_departures(values: Float[np.ndarray, "image number"]) -> Float[np.ndarray, " image"]:
    """The departure of each real image from ranges of the others, in ten folds.

    Measured against ranges that it helped to set, an image would look nearer than a fresh one.

    Raises:
        MissingInputError: too few images to set a limit with.
    """
    count = len(values)
    if count < FEWEST:
        raise MissingInputError(f"a limit needs {FEWEST} real images to be set with, there are {count}")
    fold = np.random.default_rng(0).permutation(count) % _FOLDS
    departures = np.empty(count)
    for held in range(_FOLDS):
        departures[fold == held] = Band.fit(values[fold != held]).departure(values[fold == held])
    return departures


def upper_limit(numbers: Float[np.ndarray, " image"]) -> float:
    """What 95 % of fresh real images stay below, from the numbers of some.

    Examples:
        >>> upper_limit(np.arange(1.0, 100.0))
        95.0
    """
    count = len(numbers)
    return float(np.sort(numbers)[min(math.ceil((count + 1) * LEVEL), count) - 1])
