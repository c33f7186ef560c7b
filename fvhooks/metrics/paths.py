"""Path similarity: does a network process a picture as it processes real images of the same thing?

Activations of a layer are compared by Spearman's rank correlation with average ranks. Each vector is ranked
once; all correlations of a layer are then one matrix product.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int, Shaped
from numpy.typing import ArrayLike

from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError
from fvhooks.metrics.intervals import Interval, group_rows, percentile_interval, resample_counts

COORDINATES = 20_000
"""How many coordinates of a layer's activations are compared at most."""


@dataclass(frozen=True, slots=True)
class PathCurve:
    """How pictures pass one layer, beside real images.

    Args:
        same: mean correlation of real images of the same class.
        different: mean correlation of real images of different classes.
        own: mean correlation of pictures with real images of their class.
        other: mean correlation of pictures with real images of other classes.
        normalized: (own − different) / (same − different), the raw curve. A smooth picture correlates with
            everything, which is why a grey square passes it.
        contrast: (own − other) / (same − different): 1 for real images, 0 for a picture of nothing.
        separates: whether real images tell the classes apart at this layer, that is, whether the interval of
            same − different lies above 0. Where not, `normalized` and `contrast` are NaN.
    """

    same: Interval
    different: Interval
    own: Interval
    other: Interval
    normalized: Interval
    contrast: Interval
    separates: bool


def coordinates(size: int, limit: int = COORDINATES, *, seed: int = 0) -> Int[np.ndarray, " coordinate"]:
    """Which coordinates of a vector are compared: all, or a fixed random choice in ascending order.

    Examples:
        >>> coordinates(3).tolist()
        [0, 1, 2]
    """
    if size <= limit:
        return np.arange(size)
    return np.sort(np.random.default_rng(seed).choice(size, limit, replace=False))


def standardized_ranks(
    vectors: Shaped[np.ndarray, "image coordinate"],
) -> Float32[np.ndarray, "image coordinate"]:
    """The ranks of each vector's values, ties averaged, with mean 0 and length 1.

    The products of such rows are rank correlations. A constant vector has no ranks and becomes 0: it
    correlates with nothing.

    Examples:
        >>> ranks = standardized_ranks(np.array([[0.0, 0.0, 5.0], [1.0, 2.0, 3.0]]))
        >>> round(float(ranks[0] @ ranks[1]), 3)
        0.866

    Args:
        vectors: one row an image.

    Raises:
        NonFiniteError: NaN or infinity; in which rows.
    """
    array = np.asarray(vectors)
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).all(1))[:8].tolist()
        raise NonFiniteError(
            f"Activations must be finite to be ranked; NaN or infinity in rows {bad} of {len(array)}."
        )
    ranked = np.empty(array.shape, np.float32)
    for row, values in enumerate(array):
        ranks = _average_ranks(values)
        ranks -= ranks.mean()
        length = np.sqrt(ranks @ ranks)
        ranked[row] = ranks / length if length > 0 else 0.0
    return ranked


def _average_ranks(values: Shaped[np.ndarray, " coordinate"]) -> Float[np.ndarray, " coordinate"]:
    order, ascending = _ordered(values)
    starts = np.flatnonzero(np.concatenate(([True], ascending[1:] != ascending[:-1])))
    sizes = np.diff(np.append(starts, len(values)))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(starts + (sizes - 1) / 2, sizes)
    return ranks


def _ordered(values: Shaped[np.ndarray, " coordinate"]) -> tuple[np.ndarray, np.ndarray]:
    """The places of the values in ascending order, and the values so ordered."""
    if values.dtype != np.float32:
        order = np.argsort(values)
        return order, values[order]
    # The bits of a positive number ascend with it, those of a negative one descend. With its place behind
    # them, one sort of whole numbers gives both, in a third of the time of an argsort.
    bits = (np.ascontiguousarray(values) + np.float32(0.0)).view(np.uint32)  # + 0: there is one zero
    ascending = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)).astype(np.uint64)
    packed = np.sort((ascending << np.uint64(32)) | np.arange(len(values), dtype=np.uint64))
    return (packed & np.uint64(2**32 - 1)).astype(np.intp), packed >> np.uint64(32)


def spearman(
    ours: Shaped[np.ndarray, "image coordinate"], theirs: Shaped[np.ndarray, "other _"]
) -> Float32[np.ndarray, "image other"]:
    """Spearman's rank correlation of each row with each other row, ties averaged.

    Examples:
        >>> spearman(np.array([[1.0, 2.0, 3.0]]), np.array([[10.0, 20.0, 30.0]])).round(6).tolist()
        [[1.0]]
    """
    if ours.shape[1] != theirs.shape[1]:
        raise ShapeError(f"Expected vectors of one length, got {ours.shape[1]} and {theirs.shape[1]} values.")
    correlations: np.ndarray = standardized_ranks(ours) @ standardized_ranks(theirs).T
    return correlations


def path_curve(
    natural: Float32[np.ndarray, "image coordinate"],
    pictures: Float32[np.ndarray, "picture coordinate"],
    *,
    labels: ArrayLike,
    picture_labels: ArrayLike,
    draws: int = 200,
    seed: int = 0,
) -> PathCurve:
    """Compare the paths of pictures and of real images at one layer.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> labels = np.repeat([0, 1, 2], 8)
        >>> ranks = standardized_ranks(rng.normal(size=(3, 50))[labels] + rng.normal(size=(24, 50)))
        >>> curve = path_curve(ranks, ranks[::4], labels=labels, picture_labels=labels[::4])
        >>> curve.separates, curve.own.value > curve.other.value
        (True, True)

    Args:
        natural: `standardized_ranks` of real images that no picture was made from.
        pictures: `standardized_ranks` of the pictures, at the same coordinates.
        labels: of the real images; at least two classes of two images.
        picture_labels: what the pictures are of; each must be among `labels`.
        draws: bootstrap resamples; each draws classes, then images and pictures within each.
        seed: of the bootstrap.

    Raises:
        MissingInputError: fewer than two classes, a class of one image, or a picture of a class without
            images.
    """
    classes = group_rows(labels)
    seen = group_rows(picture_labels)
    _check_classes(classes, seen)
    groups = list(classes.values())
    shown = [seen.get(label, np.zeros(0, int)) for label in classes]
    grams = _Grams(natural @ natural.T, natural @ pictures.T, groups, shown)
    values = grams.means(grams.counts(None), np.ones(len(groups)))
    drawn = np.array([grams.means(counts, weights) for counts, weights in grams.resample(draws, seed)])
    return _curve(values, drawn)


def _check_classes(classes: dict[object, np.ndarray], seen: dict[object, np.ndarray]) -> None:
    small = [label for label, rows in classes.items() if len(rows) < 2]
    if len(classes) < 2 or small:
        raise MissingInputError(
            f"Path similarity needs two classes of two images, got {len(classes)}; alone: {small}."
        )
    unknown = sorted(map(str, seen.keys() - classes.keys()))
    if unknown:
        raise MissingInputError(
            f"No real images of the pictures' classes {unknown}; pass some with those labels."
        )


@dataclass(frozen=True)
class _Grams:
    """Correlations of a layer, and the images and pictures of each class."""

    natural: np.ndarray
    pictures: np.ndarray
    groups: list[np.ndarray]
    shown: list[np.ndarray]

    def __post_init__(self) -> None:
        np.fill_diagonal(
            self.natural, 0.0
        )  # an image and itself is no pair, also not where it is drawn twice

    def counts(self, rng: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
        """How often each image and picture counts, one column a class."""
        size, pictures = self.pictures.shape
        drawn = np.ones(size) if rng is None else resample_counts(self.groups, size, rng)
        some = [rows for rows in self.shown if len(rows)]
        painted = np.ones(pictures) if rng is None else resample_counts(some, pictures, rng)
        return _columns(drawn, self.groups), _columns(painted, self.shown)

    def resample(self, draws: int, seed: int) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], np.ndarray]]:
        rng = np.random.default_rng(seed)
        for _ in range(draws):
            classes = rng.integers(len(self.groups), size=len(self.groups))
            yield self.counts(rng), np.bincount(classes, minlength=len(self.groups)).astype(float)

    def means(self, counts: tuple[np.ndarray, np.ndarray], weights: np.ndarray) -> np.ndarray:
        """The means same, different, own, other, each class with its weight."""
        images, pictures = (part.astype(np.float32) for part in counts)
        sizes = images.sum(0)
        pairs = np.outer(sizes, sizes) - np.diag((images**2).sum(0))
        with np.errstate(
            invalid="ignore", divide="ignore"
        ):  # a class drawn without pairs or without pictures is NaN
            natural = (images.T @ self.natural @ images) / pairs
            painted = (images.T @ self.pictures @ pictures) / np.outer(sizes, pictures.sum(0))
        across = np.outer(weights, weights) * (1 - np.eye(len(weights)))
        within = [_mean(np.diag(block), weights) for block in (natural, painted)]
        between = [_mean(block, across) for block in (natural, painted)]
        return np.array([within[0], between[0], within[1], between[1]])


def _columns(counts: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    columns = np.zeros((len(counts), len(groups)))
    for column, rows in enumerate(groups):
        columns[rows, column] = counts[rows]
    return columns


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    known = np.isfinite(values) & (weights > 0)
    return float(np.average(values[known], weights=weights[known])) if known.any() else np.nan


def _curve(values: np.ndarray, drawn: np.ndarray) -> PathCurve:
    same, different, own, other = (percentile_interval(v, d) for v, d in zip(values, drawn.T, strict=True))
    gaps = drawn[:, 0] - drawn[:, 1]
    separates = percentile_interval(values[0] - values[1], gaps).low > 0
    gap = values[0] - values[1]

    def ratio(base: int) -> Interval:
        if not separates:
            return Interval(np.nan, np.nan, np.nan)
        return percentile_interval((values[2] - values[base]) / gap, (drawn[:, 2] - drawn[:, base]) / gaps)

    return PathCurve(same, different, own, other, ratio(1), ratio(3), separates)
