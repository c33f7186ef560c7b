"""The Fréchet distance of pictures from real images in a network's features, in parts, its mean debiased.

The plain distance ‖μ₁−μ₂‖² + tr(Σ₁+Σ₂−2(Σ₁Σ₂)^½) of a few pictures is mostly sampling bias. The bias of the
first part is known exactly (both sampling variances of the means) and taken off. That of the second is not:
read it only beside fresh real images of the same number.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike

from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError
from fvhooks.metrics.intervals import Interval, group_rows, percentile_interval

Features = Float[np.ndarray, "image feature"]
Reference = Float[np.ndarray, "other _"]
Pairs = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, slots=True)
class FrechetTerms:
    """The parts of a Fréchet distance.

    Args:
        mean: ‖μ₁−μ₂‖², which grows as pictures get fewer.
        debiased_mean: the same less both sampling variances of the means: 0 on average where the true means
            are equal, and then as often below 0 as above.
        covariance: tr(Σ₁+Σ₂−2(Σ₁Σ₂)^½), which also grows as pictures get fewer.
    """

    mean: float
    debiased_mean: float
    covariance: float

    @property
    def total(self) -> float:
        """The plain Fréchet distance."""
        return self.mean + self.covariance


@dataclass(frozen=True, slots=True)
class FrechetDistance:
    """A Fréchet distance in parts, each with its bootstrap interval.

    Args:
        debiased_mean: squared distance of the means less both sampling variances.
        covariance: covariance term, biased upwards at small `count`.
        total: plain mean term plus covariance term, the usual number.
        count: pictures, the smallest class's where classes were kept apart.
        reference_count: real images, the smallest class's where classes were kept apart.
    """

    debiased_mean: Interval
    covariance: Interval
    total: Interval
    count: int
    reference_count: int


def frechet_terms(features: Features, reference: Reference) -> FrechetTerms:
    """The parts of the Fréchet distance between two sets of feature vectors.

    Examples:
        >>> terms = frechet_terms(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]]))
        >>> terms.mean, terms.debiased_mean, round(terms.covariance, 12)
        (9.0, 7.0, 0.0)

    Args:
        features: of the pictures, at least two.
        reference: of real images, at least two.

    Raises:
        ShapeError: fewer than two rows, or other numbers of features.
        NonFiniteError: NaN or infinity among the features.
    """
    return _pooled_terms([(_checked(features, "features"), _checked(reference, "reference"))])


def frechet_distance(
    features: Features,
    reference: Reference,
    *,
    labels: ArrayLike | None = None,
    reference_labels: ArrayLike | None = None,
    pooled: bool = False,
    draws: int = 200,
    seed: int = 0,
) -> FrechetDistance:
    """The Fréchet distance of pictures from real images, with intervals.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> distance = frechet_distance(rng.normal(size=(40, 3)), rng.normal(size=(60, 3)))
        >>> 0.0 in distance.debiased_mean
        True

    Args:
        features: of the pictures.
        reference: of real images that had no part in the pictures.
        labels: what each picture is of. With labels the classes are kept apart and their terms averaged, and
            the bootstrap draws classes, then pictures within each; without them it draws pictures.
        reference_labels: the labels of the real images; other classes than the pictures' are left out.
        pooled: put the classes together before means and covariances are taken. The sampling variance is then
            the one of pictures drawn class by class, and both sets should have the same share of each class.
        draws: bootstrap resamples.
        seed: of the bootstrap.

    Raises:
        MissingInputError: labels for one of the two sets only.
        ShapeError: fewer than two pictures or real images (of a class), or other numbers of features.
        NonFiniteError: NaN or infinity among the features.
    """
    pairs = _pairs(_checked(features, "features"), _checked(reference, "reference"), labels, reference_labels)
    terms_of = _pooled_terms if pooled or labels is None else _averaged_terms
    terms = terms_of(pairs)
    drawn = _bootstrap(pairs, terms_of, draws=draws, rng=np.random.default_rng(seed))
    intervals = {
        name: percentile_interval(getattr(terms, name), [getattr(d, name) for d in drawn], centred=True)
        for name in ("debiased_mean", "covariance", "total")
    }
    counts = [min(len(pair[side]) for pair in pairs) for side in (0, 1)]
    return FrechetDistance(**intervals, count=counts[0], reference_count=counts[1])


def _checked(values: Shaped[np.ndarray, "..."], name: str) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or len(array) < 2:
        raise ShapeError(f"Expected {name} as (image, feature) with at least two images, got {array.shape}.")
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).all(1))[:8].tolist()
        raise NonFiniteError(f"The {name} must be finite; NaN or infinity in rows {bad} of {len(array)}.")
    return array


def _pairs(
    features: np.ndarray, reference: np.ndarray, labels: ArrayLike | None, reference_labels: ArrayLike | None
) -> Pairs:
    """The pictures and real images of each class."""
    if features.shape[1] != reference.shape[1]:
        counts = f"{features.shape[1]} and {reference.shape[1]}"
        raise ShapeError(f"Both sets need the same features, got {counts}; read both from one layer.")
    if labels is None and reference_labels is None:
        return [(features, reference)]
    if labels is None or reference_labels is None:
        raise MissingInputError("Classes need labels of both sets: pass labels= and reference_labels=.")
    _check_count(labels, features, "labels")
    _check_count(reference_labels, reference, "reference_labels")
    ours, theirs = group_rows(labels), group_rows(reference_labels)
    for label, rows in ours.items():
        if len(rows) < 2 or len(theirs.get(label, ())) < 2:
            found = f"{len(rows)} and {len(theirs.get(label, ()))}"
            raise ShapeError(f"Class {label!r} needs two pictures and two real images, got {found}.")
    return [(features[rows], reference[theirs[label]]) for label, rows in ours.items()]


def _check_count(labels: ArrayLike, rows: Shaped[np.ndarray, "image ..."], name: str) -> None:
    if np.shape(labels) != (len(rows),):
        raise ShapeError(
            f"Expected {name} with one value for each of {len(rows)} images, got {np.shape(labels)}."
        )


def _averaged_terms(pairs: Pairs) -> FrechetTerms:
    parts = [_pooled_terms([pair]) for pair in pairs]
    names = ("mean", "debiased_mean", "covariance")
    return FrechetTerms(*(float(np.mean([getattr(part, name) for part in parts])) for name in names))


def _pooled_terms(pairs: Pairs) -> FrechetTerms:
    sides = [[pair[side] for pair in pairs] for side in (0, 1)]
    together = [np.concatenate(side) for side in sides]
    gap = together[0].mean(0) - together[1].mean(0)
    plain = float(gap @ gap)
    debiased = plain - sum(_variance_of_mean(side) for side in sides)
    return FrechetTerms(plain, debiased, _covariance_term(*(_factor(rows) for rows in together)))


def _variance_of_mean(strata: list[np.ndarray]) -> float:
    """Σ over features of the variance of the mean of rows that were drawn stratum by stratum."""
    total = sum(len(rows) for rows in strata)
    return float(sum(len(rows) * rows.var(0, ddof=1).sum() for rows in strata)) / total**2


def _factor(rows: np.ndarray) -> np.ndarray:
    """F with FᵀF = Σ; the covariance itself is never formed, which would square its condition."""
    centred = (rows - rows.mean(0)) / np.sqrt(len(rows) - 1)
    return centred if len(centred) <= centred.shape[1] else np.asarray(np.linalg.qr(centred, mode="r"))


def _covariance_term(ours: np.ndarray, theirs: np.ndarray) -> float:
    """tr(Σ₁+Σ₂−2(Σ₁Σ₂)^½): the square root's trace is the sum of the singular values of F₁F₂ᵀ."""
    shared = np.linalg.svd(ours @ theirs.T, compute_uv=False).sum()
    return float(max(0.0, (ours**2).sum() + (theirs**2).sum() - 2 * shared))


def _bootstrap(
    pairs: Pairs, terms_of: Callable[[Pairs], FrechetTerms], *, draws: int, rng: np.random.Generator
) -> list[FrechetTerms]:
    def resampled(rows: np.ndarray) -> np.ndarray:
        return rows[rng.integers(len(rows), size=len(rows))]

    drawn = []
    for _ in range(draws):
        classes = rng.integers(len(pairs), size=len(pairs))
        drawn.append(terms_of([(resampled(pairs[c][0]), resampled(pairs[c][1])) for c in classes]))
    return drawn
