"""`fvhooks.visualize`: from units to pictures."""

from collections.abc import Sequence
from typing import Any

import torch

from fvhooks.errors import ImageError, LayerNotFoundError, MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.store.fingerprints import fingerprint_model
from fvhooks.store.reading import Store
from fvhooks.synthesis.recipes import RECIPES, Recipe
from fvhooks.synthesis.running.advice import check_size, silent_in_references, warnings_of
from fvhooks.synthesis.running.gathering import gather
from fvhooks.synthesis.running.jobs import Call
from fvhooks.synthesis.running.making import run, stages_of
from fvhooks.synthesis.running.planning import Planner
from fvhooks.synthesis.running.progress import Progress, Watcher, notebook_view
from fvhooks.synthesis.running.shelves import Shelf
from fvhooks.synthesis.sets import ImageSet
from fvhooks.synthesis.visualizations import Target, Visualizations
from fvhooks.units import Unit


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
    batch_size: int | None = None,
    keep: bool = False,
    live: bool | Watcher = False,
    compiled: bool | None = None,
    show_progress: bool = True,
) -> Visualizations:
    """Make pictures of what units look for.

    Units of one layer share batches. A picture does not depend on what else is in its batch; with the same
    batch shape it is the same to the bit, with another one the same up to rounding. A batch for which memory
    runs out is halved, and so are those after it.

    Examples:
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
        batch_size: pictures at a time, at most; None: as many as fit into the memory that is free, up to 16,
            on an accelerator 64.
        keep: write each finished batch into the store, and make only what is not there yet: a job that was
            killed is called again and goes on, and its pictures are those of one that never was.
        live: show the pictures as they form in the running cell of a notebook; interrupting it (■, Ctrl-C)
            then stops and keeps them as they are, flagged, and a second interrupt is one as ever. A function
            is told of every step instead, a `fvhooks.synthesis.running.progress.Forming`, and stops by
            returning True.
        compiled: run the model by code that `torch.compile` makes, on CUDA as a CUDA graph: faster, after a
            minute or so for each layer. Each step is the same up to rounding, which many steps amplify: the
            pictures are of equal quality, not equal. None: on CUDA, where a layer takes a thousand steps or
            more, and the model as it is where it cannot be compiled.
        show_progress: whether to show a bar.

    Returns:
        `images` (unit, seed, rgb, y, x) in [0, 1], `alpha` (unit, seed, y, x) in [0, 1], `activation`
        (unit, seed): the unit's strongest response to the finished picture, or for an `ImageSet` the cosine
        of its mean activations to the set's, `loss` (unit, seed, step), and
        `flag` (unit, seed): empty, or what is wrong with a picture. Units that the recipe cannot show, such
        as one that no reference image moves or an output without images of its label, are left out and named
        in the attribute `left_out`; where no unit can be shown it is an error. Of a call that was stopped
        the units come back that were begun.

    Raises:
        LayerNotFoundError: an unknown layer, a channel that it does not have.
        MissingInputError: the recipe needs a store, a label or a data set that is not there; or `keep`
            has no store, or settings that no other process could tell again.
        ImageError: the model cannot take pictures of the size, or it is not known.
        OutOfMemoryError: not even one picture at a time fits.
        StoreError: the store is of another model.
        NonFiniteError: the loss became NaN or infinite.
        UnsupportedModelError: `compiled` is asked for, and the model cannot be.
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
    warnings = warnings_of(store, listed)
    call = Call(hooked, listed, chosen, store, numbers, facets, steps, size, warnings, compiled)
    shelf = _shelf(call) if keep else None
    watcher = (notebook_view() if live is True else live) or None
    made_of = _made_of(call)  # before hours of work: a model that cannot be told is an error now
    planner = _planner(call)
    stages = stages_of(planner, batch_size, shelf)
    try:
        with Progress(show_progress, watcher) as progress:
            made = run(planner, stages, shelf, progress)
    finally:
        if shelf is not None:
            shelf.finish()
    data, left_out = gather(call, made, shelf), planner.left_out
    attributes = {"recipe": call.name, "facets": facets} | ({"left_out": left_out} if left_out else {})
    return Visualizations(data.assign_attrs(attributes | made_of))


def _made_of(call: Call) -> dict[str, Any]:
    """The model that pictures are of, by which an audit refuses another one; an edited model has no name."""
    if call.hooked.is_edited:
        return {}
    store = call.store
    return {"model": fingerprint_model(call.hooked) if store is None else store.model_fingerprint}


def _check_counts(seeds: Sequence[int], facets: int, steps: int | None, batch_size: int | None) -> None:
    said_of = [1 if number is None else number for number in (steps, batch_size)]
    least = min(facets, len(seeds), *said_of)
    if least < 1:
        said = f"seeds={len(seeds)}, facets={facets}, steps={steps}, batch_size={batch_size}"
        raise MissingInputError(f"visualize needs at least one of each, got {said}.")
    if facets > len(seeds):
        raise MissingInputError(f"{facets} facets need as many seeds, got {len(seeds)}; raise seeds=.")


def _size(hooked: HookedModel, store: Store | None) -> tuple[int, int, int]:
    """The size of the pictures: the model's input, or that of the images of the store."""
    size = hooked.preprocessing.input_shape
    if size is None and store is None:
        raise ImageError(
            "The size of the pictures is not known: pass input_shape=… to fvhooks.attach, or a store."
        )
    size = size or store.image_shape  # type: ignore[union-attr]
    check_size(hooked, size)
    return size


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


def _planner(call: Call) -> Planner:
    """One that has left out the units that no reference image moves, where the recipe needs such images."""
    planner = Planner(call)
    planner.plan_each([] if call.store is None else silent_in_references(call.store, call.units))
    planner.tell()
    return planner


def _shelf(call: Call) -> Shelf:
    if call.store is None:
        raise MissingInputError(
            "keep=True writes the pictures into a store, and none was given: pass store=…, which "
            "fvhooks.collect makes and fvhooks.open_store opens."
        )
    return Shelf(call, call.store)
