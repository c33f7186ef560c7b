"""`fvhooks.visualize`: from units to pictures."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from tqdm.auto import tqdm

from fvhooks.errors import ImageError, LayerNotFoundError, MissingInputError, NonFiniteError
from fvhooks.hooks import HookedModel
from fvhooks.store.reading import Store
from fvhooks.synthesis.engine import Batch, Plan, look, synthesise
from fvhooks.synthesis.objectives import Seen
from fvhooks.synthesis.objectives.activation import responses
from fvhooks.synthesis.recipes import RECIPES, Recipe, Request
from fvhooks.synthesis.sets import ImageSet
from fvhooks.synthesis.visualizations import Target, Visualizations, unit_coordinates
from fvhooks.units import Unit


@dataclass(frozen=True, slots=True)
class _Job:
    """One picture to make: its place in the result, its owner in the plan, what its generator starts from."""

    unit: int
    seed: int
    owner: int
    start: tuple[int, ...]


@torch.inference_mode(mode=False)  # pictures are made by gradients, whatever the caller has switched off
def visualize(  # noqa: PLR0913 - the public verb; all but four are keyword-only
    hooked: HookedModel,
    units: Target | Sequence[Target],
    recipe: str | Recipe = "vital",
    store: Store | None = None,
    *,
    seeds: int | Sequence[int] = 3,
    facets: int = 1,
    steps: int | None = None,
    batch_size: int = 16,
    show_progress: bool = True,
) -> Visualizations:
    """Make pictures of what units look for.

    Units of one layer share batches of `batch_size` pictures. A picture does not depend on what else is in
    its batch; with the same batch shape it is the same to the bit, with another one the same up to rounding.

    Example:
        >>> vis = fv.visualize(hooked, [fv.Unit.logit(207)], store=store)  # doctest: +SKIP
        >>> vis.images.dims                                                # doctest: +SKIP
        ('unit', 'seed', 'rgb', 'y', 'x')

    Args:
        hooked: the model.
        units: what to make pictures of: channels, outputs (`Unit.logit`), directions, or an `ImageSet`.
        recipe: the name of a registered recipe, or one with settings of its own, such as `Vital(steps=500)`.
        store: statistics of real images; "vital" and "maco" need it, and others that no images were given.
        seeds: how many pictures a unit, or which seeds.
        facets: split each unit's references into so many groups; picture `i` follows group `i % facets`.
        steps: instead of the recipe's own number.
        batch_size: pictures at a time, at most.
        show_progress: whether to show a bar.

    Returns:
        `images` (unit, seed, rgb, y, x) in [0, 1], `alpha` (unit, seed, y, x) in [0, 1], `activation`
        (unit, seed): the unit's strongest response to the finished picture, or for an `ImageSet` the cosine
        of its mean activations to the set's, `loss` (unit, seed, step), and
        `flag` (unit, seed): empty, or what is wrong with a picture.

    Raises:
        LayerNotFoundError: an unknown layer, a channel that it does not have.
        MissingInputError: the recipe needs a store, a label or a data set that is not there.
        StoreError: the store is of another model.
        NonFiniteError: the loss became NaN or infinite.
    """
    listed = list(units) if isinstance(units, Sequence) else [units]
    if not listed:
        raise LayerNotFoundError("There is nothing to visualize: units is empty.")
    chosen = RECIPES[recipe]() if isinstance(recipe, str) else recipe
    numbers = list(range(seeds)) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    _check_counts(numbers, facets, steps, batch_size)
    if store is not None:
        store.require(hooked)
    size = _size(hooked, store)
    _check_units(hooked, listed)
    results: dict[tuple[int, int], _Picture] = {}
    name = _name(chosen)
    groups = _by_layer(listed)
    plans = [
        chosen.plan(Request(hooked, [listed[i] for i in group], store, steps, len(numbers), facets, size))
        for group in groups
    ]
    jobs = [_jobs(listed, group, numbers, plan.owners) for group, plan in zip(groups, plans, strict=True)]
    total = sum(
        plan.schedule.steps * -(-len(job) // batch_size) for plan, job in zip(plans, jobs, strict=True)
    )
    with tqdm(total=total, desc="visualize", unit="step", disable=not show_progress) as bar:
        for plan, group, job in zip(plans, groups, jobs, strict=True):
            for part in _portions(job, batch_size):
                results |= _make(hooked, plan, [listed[i] for i in group], part, bar)
    return _gather(listed, numbers, results, name, facets)


@dataclass(frozen=True, slots=True)
class _Picture:
    image: Float[np.ndarray, "rgb y x"]
    alpha: Float[np.ndarray, "y x"] | None
    loss: Float[np.ndarray, " step"]
    activation: float
    flag: str


def _name(recipe: Recipe) -> str:
    """As it is registered, or its class's where it is not."""
    kind = type(recipe)
    return next((name for name, known in RECIPES.items() if known is kind), kind.__name__.lower())


def _check_counts(seeds: Sequence[int], facets: int, steps: int | None, batch_size: int) -> None:
    least = min(facets, batch_size, len(seeds), 1 if steps is None else steps)
    if least < 1:
        said = f"seeds={len(seeds)}, facets={facets}, steps={steps}, batch_size={batch_size}"
        raise MissingInputError(f"visualize needs at least one of each, got {said}.")
    if facets > len(seeds):
        raise MissingInputError(f"{facets} facets need as many seeds, got {len(seeds)}; raise seeds=.")


def _size(hooked: HookedModel, store: Store | None) -> tuple[int, int, int]:
    """The size of the pictures: the model's input, or that of the images of the store."""
    if hooked.preprocessing.input_shape is not None:
        return hooked.preprocessing.input_shape
    if store is None:
        raise ImageError(
            "The size of the pictures is not known: pass input_shape=… to fvhooks.attach, or a store."
        )
    hooked.probe(torch.full((1, *store.image_shape), 0.5))
    return store.image_shape


def _check_units(hooked: HookedModel, units: Sequence[Target]) -> None:
    for unit in units:
        layout = hooked.layout(hooked.resolve(unit.layer))
        if isinstance(unit, ImageSet):
            continue
        count = unit.channel + 1 if isinstance(unit, Unit) else len(unit.vector)
        if count > layout.channels:
            raise LayerNotFoundError(
                f"Layer {unit.layer!r} has {layout.channels} channels; there is no unit {unit.id!r}."
            )


def _by_layer(units: Sequence[Target]) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for index, unit in enumerate(units):
        groups.setdefault(unit.layer, []).append(index)
    return list(groups.values())


def _jobs(units: Sequence[Target], group: Sequence[int], seeds: Sequence[int], owners: int) -> list[_Job]:
    return [
        _Job(unit, place, local * owners + place % owners, (_hash(units[unit].id), seed))
        for local, unit in enumerate(group)
        for place, seed in enumerate(seeds)
    ]


def _portions(jobs: Sequence[_Job], batch_size: int) -> Iterator[list[_Job]]:
    """Few and even batches of one size; the last is filled up by repeating a picture."""
    batches = -(-len(jobs) // batch_size)
    size = -(-len(jobs) // batches)
    for first in range(0, len(jobs), size):
        part = list(jobs[first : first + size])
        yield part + [part[-1]] * (size - len(part))


def _make(
    hooked: HookedModel,
    plan: Plan,
    units: Sequence[Target],
    jobs: Sequence[_Job],
    bar: "tqdm[Any]",
) -> dict[tuple[int, int], _Picture]:
    try:
        batch = synthesise(hooked, plan, [job.owner for job in jobs], [job.start for job in jobs], bar)
    except NonFiniteError as error:
        names = sorted({units[job.owner // plan.owners].id for job in jobs})
        raise NonFiniteError(f"While visualizing {', '.join(names)}: {error}") from error
    peaks = _peaks(hooked, plan, units, batch, [job.owner for job in jobs])
    return {
        (job.unit, job.seed): _Picture(
            batch.images[i].cpu().numpy(),
            None if batch.alpha is None else batch.alpha[i].cpu().numpy(),
            batch.loss[i].cpu().numpy(),
            peaks[i],
            _flag(batch, i, peaks[i]),
        )
        for i, job in enumerate(jobs)
    }


def _peaks(
    hooked: HookedModel, plan: Plan, units: Sequence[Target], batch: Batch, owner: Sequence[int]
) -> list[float]:
    layer = units[0].layer if plan.response is None else plan.response.layer
    with torch.no_grad():
        activations = look(hooked, batch.images, [layer])
    if plan.response is not None:
        found = plan.response.measure(Seen(activations, batch.images, torch.tensor(list(owner))))
    else:
        seen = Seen(activations, batch.images, torch.tensor([one // plan.owners for one in owner]))
        found = responses(seen, [one for one in units if not isinstance(one, ImageSet)], hooked.layout(layer))
    return [float(values.max()) for values in found]


def _flag(batch: Batch, index: int, peak: float) -> str:
    if batch.alpha is not None and not bool(batch.alpha[index].any()):
        return "nothing changed: no gradient reached the picture"
    if peak == 0:
        return "the unit does not fire for the finished picture"
    return ""


def _gather(
    units: Sequence[Target],
    seeds: Sequence[int],
    pictures: dict[tuple[int, int], _Picture],
    recipe: str,
    facets: int,
) -> Visualizations:
    grid = [[pictures[unit, seed] for seed in range(len(seeds))] for unit in range(len(units))]
    longest = max(len(picture.loss) for row in grid for picture in row)
    arrays = {
        "images": (("unit", "seed", "rgb", "y", "x"), np.stack([[p.image for p in row] for row in grid])),
        "activation": (("unit", "seed"), np.array([[p.activation for p in row] for row in grid], np.float32)),
        "loss": (
            ("unit", "seed", "step"),
            np.stack([[_padded(p.loss, longest) for p in row] for row in grid]),
        ),
        "flag": (("unit", "seed"), np.array([[p.flag for p in row] for row in grid], dtype=object)),
    }
    if grid[0][0].alpha is not None:
        arrays["alpha"] = (("unit", "seed", "y", "x"), np.stack([[p.alpha for p in row] for row in grid]))
    data = xr.Dataset(
        arrays,
        coords={**unit_coordinates(units), "seed": list(seeds)},
        attrs={"recipe": recipe, "facets": facets},
    )
    return Visualizations(data)


def _padded(loss: Float[np.ndarray, " step"], steps: int) -> Float[np.ndarray, " step"]:
    return np.pad(loss, (0, steps - len(loss)), constant_values=np.nan)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
