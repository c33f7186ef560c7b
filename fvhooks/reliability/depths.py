"""One depth of a path: how images correlate there with real images of a unit's kind and of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32

from fvhooks.metrics.intervals import percentile_interval

DRAWS = 200
"""Bootstrap resamples."""

Ranks = Float32[np.ndarray, "_ _"]


@dataclass(frozen=True)
class Depth:
    """Rank correlations at one layer, between calibration images and three parts: "own", "held" and "cast".

    Args:
        layer: the layer's name.
        to_own: of calibration images of the unit's kind (rows) with each part; NaN for an image with itself.
        to_other: of calibration images of another kind with each part.
    """

    layer: str
    to_own: dict[str, Ranks]
    to_other: dict[str, Ranks]

    @classmethod
    def measure(cls, layer: str, ranks: Mapping[str, Ranks]) -> "Depth":
        """The correlations of `standardized_ranks` of "own", "other", "held" and "cast"."""
        parts = ("own", "held", "cast")
        own = {part: ranks["own"] @ ranks[part].T for part in parts}
        np.fill_diagonal(own["own"], np.nan)
        return cls(layer, own, {part: ranks["other"] @ ranks[part].T for part in parts})

    def means(self, part: str) -> tuple[Float[np.ndarray, " image"], Float[np.ndarray, " image"]]:
        """Each image's mean correlation with the unit's own kind and with others."""
        own, other = np.nanmean(self.to_own[part], axis=0), self.to_other[part].mean(0)
        return own.astype(float), other.astype(float)

    @cached_property
    def gap(self) -> float:
        """How much more real images resemble their own kind than others."""
        own, other = self.means("own")
        return float((own - other).mean())

    @cached_property
    def separates(self) -> bool:
        """Whether real images tell their kind from others here: the interval of `gap` lies above 0."""
        own, other = self.means("own")
        chosen = np.random.default_rng(0).integers(len(own), size=(DRAWS, len(own)))
        return percentile_interval(self.gap, (own - other)[chosen].mean(1)).low > 0

    @property
    def names(self) -> list[str]:
        """What `numbers` holds."""
        return ["similarity to its kind", "contrast"][: 1 + self.separates]

    def contrast(self, part: str) -> Float[np.ndarray, " image"]:
        """Own less other, over the same for real images; NaN where those do not separate."""
        own, other = self.means(part)
        return (own - other) / self.gap if self.separates else np.full(len(own), np.nan)

    def numbers(self, part: str) -> Float[np.ndarray, "image number"]:
        """What a path is judged by: similarity to the own kind, contrast where real images separate."""
        own, _ = self.means(part)
        return np.stack([own, self.contrast(part)], 1)[:, : 1 + self.separates]

    def redrawn(self, weights: Sequence[np.ndarray]) -> Float[np.ndarray, "draw member number"]:
        """`numbers` of the cast, the real images that it is compared with weighted anew in each draw."""
        own, other = (w @ to["cast"] for w, to in zip(weights, (self.to_own, self.to_other), strict=True))
        contrast = (own - other) / self.gap
        return np.stack([own, contrast], 2)[:, :, : 1 + self.separates].astype(float)


def redraw(depths: Sequence[Depth]) -> Float[np.ndarray, "draw member number"]:
    """The numbers of the cast at all depths, the real images drawn again: the same draws at every depth."""
    rng = np.random.default_rng(0)
    sizes = len(depths[0].to_own["cast"]), len(depths[0].to_other["cast"])
    weights = [rng.multinomial(size, np.full(size, 1 / size), size=DRAWS) / size for size in sizes]
    return np.concatenate([depth.redrawn(weights) for depth in depths], axis=2)
