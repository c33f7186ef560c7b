"""What is asked about pictures of units: every question once, with its answer kept apart from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fvhooks.errors import MissingInputError, ShapeError
from fvhooks.store.reading import Store
from fvhooks.synthesis.visualizations import Visualizations, as_visualizations
from fvhooks.units import LOGITS, Unit

TASKS = ("naming", "choice", "rating")
Place = tuple[str, int, int]
"""A picture: recipe, place of its unit, place of its seed."""


@dataclass(frozen=True, slots=True)
class SurveyPlan:
    """What is asked of whom.

    Args:
        tasks: "naming" (which of all units is this?), "choice" (which of two pictures is of this unit? the
            other one is of another unit, by the same recipe), "rating" (how clearly does it show the unit?
            1 to 5).
        per_unit: pictures of each unit and recipe that each task asks about, at most.
        raters: how many pages to write; each has an order of its own.
        seed: of the order, of the second pictures, and of the names that questions go by.
    """

    tasks: tuple[str, ...] = TASKS
    per_unit: int = 2
    raters: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [task for task in self.tasks if task not in TASKS]
        if unknown or not self.tasks:
            raise MissingInputError(f"Expected tasks out of {', '.join(TASKS)}, got {list(self.tasks)}.")
        if min(self.per_unit, self.raters) < 1:
            raise MissingInputError(
                f"Expected a picture a unit and a rater at least, got {self.per_unit} and {self.raters}."
            )


@dataclass(frozen=True, slots=True)
class Question:
    """One question: a name that tells nothing, what is shown, and which answer is right ("" for none)."""

    name: str
    task: str
    about: Place
    shown: tuple[Place, ...]
    right: str


def ask(pictures: Mapping[str, Visualizations], labels: Sequence[str], plan: SurveyPlan) -> list[Question]:
    """Every question about pictures of the same units by several recipes, in an order that tells nothing.

    Args:
        pictures: of each recipe.
        labels: what to call each unit.
        plan: what is asked.

    Raises:
        MissingInputError: no pictures, a single unit where two are needed, or other units than of the first.
        ShapeError: pictures of different sizes, which would tell recipes apart, or another number of labels.
    """
    _check(pictures, labels)
    rng = np.random.default_rng(plan.seed)
    found: list[Question] = []
    for recipe, vis in pictures.items():
        seeds = min(plan.per_unit, vis.images.sizes["seed"])
        places = [(recipe, unit, seed) for unit in range(len(labels)) for seed in range(seeds)]
        found += [_question(task, place, labels, rng) for task in plan.tasks for place in places]
    return [found[place] for place in rng.permutation(len(found))]


def _question(task: str, about: Place, labels: Sequence[str], rng: np.random.Generator) -> Question:
    recipe, unit, seed = about
    name, right = rng.bytes(8).hex(), ""
    shown: tuple[Place, ...] = (about,)
    if task == "naming":
        right = labels[unit]
    elif task == "choice":
        foil = (unit + int(rng.integers(1, len(labels)))) % len(labels)
        first = bool(rng.integers(2))
        pair = about, (recipe, foil, seed)
        shown, right = (pair, "1") if first else (pair[::-1], "2")
    return Question(name, task, about, shown, right)


def _check(pictures: Mapping[str, Visualizations], labels: Sequence[str]) -> None:
    if not pictures:
        raise MissingInputError("There are no pictures to ask about; pass one result a recipe at least.")
    first = next(iter(pictures))
    units, size = ([*pictures[first].data["unit"].values], pictures[first].images.shape[2:])
    if len(units) < 2:
        raise MissingInputError(f"A question needs two units to choose from, got {len(units)}.")
    if len(labels) != len(units) or len(set(labels)) != len(labels):
        raise ShapeError(f"Expected a name of its own for each of {len(units)} units, got {list(labels)}.")
    for recipe, vis in pictures.items():
        if [*vis.data["unit"].values] != units:
            raise MissingInputError(
                f"Expected pictures of the same units of all recipes, {first!r} and {recipe!r} differ; make "
                "them of the same units in the same order."
            )
        if vis.images.shape[2:] != size:
            raise ShapeError(
                f"Expected pictures of one size, got {size} of {first!r} and {vis.images.shape[2:]} of "
                f"{recipe!r}; sizes would tell them apart. Resize them first."
            )


def real_pictures(store: Store, units: Sequence[Unit], count: int, *, seed: int = 0) -> Visualizations:
    """Photographs that no picture was made from, as one more recipe: what people reach at best.

    Outputs get images of their label, other units the images of the report split that move them most.

    Examples:
        >>> real = real_pictures(store, [fv.Unit.logit(3)], count=2)  # doctest: +SKIP

    Args:
        store: with its data set attached.
        units: the units.
        count: photographs of each.
        seed: which of the label's.

    Raises:
        MissingInputError: fewer images of a label than asked for, or no data set attached.
    """
    table, rng, images = store.images_table, np.random.default_rng(seed), []
    for unit in units:
        if unit.layer != LOGITS:
            ids = store.top_images(unit, k=count, split="report").id.values
        else:
            own = (table.label.values == unit.channel) & (table.split.values == "report")
            ids = rng.permutation(table.id.values[own])[:count]
        if len(ids) < count:
            raise MissingInputError(
                f"Expected {count} images of {unit.id!r} in the report split, got {len(ids)}; ask for fewer."
            )
        images.append(store.images(ids).numpy())
    return as_visualizations(list(units), np.stack(images))
