"""How far a picture lies from what real images do, in units of their own range.

Some numbers are measured for every image: for instance its similarity to other images at each depth of a
network. The range of real images is their 5 to 95 % range of each number. A picture's *departure* is 0 at the
median of real images, 1 at the edge of that range, 2 twice as far out; its largest departure over all numbers
counts, and the limit for it is what 95 % of real images stay below.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from fvhooks.errors import MissingInputError

RANGE = (0.05, 0.95)
LEVEL = 0.95
FEWEST = 10
"""Real images below which no limit is set: the highest of n images is passed by one fresh image in n + 1."""
_FOLDS = 10


@dataclass(frozen=True, slots=True)
class Band:
    """The range of each number among real images.

    Example:
        >>> band = Band.fit(np.arange(101.0)[:, None])
        >>> band.departure(np.array([[50.0], [95.0], [140.0]])).tolist()
        [0.0, 1.0, 2.0]

    Args:
        low: 5 % quantile of each number.
        middle: median.
        high: 95 % quantile.
    """

    low: Float[np.ndarray, " number"]
    middle: Float[np.ndarray, " number"]
    high: Float[np.ndarray, " number"]

    @classmethod
    def fit(cls, values: Float[np.ndarray, "image number"]) -> "Band":
        """The ranges among real images."""
        low, middle, high = np.quantile(values, [RANGE[0], 0.5, RANGE[1]], axis=0)
        return cls(low, middle, high)

    def departure(self, values: Float[np.ndarray, "*any number"]) -> Float[np.ndarray, "*any"]:
        """The largest departure of each picture over its numbers."""
        return np.asarray(self.departures(values).max(-1))

    def departures(self, values: Float[np.ndarray, "*any number"]) -> Float[np.ndarray, "*any number"]:
        """The departure of each number of each picture."""
        off = values - self.middle
        width = np.where(off > 0, self.high - self.middle, self.middle - self.low)
        with np.errstate(
            divide="ignore", invalid="ignore"
        ):  # no width: anything off the middle is infinitely far
            return np.where(off == 0, 0.0, np.abs(off) / width)


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

    Example:
        >>> upper_limit(np.arange(1.0, 100.0))
        95.0
    """
    count = len(numbers)
    return float(np.sort(numbers)[min(math.ceil((count + 1) * LEVEL), count) - 1])
