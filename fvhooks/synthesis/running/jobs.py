"""Pictures that are to be made, and pictures that are."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from fvhooks.errors import NonFiniteError
from fvhooks.hooks import HookedModel
from fvhooks.hooks.compiled import CompiledReader
from fvhooks.store.reading import Store
from fvhooks.synthesis.engine import Batch, Plan, Watch, synthesise
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.objectives import Seen
from fvhooks.synthesis.objectives.activation import responses
from fvhooks.synthesis.recipes import RECIPES, Recipe, Request
from fvhooks.synthesis.running.advice import BLOCKED, silent_before
from fvhooks.synthesis.sets import ImageSet
from fvhooks.synthesis.visualizations import Target

Place = tuple[int, int]
"""Which picture of a call: the places of its unit and of its seed."""


@dataclass(frozen=True)
class Call:
    """What is to be made, settled before the work starts.

    Args:
        hooked: the model.
        units: what pictures are of.
        recipe: how they are made.
        store: statistics of real images.
        seeds: of each unit.
        facets: how many groups each unit's references are split into.
        steps: instead of the recipe's own number.
        size: (rgb, y, x) of the pictures.
        warnings: what is said against units beforehand, by id.
        compiled: whether compiled code runs the model; None: where it pays.
    """

    hooked: HookedModel
    units: Sequence[Target]
    recipe: Recipe
    store: Store | None
    seeds: Sequence[int]
    facets: int
    steps: int | None
    size: tuple[int, int, int]
    warnings: Mapping[str, str]
    compiled: bool | None = None

    @property
    def name(self) -> str:
        """The recipe's, as it is registered, or its class's where it is not."""
        kind = type(self.recipe)
        known = (name for name, recipe in RECIPES.items() if recipe is kind)
        return next(known, kind.__name__.lower())

    def plan(self, group: Sequence[int]) -> Plan:
        """What the engine shall do for some units of one layer."""
        units = [self.units[place] for place in group]
        return self.recipe.plan(
            Request(self.hooked, units, self.store, self.steps, len(self.seeds), self.facets, self.size)
        )

    def by_layer(self) -> list[list[int]]:
        """The places of the units of each layer."""
        groups: dict[str, list[int]] = {}
        for place, unit in enumerate(self.units):
            groups.setdefault(unit.layer, []).append(place)
        return list(groups.values())


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture that was made.

    Args:
        image: in [0, 1].
        alpha: how strongly each place was pulled at; None where that was not asked for.
        loss: at each step.
        activation: the response to it.
        flag: empty, or what is wrong with it.
        stopped: whether it was ended before its last step.
    """

    image: Float[np.ndarray, "rgb y x"]
    alpha: Float[np.ndarray, "y x"] | None
    loss: Float[np.ndarray, " step"]
    activation: float
    flag: str
    stopped: bool = False


def make(
    call: Call,
    plan: Plan,
    group: Sequence[int],
    places: Sequence[Place],
    watch: Watch | None = None,
    reader: CompiledReader | None = None,
) -> list[Picture]:
    """Make a batch of pictures.

    Args:
        call: what they are of.
        plan: for some units of one layer.
        group: the places of those units.
        places: which pictures.
        watch: is told of each step, and may end the batch.
        reader: runs the model while pictures form; None: as it is.

    Raises:
        NonFiniteError: a loss became NaN or infinite; of which units.
    """
    units = [call.units[place] for place in group]
    local = {place: index for index, place in enumerate(group)}
    owner = [local[unit] * plan.owners + seed % plan.owners for unit, seed in places]
    starts = [(_hash(call.units[unit].id), call.seeds[seed]) for unit, seed in places]
    try:
        batch = synthesise(call.hooked, plan, owner, starts, watch, reader)
    except NonFiniteError as error:
        names = sorted({units[one // plan.owners].id for one in owner})
        raise NonFiniteError(f"While visualizing {', '.join(names)}: {error}") from error
    peaks = _peaks(call.hooked, plan, units, batch, owner)
    steps = batch.loss.shape[1]
    stopped = steps < plan.schedule.steps and len(batch.blocked) < len(places)
    loss = np.pad(
        batch.loss.cpu().numpy(), ((0, 0), (0, plan.schedule.steps - steps)), constant_values=np.nan
    )
    layer = units[0].layer
    said = [
        [call.warnings.get(call.units[unit].id, ""), _flag(call.hooked, layer, i in batch.blocked, peaks[i])]
        for i, (unit, _) in enumerate(places)
    ]
    return [
        Picture(
            batch.images[i].cpu().numpy(),
            None if batch.alpha is None else batch.alpha[i].cpu().numpy(),
            loss[i],
            peaks[i],
            "; ".join(filter(None, [f"stopped at step {steps}" if stopped else "", *said[i]])),
            stopped,
        )
        for i in range(len(places))
    ]


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


def _flag(hooked: HookedModel, layer: str, blocked: bool, peak: float) -> str:
    if blocked:
        return f"{BLOCKED}{silent_before(hooked, layer)}"
    return "the unit does not fire for the finished picture" if peak == 0 else ""


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
