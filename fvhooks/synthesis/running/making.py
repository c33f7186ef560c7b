"""From a call to its pictures: layer by layer, batch by batch, kept as they are finished."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fvhooks.hooks.compiled import CompiledReader, records_graphs
from fvhooks.synthesis.engine import Plan
from fvhooks.synthesis.running.batching import choose_batch_size, even_size, in_batches
from fvhooks.synthesis.running.jobs import Call, Picture, Place, make
from fvhooks.synthesis.running.planning import Planner
from fvhooks.synthesis.running.progress import Progress
from fvhooks.synthesis.running.shelves import Shelf

_WORTH_COMPILING = 1000  # steps: to compile a network takes a minute or so


@dataclass(frozen=True)
class Stage:
    """The pictures of one layer that are still to be made.

    Args:
        group: the places of the layer's units.
        pending: the pictures.
        plan: for all units of the group; where pictures are kept, for the first one that can be shown: then
            each batch is planned when its turn comes, so that neither references nor memory are needed for
            all at once.
        size: how many pictures at a time.
    """

    group: Sequence[int]
    pending: Sequence[Place]
    plan: Plan
    size: int

    @property
    def batches(self) -> int:
        """How many there will be."""
        return -(-len(self.pending) // self.size)

    @property
    def steps(self) -> int:
        """Of all batches."""
        return self.batches * self.plan.schedule.steps


def stages_of(planner: Planner, batch_size: int | None, shelf: Shelf | None) -> list[Stage]:
    """Plan what is to be made.

    Wrong calls are found before time is spent, and so are units that cannot be shown. Where pictures are kept
    that is said of the first unit of each layer alone: the others are planned with their batch, and what
    cannot be shown then is left out.

    Raises:
        MissingInputError: no unit can be shown.
    """
    call, found = planner.call, []
    for layer in call.by_layer():
        missing = _places(call, layer) if shelf is None else shelf.missing(layer)
        units = list(dict.fromkeys(unit for unit, _ in missing))
        planned = planner.plan(units) if shelf is None else planner.plan_first(units)
        if planned is None:
            continue
        shown = set(planner.shown(units))
        pending = [place for place in missing if place[0] in shown]
        group = layer if shelf is not None else planned[0]
        before = None if shelf is None else shelf.size_of(group)
        size = before if before is not None and batch_size is None else None
        if size is None:
            count = len(group) * len(call.seeds)
            most = batch_size or _fitting(call, planned[1], planned[0], count)
            size = even_size(count, most)
        found.append(Stage(group, pending, planned[1], min(size, before or size)))
    planner.tell()
    return found


def run(
    planner: Planner, stages: Sequence[Stage], shelf: Shelf | None, progress: Progress
) -> dict[Place, Picture]:
    """Make the pictures of some stages; those that are kept in the store are left there.

    Args:
        planner: knows the call, and leaves out what cannot be shown.
        stages: the layers.
        shelf: where finished batches are kept; None: nowhere.
        progress: the bar, and the wish to stop.

    Returns:
        The pictures that are not in the store.
    """
    made: dict[Place, Picture] = {}
    for number, stage in enumerate(stages):
        more = sum(other.steps for other in stages[number + 1 :])
        for found, size in _batches(planner, stage, progress, planned_each=shelf is not None, more=more):
            if shelf is None or any(picture.stopped for picture in found.values()):
                made |= found
            else:
                shelf.write(stage.group, found, size)
            if progress.stopped:
                return made
    return made


def _batches(
    planner: Planner, stage: Stage, progress: Progress, *, planned_each: bool, more: int
) -> Iterator[tuple[dict[Place, Picture], int]]:
    """The pictures of each batch, without those of units that turn out not to be shown, and its size."""
    call, left, reader = planner.call, len(stage.pending), _reader(planner.call, stage)

    def one(places: list[Place], wanted: int) -> dict[Place, Picture]:
        units = list(dict.fromkeys(unit for unit, _ in places))
        planned = planner.plan(units) if planned_each else (stage.group, stage.plan)
        planner.tell()
        if planned is None:
            return {}
        shown = [place for place in places[:wanted] if place[0] in planned[0]]
        watch = progress.watch(
            [call.units[unit].id for unit, _ in shown],
            [call.seeds[seed] for _, seed in shown],
            steps=stage.plan.schedule.steps,
            batches=-(-left // len(places)),
            more=more,
        )
        filled = shown + [shown[-1]] * (len(places) - len(shown))
        return dict(zip(shown, make(call, planned[1], planned[0], filled, watch, reader), strict=False))

    for places, pictures, size in in_batches(stage.pending, stage.size, one, call.hooked.device):
        left -= len(places)
        if pictures:
            progress.count()
            yield pictures, size


def _reader(call: Call, stage: Stage) -> CompiledReader | None:
    """One for all batches of a layer, where it is asked for or pays."""
    pays = records_graphs(call.hooked) and stage.steps >= _WORTH_COMPILING
    if not (pays if call.compiled is None else call.compiled):
        return None
    names = [call.hooked.resolve(name) for name in stage.plan.layers]
    return CompiledReader(call.hooked, names, required=call.compiled is True)


def _places(call: Call, group: Sequence[int]) -> list[Place]:
    return [(unit, seed) for unit in group for seed in range(len(call.seeds))]


def _fitting(call: Call, plan: Plan, group: Sequence[int], count: int) -> int:
    step = replace(plan, schedule=replace(plan.schedule, steps=1))

    def trial(size: int) -> object:
        return make(call, step, group, [(group[0], 0)] * size)

    return choose_batch_size(call.hooked, plan, call.size, count, trial)
