"""Sums over images that merge: by label, and of the products of two layers' channels."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64


@dataclass(frozen=True, eq=False)
class LabelSums:
    """For the labels seen so far, in ascending order: how many images, and their sum.

    Args:
        labels: those that were seen.
        counts: images of each.
        totals: their sum.
    """

    labels: Int64[np.ndarray, " label"]
    counts: Int64[np.ndarray, " label"]
    totals: Float64[np.ndarray, "label channel"]

    @classmethod
    def of(
        cls,
        values: Float[np.ndarray, "image channel"],
        labels: Int[np.ndarray, " image"],
        usable: Bool[np.ndarray, " image"],
    ) -> "LabelSums":
        """The sums of one block; rows with NaN are left out.

        Examples:
            >>> sums = LabelSums.of(np.array([[1.0], [2.0], [np.nan]]), np.array([4, 4, 7]), np.ones(3, bool))
            >>> sums.labels.tolist(), sums.counts.tolist(), sums.totals.tolist()
            ([4], [2], [[3.0]])
        """
        rows = np.flatnonzero(usable & ~np.isnan(values).any(1))
        rows = rows[np.argsort(labels[rows], kind="stable")]
        found, starts, counts = np.unique(labels[rows], return_index=True, return_counts=True)
        if not len(found):
            return cls(found.astype(np.int64), counts.astype(np.int64), np.zeros((0, values.shape[1])))
        totals = np.add.reduceat(values[rows].astype(np.float64), starts, axis=0)
        return cls(found.astype(np.int64), counts.astype(np.int64), totals)

    def merge(self, other: "LabelSums") -> "LabelSums":
        """What both have seen."""
        labels = np.union1d(self.labels, other.labels)
        counts, totals = np.zeros(len(labels), np.int64), np.zeros((len(labels), self.totals.shape[1]))
        for part in (self, other):
            places = np.searchsorted(labels, part.labels)
            counts[places] += part.counts
            totals[places] += part.totals
        return LabelSums(labels, counts, totals)

    def means(self, labels: Int[np.ndarray, " label"]) -> Float64[np.ndarray, "label channel"]:
        """The mean of each of some labels; NaN where no image of it was seen."""
        means = np.full((len(labels), self.totals.shape[1]), np.nan)
        if len(self.labels):
            means[np.searchsorted(labels, self.labels)] = self.totals / self.counts[:, None]
        return means


@dataclass(frozen=True, eq=False)
class CoMoments:
    """Means, and sums of products of differences from them, of two sets of channels over the same images."""

    count: int
    first: Float64[np.ndarray, " channel"]
    second: Float64[np.ndarray, " other"]
    squares_of_first: Float64[np.ndarray, " channel"]
    squares_of_second: Float64[np.ndarray, " other"]
    products: Float64[np.ndarray, "channel other"] = field(repr=False)

    @classmethod
    def of(
        cls,
        first: Float[np.ndarray, "image channel"],
        second: Float[np.ndarray, "image other"],
        usable: Bool[np.ndarray, " image"],
    ) -> "CoMoments":
        """The sums of one block; rows with NaN on either side are left out."""
        same = second is first
        rows = usable & ~np.isnan(first).any(1) & (same or ~np.isnan(second).any(1))
        x = first[rows].astype(np.float64)
        mean_x = x.sum(0) / max(len(x), 1)
        x -= mean_x
        y, mean_y = x, mean_x
        if not same:
            y = second[rows].astype(np.float64)
            mean_y = y.sum(0) / max(len(y), 1)
            y -= mean_y
        return cls(len(x), mean_x, mean_y, (x * x).sum(0), (y * y).sum(0), x.T @ y)

    def merge(self, other: "CoMoments") -> "CoMoments":
        """What both have seen (Chan et al. 1983: stable where means are large against variances)."""
        count = self.count + other.count
        if not count:
            return self
        share, weight = other.count / count, self.count * other.count / count
        x, y = other.first - self.first, other.second - self.second
        products = np.multiply.outer(x * weight, y)
        products += self.products
        products += other.products
        return CoMoments(
            count,
            self.first + share * x,
            self.second + share * y,
            self.squares_of_first + other.squares_of_first + weight * x * x,
            self.squares_of_second + other.squares_of_second + weight * y * y,
            products,
        )

    def correlations(self) -> Float64[np.ndarray, "channel other"]:
        """Pearson's coefficients; NaN for a channel that never changes."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.products / np.sqrt(np.multiply.outer(self.squares_of_first, self.squares_of_second))
        return np.asarray(np.clip(found, -1, 1))
