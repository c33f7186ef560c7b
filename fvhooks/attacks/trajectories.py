"""Pictures while they form: what a gate must know, since it has to fire from the first step on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.hooks import HookedModel
from fvhooks.store.reading import Store
from fvhooks.synthesis.recipes import Recipe
from fvhooks.synthesis.running.progress import Forming
from fvhooks.synthesis.running.rendering import visualize
from fvhooks.units import Unit


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Pictures of some units at several steps of their making; made by `trajectories`.

    Args:
        images: in [0, 1].
        units: the id of each picture's unit.
        seeds: of each picture.
        steps: how many steps of optimisation each picture had seen, from 1.
    """

    images: Float[torch.Tensor, "picture rgb y x"]
    units: Sequence[str]
    seeds: Sequence[int]
    steps: Sequence[int]

    def __len__(self) -> int:
        return len(self.units)

    def subset(self, rows: Sequence[int] | Int[np.ndarray, " _"]) -> "Trajectories":
        """Some of the pictures.

        Args:
            rows: which.
        """
        columns = [[column[row] for row in rows] for column in (self.units, self.seeds, self.steps)]
        return Trajectories(self.images[torch.as_tensor(rows)], *columns)  # type: ignore[arg-type]


def trajectories(  # noqa: PLR0913 - all but four are keyword-only
    hooked: HookedModel,
    units: Sequence[Unit],
    recipe: str | Recipe = "fourier",
    store: Store | None = None,
    *,
    seeds: int | Sequence[int] = 3,
    steps: int | None = None,
    kept: int = 15,
    show_progress: bool = True,
) -> Trajectories:
    """Make pictures, and keep them as they were at steps spaced evenly on a logarithmic scale.

    Examples:
        >>> from fvhooks.demo import load_network
        >>> units = [Unit.logit(0), Unit.logit(1)]
        >>> found = trajectories(load_network(), units, seeds=2, steps=16, kept=5, show_progress=False)
        >>> len(found), sorted(set(found.steps))
        (20, [1, 2, 4, 8, 16])

    Args:
        hooked: the model.
        units: what the pictures are of.
        recipe: as in `fvhooks.visualize`.
        store: for recipes that need one.
        seeds: how many pictures a unit, or which seeds.
        steps: instead of the recipe's own number.
        kept: how many steps of each picture, the first and the last among them.
        show_progress: show a bar.
    """
    images: list[torch.Tensor] = []
    rows: list[tuple[str, int, int]] = []

    def watch(forming: Forming) -> None:
        if forming.step in _spaced(forming.steps, kept):
            images.append(forming.images[: len(forming.units)].clamp(0, 1).cpu().clone())
            rows.extend(
                (unit, seed, forming.step) for unit, seed in zip(forming.units, forming.seeds, strict=True)
            )

    visualize(hooked, units, recipe, store, seeds=seeds, steps=steps, live=watch, show_progress=show_progress)
    found = [list(column) for column in zip(*rows, strict=True)]
    return Trajectories(torch.cat(images), *found)


def _spaced(steps: int, kept: int) -> set[int]:
    return set(np.geomspace(1, steps, kept).round().astype(int).tolist())
