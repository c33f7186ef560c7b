"""Ways to make pictures of units: one recipe a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.registries import Registry
from fvhooks.store.reading import Store
from fvhooks.synthesis.engine import Plan
from fvhooks.synthesis.visualizations import Target


@dataclass(frozen=True)
class Request:
    """What a recipe is asked for: pictures of some units of one layer.

    Args:
        hooked: the model.
        units: all of one layer.
        store: statistics of real images, where the caller has them.
        steps: how many, where the caller said so.
        seeds: how many pictures of each unit.
        facets: how many groups the references of each unit are split into.
        size: (rgb, y, x) of the pictures.
    """

    hooked: HookedModel
    units: Sequence[Target]
    store: Store | None
    steps: int | None
    seeds: int
    facets: int
    size: tuple[int, int, int]

    @property
    def layer(self) -> str:
        """The layer of the units."""
        return self.units[0].layer

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.hooked.device

    def steps_or(self, default: int) -> int:
        """The number of steps that the caller said, or the recipe's own."""
        return default if self.steps is None else self.steps

    def refuse_facets(self, recipe: str) -> None:
        """For a recipe without references to split.

        Raises:
            MissingInputError: more than one facet was asked for.
        """
        if self.facets != 1:
            raise MissingInputError(
                f"Recipe {recipe!r} has no references to split into {self.facets} facets; use 'vital' or "
                "'minds_eye'."
            )

    def need_store(self, recipe: str) -> Store:
        """The store.

        Raises:
            MissingInputError: there is none, and the recipe cannot do without.
        """
        if self.store is None:
            raise MissingInputError(
                f"Recipe {recipe!r} builds on real images, so it needs store=…: make one with "
                "fvhooks.collect(hooked, dataset, 'stats.zarr', layers=[…]). Recipe 'fourier' needs none."
            )
        return self.store


@runtime_checkable
class Recipe(Protocol):
    """From a request to a plan, whose objectives have `owners` a unit, those of the first unit first."""

    def plan(self, request: Request) -> Plan:
        """What the engine shall do."""
        ...


def refuse_below(recipe: Recipe, **least: float) -> None:
    """For settings of a recipe that have a least value.

    Raises:
        MissingInputError: one is less.
    """
    for name, smallest in least.items():
        if getattr(recipe, name) < smallest:
            raise MissingInputError(
                f"{type(recipe).__name__} needs {name} of at least {smallest}, got {getattr(recipe, name)}."
            )


RECIPES: Registry[type[Recipe]] = Registry("fvhooks.synthesis.recipes", "recipe")

__all__ = ["RECIPES", "Recipe", "Request", "refuse_below"]
