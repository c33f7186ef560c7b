"""Many pictures of many units in one batch. The engine knows no recipe, only a plan."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float

from fvhooks.errors import NonFiniteError
from fvhooks.hooks import HookedModel
from fvhooks.hooks.compiled import CompiledReader, Read
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.objectives import Objective, Seen
from fvhooks.synthesis.parametrisations.images import FourierImages, Parametrization
from fvhooks.synthesis.pulls import Pull, Pulling
from fvhooks.synthesis.transforms import Transform

Start = Callable[[Sequence[torch.Generator], Sequence[int]], Parametrization]
"""(one generator a picture, the owner of each) to the pictures of a batch."""

Watch = Callable[[int, torch.Tensor, torch.Tensor], bool]
"""(steps done, pictures, loss of each) after each step; True ends the batch, its pictures as they are."""

_PATIENCE = 32  # steps after which a picture that felt no gradient is given up


@dataclass(frozen=True, slots=True)
class Schedule:
    """Adam with a linear warm-up and a cosine decay.

    Args:
        steps: how many.
        rate: the learning rate after the warm-up.
        warmup: steps until then.
        betas: of Adam.
    """

    steps: int
    rate: float
    warmup: int = 20
    betas: tuple[float, float] = (0.9, 0.999)

    def at(self, step: int) -> float:
        """The learning rate of a step, counting from 0."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        return (
            self.rate
            * 0.5
            * (1 + math.cos(math.pi * (step - self.warmup) / max(self.steps - self.warmup, 1)))
        )


@dataclass(frozen=True)
class Response:
    """What is told of finished pictures as their `activation`, where it is not the strongest of their unit.

    Args:
        layer: what it reads.
        measure: the values of each picture, of which the largest is told.
    """

    layer: str
    measure: Callable[[Seen], Sequence[torch.Tensor]]


@dataclass(frozen=True)
class Plan:
    """Everything the engine needs for the pictures of one group of units.

    Args:
        start: makes the pictures of a batch from one generator and owner a picture.
        transforms: applied in order, before the model.
        terms: (weight, objective) pairs that are summed.
        schedule: of the optimiser.
        alpha: keep how strongly each place was pulled at, for transparency.
        response: what is told of finished pictures instead of their units' activation.
        owners: how many each unit has, one after the other; picture `i` of a unit is the `i % owners`-th's.
    """

    start: Start
    terms: Sequence[tuple[float, Objective]]
    schedule: Schedule
    transforms: Sequence[Transform] = ()
    alpha: bool = True
    response: Response | None = None
    owners: int = 1

    @property
    def layers(self) -> list[str]:
        """Every layer that a term reads."""
        return list(dict.fromkeys(layer for _, term in self.terms for layer in term.layers))


@dataclass
class Batch:
    """What came out for a batch of pictures.

    Args:
        images: the last iterates, in [0, 1].
        loss: of each picture at each step; NaN once it was given up.
        blocked: the pictures that no gradient of the model reached.
        alpha: summed absolute gradient of each pixel, 98th percentile scaled to 1; None where not asked for.
    """

    images: Float[torch.Tensor, "picture rgb y x"]
    loss: Float[torch.Tensor, "picture step"]
    blocked: list[int]
    alpha: Float[torch.Tensor, "picture y x"] | None = None


def synthesise(
    hooked: HookedModel,
    plan: Plan,
    owner: Sequence[int],
    seeds: Sequence[tuple[int, ...]],
    watch: Watch | None = None,
    reader: CompiledReader | None = None,
) -> Batch:
    """Optimise one batch of pictures.

    Each picture has its own generator, its own term of the loss and its own optimiser state: it does not
    depend on which others are in the batch. In a batch of the same size it is the same to the bit.

    Args:
        hooked: the model.
        plan: what to optimise and how.
        owner: the index of each picture's unit in the plan's objectives.
        seeds: what each picture's generator starts from.
        watch: is told of each step, and may end the batch early.
        reader: runs the model, for the plan's layers; None: as it is.

    Raises:
        NonFiniteError: a loss became NaN or infinite; which pictures, at which step.
    """
    with reader.attached() if reader is not None else nullcontext(hooked.read_normalized) as read:
        return _optimise(hooked, plan, owner, seeds, watch, read)


def _optimise(
    hooked: HookedModel,
    plan: Plan,
    owner: Sequence[int],
    seeds: Sequence[tuple[int, ...]],
    watch: Watch | None,
    read: Read,
) -> Batch:
    generators = [torch.Generator().manual_seed(_mix(seed)) for seed in seeds]
    pictures = plan.start(generators, owner)
    optimiser = _adam(pictures.parameters(), plan.schedule)
    pulling = Pulling(hooked, plan.terms, torch.tensor(list(owner)), read)
    losses, summed, blocked = [], None, []
    with torch.enable_grad():
        for step in range(plan.schedule.steps):
            for group in optimiser.param_groups:
                group["lr"] = plan.schedule.at(step)
            images = pictures.images()
            pull = pulling.at(_transformed(plan, images, generators), waking=step <= _PATIENCE)
            if step % 16 == 0 or step == plan.schedule.steps - 1:  # a look costs a synchronisation on a GPU
                _check_finite(pull.loss, step)
            if step == _PATIENCE:
                blocked = pulling.blocked
                if len(blocked) == len(seeds):
                    break
            optimiser.zero_grad(set_to_none=True)
            strength = _follow(images, pull, summing=plan.alpha)
            _hold(optimiser, blocked)
            optimiser.step()
            pictures.constrain()
            losses.append(_not_of(blocked, pull.loss, math.nan))
            if strength is not None:
                strength = _not_of(blocked, strength, 0.0)
                summed = strength if summed is None else summed.add_(strength)
            if watch is not None and watch(step + 1, images.detach(), losses[-1]):
                break
    final = pictures.images().detach().clamp(0, 1)
    alpha = None if summed is None else _transparency(summed)
    return Batch(final, torch.stack(losses, 1), pulling.blocked, alpha)


@torch.no_grad()
def typical_scale(hooked: HookedModel, layer: str, size: tuple[int, int, int]) -> float:
    """How large the activations of a layer are for pictures of nothing, where they are not zero.

    The root of their mean square: weights of objectives are then comparable between layers, sparse ones too.
    """
    generators = [torch.Generator().manual_seed(number) for number in range(8)]
    values = look(hooked, FourierImages(size, generators, hooked.device).images(), [layer])[layer]
    firing = values[values != 0]
    return float(firing.square().mean().sqrt().clamp(min=1e-6)) if len(firing) else 1.0


def _transformed(
    plan: Plan, images: Float[torch.Tensor, "picture rgb y x"], generators: Sequence[torch.Generator]
) -> Float[torch.Tensor, "picture rgb y x"]:
    for transform in plan.transforms:
        images = transform(images, generators)
    return images


def _follow(
    images: Float[torch.Tensor, "picture rgb y x"], pull: Pull, *, summing: bool
) -> Float[torch.Tensor, "picture y x"] | None:
    """Carry a pull back to what the pictures are made of; how strong it is at each pixel."""
    if summing:
        images.retain_grad()
    pull.shown.backward(pull.gradient)  # type: ignore[no-untyped-call]
    return images.grad.abs().sum(1) if summing and images.grad is not None else None


def _check_finite(loss: Float[torch.Tensor, " picture"], step: int) -> None:
    bad = (~torch.isfinite(loss)).nonzero().flatten().tolist()
    if bad:
        raise NonFiniteError(
            f"The loss of pictures {bad} of the batch became NaN or infinite at step {step}. "
            "Check the model for non-finite activations with hooked.read, or run it in float32."
        )


def _adam(parameters: list[torch.Tensor], schedule: Schedule) -> torch.optim.Adam:
    """One kernel on a GPU. Not on a CPU: there the last numbers of a thread's share are rounded otherwise."""
    fused = all(parameter.is_cuda for parameter in parameters)
    return torch.optim.Adam(parameters, lr=schedule.rate, betas=schedule.betas, fused=fused)


def _hold(optimiser: torch.optim.Adam, which: list[int]) -> None:
    """Leave pictures as they are: whether one is given up must not depend on its batch mates."""
    for group in optimiser.param_groups if which else ():
        for parameter in group["params"]:
            for moved in (parameter.grad, optimiser.state[parameter]["exp_avg"]):  # what woke it goes on else
                if moved is not None:
                    moved[which] = 0


def _not_of(
    which: list[int], values: Float[torch.Tensor, "picture ..."], instead: float
) -> Float[torch.Tensor, "picture ..."]:
    """What is recorded: of pictures that were given up no more than where they are alone."""
    if which:
        values = values.clone()
        values[which] = instead
    return values


def _transparency(pull: Float[torch.Tensor, "picture y x"]) -> Float[torch.Tensor, "picture y x"]:
    flat = pull.flatten(1)
    top = torch.quantile(flat, 0.98, dim=1).clamp(min=1e-20).view(-1, 1, 1)
    return (pull / top).clamp(0, 1)


def _mix(seed: tuple[int, ...]) -> int:
    """One number from several, so that neighbouring seeds give unrelated pictures."""
    mixed = 0x9E3779B97F4A7C15
    for part in seed:
        mixed = ((mixed ^ part) * 0xBF58476D1CE4E5B9) % 2**63
        mixed ^= mixed >> 31
    return mixed
