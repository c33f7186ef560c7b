"""Pictures of groups of images: what the measures of a set share."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike

from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError
from fvhooks.metrics.intervals import Interval, group_rows, percentile_interval


@dataclass(frozen=True)
class Grouped:
    """Activations of pictures, what each group's should be, and whose each picture is.

    Args:
        activations: of each picture.
        targets: of each group.
        group: of each picture.
    """

    activations: Float[np.ndarray, "picture channel"]
    targets: Float[np.ndarray, "group channel"]
    group: Int[np.ndarray, " picture"]

    @classmethod
    def checked(
        cls, activations: Shaped[np.ndarray, "..."], targets: Shaped[np.ndarray, "..."], groups: ArrayLike
    ) -> Self:
        """The same in double precision, where shapes and values are right.

        Raises:
            ShapeError: other numbers of channels, or of groups than of pictures.
            MissingInputError: a picture of a group without a target.
            NonFiniteError: NaN or infinity.
        """
        ours, theirs = (np.asarray(part, np.float64) for part in (activations, targets))
        group = np.asarray(groups)
        if ours.ndim != 2 or theirs.ndim != 2 or ours.shape[1] != theirs.shape[1] or not len(ours):
            raise ShapeError(
                "Expected activations (picture, channel) and targets (group, channel) of the same layer, got "
                f"{ours.shape} and {theirs.shape}."
            )
        if group.shape != (len(ours),):
            raise ShapeError(f"Expected a group for each of {len(ours)} pictures, got shape {group.shape}.")
        unknown = sorted(set(group.tolist()) - set(range(len(theirs))))
        if unknown:
            raise MissingInputError(
                f"There are {len(theirs)} targets; pictures are of the groups {unknown}. Groups are indices "
                "into targets, from 0."
            )
        for name, part in (("activations", ours), ("targets", theirs)):
            if not np.isfinite(part).all():
                bad = np.flatnonzero(~np.isfinite(part).all(1))[:8].tolist()
                raise NonFiniteError(f"The {name} must be finite; NaN or infinity in rows {bad}.")
        return cls(ours, theirs, group.astype(np.int64))

    def standardised(
        self, mean: Float[np.ndarray, " channel"] | None, deviation: Float[np.ndarray, " channel"] | None
    ) -> tuple[Float[np.ndarray, "picture channel"], Float[np.ndarray, "group channel"]]:
        """Pictures and targets less what is usual, in its deviations; channels that never vary are left out.

        Raises:
            ShapeError: another number of channels.
        """
        channels = self.targets.shape[1]
        for name, part in (("mean", mean), ("deviation", deviation)):
            if part is not None and np.shape(part) != (channels,):
                raise ShapeError(f"Expected {name} of {channels} channels, got shape {np.shape(part)}.")
        centre = np.zeros(channels) if mean is None else np.asarray(mean, np.float64)
        scale = np.ones(channels) if deviation is None else np.asarray(deviation, np.float64)
        factor = np.where(scale > 1e-6 * scale.max(), 1 / np.maximum(scale, 1e-300), 0.0)
        return (self.activations - centre) * factor, (self.targets - centre) * factor


def group_interval(
    values: Float[np.ndarray, " picture"], groups: Int[np.ndarray, " picture"], *, draws: int, seed: int
) -> Interval:
    """The mean over groups of the mean over their pictures; the bootstrap draws groups, then pictures.

    Pictures of one group come out alike, so that an interval from pictures alone would be too sure.

    Examples:
        >>> found = group_interval(np.array([1.0, 1.0, 4.0]), np.array([0, 0, 1]), draws=100, seed=0)
        >>> str(found)
        '2.5 [1, 4]'
    """
    rows = [values[found] for found in group_rows(groups).values()]
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        chosen = [rows[place] for place in rng.integers(len(rows), size=len(rows))]
        drawn.append(np.mean([one[rng.integers(len(one), size=len(one))].mean() for one in chosen]))
    return percentile_interval(float(np.mean([one.mean() for one in rows])), drawn)
