"""How different pictures are: of one unit from each other, and from the images that they were made from."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError
from fvhooks.metrics.intervals import group_rows


@dataclass(frozen=True, slots=True)
class Diversity:
    """How far pictures lie apart.

    Args:
        within: mean squared distance of two pictures of one unit.
        between: mean squared distance of two pictures of different units.
        ratio: within over between: 0 where all pictures of a unit are one, 1 where units make no difference;
            NaN where pictures of different units do not differ at all.
    """

    within: float
    between: float
    ratio: float


def diversity(features: Float[np.ndarray, "picture feature"], groups: ArrayLike) -> Diversity:
    """Compare how much pictures of one unit differ with how much pictures of different units do.

    A pair counts once, a picture is no pair with itself, and every unit counts alike.

    Examples:
        >>> diversity(np.array([[0.0], [2.0], [10.0], [12.0]]), [0, 0, 1, 1])
        Diversity(within=4.0, between=102.0, ratio=0.0392156862745098)

    Args:
        features: of each picture.
        groups: which unit each picture is of.

    Raises:
        ShapeError: another number of groups than of pictures.
        MissingInputError: a single unit, or one with a single picture.
        NonFiniteError: NaN or infinity.
    """
    ours = _checked(features)
    if np.shape(groups) != (len(ours),):
        raise ShapeError(f"Expected a group for each of {len(ours)} pictures, got {np.shape(groups)}.")
    parts = [ours[rows] for rows in group_rows(groups).values()]
    few = min(len(part) for part in parts)
    if len(parts) < 2 or few < 2:
        raise MissingInputError(
            f"Expected two units or more with two pictures or more each, got {len(parts)} units, one of them "
            f"with {few} pictures."
        )
    within = float(np.mean([2 * part.var(0, ddof=1).sum() for part in parts]))
    centres = np.stack([part.mean(0) for part in parts])
    spreads = np.array([part.var(0).sum() for part in parts])
    apart = _squared(centres, centres) + spreads[:, None] + spreads
    between = float(apart[~np.eye(len(parts), dtype=bool)].mean())
    return Diversity(within, between, within / between if between > 0 else float("nan"))


def novelty(
    features: Float[np.ndarray, "picture feature"],
    references: Float[np.ndarray, "reference _"],
    natural: Float[np.ndarray, "image _"],
) -> Float[np.ndarray, " picture"]:
    """How far each picture is from the nearest image that it may have been made from.

    Examples:
        >>> references = np.array([[0.0], [10.0]])
        >>> novelty(np.array([[0.0], [13.0]]), references, np.array([[12.0], [2.0]])).tolist()
        [0.0, 1.5]

    Args:
        features: of each picture.
        references: of the images that pictures are made from.
        natural: of real images that made no picture: their median distance is the unit.

    Returns:
        0 for a copied reference, 1 for a usual new photograph; much more is far from any photograph.

    Raises:
        ShapeError: other numbers of features, or no image.
        MissingInputError: the real images are references themselves, so that there is no unit.
        NonFiniteError: NaN or infinity.
    """
    ours, made_from, real = (_checked(part) for part in (features, references, natural))
    if len({part.shape[1] for part in (ours, made_from, real)}) > 1:
        raise ShapeError(
            f"Expected the same features of all images, got {[p.shape[1] for p in (ours, made_from, real)]}."
        )
    unit = float(np.median(_nearest(real, made_from)))
    if unit == 0:
        raise MissingInputError("The real images are references themselves; pass some that made no picture.")
    return _nearest(ours, made_from) / unit


def _nearest(ours: Float[np.ndarray, "a f"], theirs: Float[np.ndarray, "b f"]) -> Float[np.ndarray, " a"]:
    """The distance itself is taken of the nearest alone: the quick form is not exact for a copy."""
    place = _squared(ours, theirs).argmin(1)
    return np.asarray(np.linalg.norm(ours - theirs[place], axis=1))


def _squared(ours: Float[np.ndarray, "a f"], theirs: Float[np.ndarray, "b f"]) -> Float[np.ndarray, "a b"]:
    found = (ours**2).sum(1)[:, None] + (theirs**2).sum(1) - 2 * ours @ theirs.T
    return np.asarray(np.maximum(found, 0.0))


def _checked(values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "picture feature"]:
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or not len(array):
        raise ShapeError(f"Expected features as (image, feature), got {array.shape}.")
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).all(1))[:8].tolist()
        raise NonFiniteError(f"Features must be finite; NaN or infinity in rows {bad} of {len(array)}.")
    return array
