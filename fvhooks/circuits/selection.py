"""Which units a graph keeps: the head of a ranking, relaxed until neighbouring layers are joined."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from fvhooks.errors import MissingInputError

MASSES = {"per_layer": 0.15, "unified": 0.075}
_STEPS = {"per_layer": 0.02, "unified": 0.005}


@dataclass(frozen=True)
class Selection:
    """How much of a ranking is kept.

    Examples:
        >>> ranks, rows = np.array([0.4, 0.1, 0.3, 0.2]), np.array([0, 0, 1, 1])
        >>> Selection("per_layer", 0.5)(ranks, rows, np.array([[1, 2], [0, 3]])).tolist()
        [True, False, True, True]

    Args:
        kind: "per_layer": each layer's strongest until they make `mass` of the layer's sum. "unified":
            Summit's rule, the strongest of all layers until they make `mass` of everything.
        mass: the share, above 0 and at most 1; None: 0.15 and 0.075.
        units: with "per_layer", keep so many a layer at least.
    """

    kind: Literal["per_layer", "unified"] = "per_layer"
    mass: float | None = None
    units: int = 1

    def __call__(
        self,
        ranks: Float[np.ndarray, " node"],
        rows: Int[np.ndarray, " node"],
        pairs: Int[np.ndarray, "edge 2"],
    ) -> Bool[np.ndarray, " node"]:
        """Which nodes are kept; more mass where a layer would not be joined to one below it.

        Args:
            ranks: of each node; zero is never kept.
            rows: the layer of each, counting from 0 at the lowest.
            pairs: source and target of each edge.
        """
        mass = MASSES[self.kind] if self.mass is None else self.mass
        if not 0 < mass <= 1:
            raise MissingInputError(f"Expected a mass above 0 and at most 1, got {mass}.")
        masses = np.full(int(rows.max(initial=0)) + 1, mass)
        while True:
            kept = self._kept(ranks, rows, masses)
            apart = _apart(kept, rows, pairs)
            growing = apart[masses[apart] < 1]
            if not len(growing):
                return kept
            if self.kind == "unified":
                masses += _STEPS["unified"]
            else:
                below = rows[pairs[np.isin(rows[pairs[:, 1]], growing), 0]]
                masses[np.union1d(growing, below)] += _STEPS["per_layer"]
            masses = masses.clip(max=1)

    def _kept(
        self,
        ranks: Float[np.ndarray, " node"],
        rows: Int[np.ndarray, " node"],
        masses: Float[np.ndarray, " row"],
    ) -> Bool[np.ndarray, " node"]:
        kept = np.zeros(len(ranks), bool)
        if self.kind == "unified":
            kept[by_mass(ranks, float(masses[0]))] = True
            return kept
        for row in np.unique(rows):
            members = np.flatnonzero(rows == row)
            kept[members[by_mass(ranks[members], float(masses[row]), self.units)]] = True
        return kept


def by_mass(ranks: Float[np.ndarray, " node"], mass: float, least: int = 1) -> Int[np.ndarray, " kept"]:
    """The strongest until they make a share of the sum; the one that crosses it is among them.

    Args:
        ranks: zero or more.
        mass: the share.
        least: how many at least, as far as they are above zero.
    """
    order = np.argsort(-ranks, kind="stable")
    order = order[ranks[order] > 0]
    before = np.cumsum(ranks[order]) - ranks[order]
    return np.asarray(
        order[(before < mass * ranks.sum() * (1 - 1e-12)) | (mass >= 1) | (np.arange(len(order)) < least)]
    )


def strongest(
    scores: Mapping[str, Float[np.ndarray, " channel"]], sizes: Mapping[str, int]
) -> dict[str, Int[np.ndarray, " kept"]]:
    """The baseline: as many of each layer as a graph keeps, those with the highest score.

    Args:
        scores: of each channel of each layer.
        sizes: how many.
    """
    return {
        layer: np.argsort(-values, kind="stable")[: sizes.get(layer, 0)] for layer, values in scores.items()
    }


def _apart(
    kept: Bool[np.ndarray, " node"], rows: Int[np.ndarray, " node"], pairs: Int[np.ndarray, "edge 2"]
) -> Int[np.ndarray, " row"]:
    """Rows that have edges downwards, and no kept one."""
    fed = np.unique(rows[pairs[:, 1]])
    inside = kept[pairs].all(1)
    return np.setdiff1d(fed, rows[pairs[inside, 1]])
