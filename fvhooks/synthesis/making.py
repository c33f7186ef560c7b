"""From a call to its pictures: layer by layer, batch by batch, kept as they are finished."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fvhooks.synthesis.batching import choose_batch_size, even_size, in_batches
from fvhooks.synthesis.engine import Plan
from fvhooks.synthesis.jobs import Call, Picture, Place, make
from fvhooks.synthesis.progress import Progress
from fvhooks.synthesis.shelves import Shelf


@dataclass(frozen=True)
class Stage:
    """The pictures of one layer that are still to be made.

    Args:
        group: the places of the layer's units.
        pending: the pictures.
        plan: for all units of the group; where pictures are kept, for the first one: then each batch is
            planned when its turn comes, so that neither references nor memory are needed for all at once.
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


def stages_of(call: Call, batch_size: int | None, shelf: Shelf | None) -> list[Stage]:
    """Plan what is to be made, which finds wrong calls before time is spent."""
    found = []
    for group in call.by_layer():
        whole = [(unit, seed) for unit in group for seed in range(len(call.seeds))]
        pending = whole if shelf is None else shelf.missing(group)
        if not pending:
            continue
        planned = group if shelf is None else [pending[0][0]]
        plan = call.plan(planned)
        before = None if shelf is None else shelf.size_of(group)
        size = before if before is not None and batch_size is None else None
        if size is None:
            most = batch_size or _fitting(call, plan, planned, len(whole))
            size = even_size(len(whole), most)
        found.append(Stage(group, pending, plan, min(size, before or size)))
    return found


def run(call: Call, stages: Sequence[Stage], shelf: Shelf | None, progress: Progress) -> dict[Place, Picture]:
    """Make the pictures of some stages; those that are kept in the store are left there.

    Args:
        call: what is made.
        stages: the layers.
        shelf: where finished batches are kept; None: nowhere.
        progress: the bar, and the wish to stop.

    Returns:
        The pictures that are not in the store.
    """
    made: dict[Place, Picture] = {}
    for number, stage in enumerate(stages):
        more = sum(other.steps for other in stages[number + 1 :])
        for places, pictures, size in _batches(
            call, stage, progress, planned_each=shelf is not None, more=more
        ):
            found = dict(zip(places, pictures, strict=False))
            if shelf is None or any(picture.stopped for picture in found.values()):
                made |= found
            else:
                shelf.write(stage.group, found, size)
            if progress.stopped:
                return made
    return made


def _batches(
    call: Call, stage: Stage, progress: Progress, *, planned_each: bool, more: int
) -> Iterator[tuple[list[Place], list[Picture], int]]:
    left = len(stage.pending)

    def one(places: list[Place], wanted: int) -> list[Picture]:
        units = [call.units[unit].id for unit, _ in places[:wanted]]
        seeds = [call.seeds[seed] for _, seed in places[:wanted]]
        watch = progress.watch(
            units, seeds, steps=stage.plan.schedule.steps, batches=-(-left // len(places)), more=more
        )
        group = list(dict.fromkeys(unit for unit, _ in places)) if planned_each else stage.group
        plan = call.plan(group) if planned_each else stage.plan
        return make(call, plan, group, places, watch)

    for places, pictures, size in in_batches(stage.pending, stage.size, one, call.hooked.device):
        left -= len(places)
        yield places, pictures, size


def _fitting(call: Call, plan: Plan, group: Sequence[int], count: int) -> int:
    step = replace(plan, schedule=replace(plan.schedule, steps=1))

    def trial(size: int) -> object:
        return make(call, step, group, [(group[0], 0)] * size)

    return choose_batch_size(call.hooked, plan, call.size, count, trial)
