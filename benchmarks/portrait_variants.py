"""Variants of the recipe `portrait` that were tried and are no part of it.

`portrait_trials.py` and `portrait_late.py` make their pictures.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from fvhooks.synthesis.cells import by_cell, in_cells
from fvhooks.synthesis.engine import Plan, Schedule
from fvhooks.synthesis.objectives import Objective, Seen
from fvhooks.synthesis.objectives.nearest_matching import in_units
from fvhooks.synthesis.objectives.sort_matching import SortMatching
from fvhooks.synthesis.objectives.style import Style
from fvhooks.synthesis.objectives.through import Through
from fvhooks.synthesis.parametrisations.pixels import NormalizedPixels
from fvhooks.synthesis.recipes import Request
from fvhooks.synthesis.recipes.portrait import Portrait
from fvhooks.synthesis.references.neighbours import neighbour_groups, pooled, read_references
from fvhooks.synthesis.references.weights import channel_weights
from fvhooks.synthesis.visualizations import Target
from fvhooks.units import LOGITS, Unit

DIRECTIONS = 64
Terms = list[tuple[float, Objective]]


@dataclass(frozen=True)
class Given:
    """What one layer gives for a unit's references, their groups, and the factor of each channel."""

    values: torch.Tensor
    groups: np.ndarray
    factors: torch.Tensor


@dataclass(frozen=True)
class Variant(Portrait, ABC):
    """`portrait` with other terms; `terms` says which."""

    def plan(self, request: Request) -> Plan:
        """What `portrait` plans, with other terms."""
        planned, layers = super().plan(request), [layer.name for layer in self._layers(request)]
        units = [self._given(request, unit, layers) for unit in request.units]
        given = {layer: [one[layer] for one in units] for layer in layers}
        return replace(planned, terms=self.terms(request, list(planned.terms), given))

    @abstractmethod
    def terms(self, request: Request, planned: Terms, given: dict[str, list[Given]]) -> Terms:
        """The terms instead of the planned ones: sorted values layer by layer, then nearest places."""

    def _given(self, request: Request, unit: Target, layers: Sequence[str]) -> dict[str, Given]:
        """What layers give for a unit's references, grouped as `portrait` groups them."""
        images = self._images(request, unit)
        values = read_references(request.hooked, images, layers)
        groups = neighbour_groups(values[layers[-1]].mean(-1).cpu().numpy(), request.seeds, self.neighbours)
        assert isinstance(unit, Unit)
        ones = {layer: np.ones(values[layer].shape[1], np.float32) for layer in layers}
        counted = (
            ones
            if unit.layer == LOGITS
            else channel_weights(request.hooked, images, unit, layers, self.attributor)
        )
        found = {}
        for layer in layers:
            kept = request.need_store("portrait")[request.hooked.resolve(layer)]
            squares = torch.from_numpy((kept.natural_mean**2 + kept.natural_variance).values)
            factors = in_units(squares, torch.from_numpy(counted[layer]).to(squares))
            found[layer] = Given(values[layer], groups, factors)
        return found


@dataclass(frozen=True)
class Late(Variant):
    """One more term in each layer of the deeper half: the covariance of channels, or sliced distances."""

    sliced: bool = False
    weight: float = 1.0

    def terms(self, request: Request, planned: Terms, given: dict[str, list[Given]]) -> Terms:  # noqa: ARG002 - one signature
        """The planned terms and those of late layers."""
        late = list(given)[len(given) // 2 :]
        added = sliced_distance if self.sliced else covariance_distance
        return planned + [(self.weight, added(layer, given[layer])) for layer in late]


@dataclass(frozen=True)
class Tagged(Variant):
    """No cells: each value is sorted with where it is, seen from four sides."""

    cells: int = 1
    tag: float = 1.0

    def terms(self, request: Request, planned: Terms, given: dict[str, list[Given]]) -> Terms:
        """Tagged values instead of sorted ones; the deepest layer and nearest places as planned."""
        tagged = []
        for layer, units in list(given.items())[:-1]:
            sides = self._sides(request, layer)

            def tags(values: torch.Tensor, sides: torch.Tensor = sides) -> torch.Tensor:
                return (values.unsqueeze(2) + sides).flatten(1, 2)

            profiles = torch.cat(
                [pooled(tags(one.values * one.factors.view(-1, 1)), one.groups) for one in units]
            )
            matching = SortMatching(layer, profiles, torch.ones(profiles.shape[:2]))
            tagged.append((1.0, scaled(matching, layer, units, tags)))
        return tagged + planned[len(tagged) :]

    def _sides(self, request: Request, layer: str) -> torch.Tensor:
        """What is added to a value at each position: rows and columns, up and down: [side, position]."""
        layout = request.hooked.layout(request.hooked.resolve(layer))
        across = [torch.linspace(-1, 1, size) for size in layout.grid]
        grid = torch.stack([each.flatten() for each in torch.meshgrid(*across, indexing="ij")])
        grid = nn.functional.pad(grid, (layout.prefix, 0))
        return self.tag * torch.cat([grid, -grid])


@dataclass(frozen=True)
class Averaged(Variant):
    """Each image of a group is sorted alone, and sorted values are averaged, as `vital` does; of outputs."""

    def terms(self, request: Request, planned: Terms, given: dict[str, list[Given]]) -> Terms:
        """Averages instead of values that were sorted together."""
        shown = []
        for layer, (name, units) in zip(self._layers(request), given.items(), strict=True):
            means = [_sorted_alone(in_cells(one.values, layer.sorted_in), one.groups) for one in units]
            profiles = torch.cat(means)
            matching = SortMatching(name, profiles, torch.ones(profiles.shape[:2]))
            shown.append((1.0, by_cell(matching, layer.sorted_in)))
        return shown + planned[len(shown) :]


@dataclass(frozen=True)
class DeepFirst(Variant):
    """The deepest layer alone at first; the others join it one by one, all by half of the steps."""

    def terms(self, request: Request, planned: Terms, given: dict[str, list[Given]]) -> Terms:
        """The planned terms, most of which count nothing at the start."""
        steps, deepest = request.steps_or(self.steps), len(given) - 1
        begins = [steps * (deepest - place) / (2 * max(deepest, 1)) for place in range(len(given))]
        return [
            (weight, Waiting(term, begins[place % len(given)], steps))
            for place, (weight, term) in enumerate(planned)
        ]


@dataclass(frozen=True)
class Pixels(Portrait):
    """Raw pixels in place of Fourier coefficients, from noise and with the large steps of `vital_faithful`.

    With `blur` the picture is these pixels after a filter of 3 × 3, whose middle counts `blur` times as much
    along each axis as what is beside it: stripes one pixel wide, as strides leave them, are faint then.
    """

    rate: float = 1.0
    jitter: float = 0.06
    blur: float = 0.0

    def plan(self, request: Request) -> Plan:
        """What `portrait` plans, with other pictures and another schedule."""
        steps = request.steps_or(self.steps)

        def start(generators: Sequence[torch.Generator], _: Sequence[int]) -> NormalizedPixels:
            given = (request.size, generators, request.hooked.preprocessing, request.device)
            return BlurredPixels(*given, blur=self.blur) if self.blur else NormalizedPixels(*given)

        schedule = Schedule(steps, self.rate, warmup=steps // 20, betas=(0.5, 0.9))
        return replace(super().plan(request), start=start, schedule=schedule)


class BlurredPixels(NormalizedPixels):
    """Pictures that are pixels after a small filter."""

    def __init__(self, *given: Any, blur: float) -> None:
        super().__init__(*given)
        line = torch.tensor([1.0, blur, 1.0]) / (blur + 2)
        self.filter = torch.outer(line, line).expand(self.pixels.shape[1], 1, 3, 3)

    def images(self) -> torch.Tensor:
        padded = nn.functional.pad(super().images(), (1, 1, 1, 1), mode="reflect")
        return nn.functional.conv2d(padded, self.filter, groups=len(self.filter))


@dataclass(frozen=True)
class Waiting(Objective):
    """An objective that counts from some step of a run of `steps` on.

    It counts its calls: right where one batch after the other takes all steps, and no unit has to be woken.
    """

    objective: Objective
    begins: float
    steps: int
    calls: list[None] = field(default_factory=list)

    @property
    def layers(self) -> tuple[str, ...]:
        return self.objective.layers

    def __call__(self, seen: Seen) -> torch.Tensor:
        step = len(self.calls) % self.steps
        self.calls.append(None)
        return self.objective(seen) * float(step >= self.begins)


def sliced_distance(layer: str, units: Sequence[Given]) -> Objective:
    """How differently places are spread along random mixtures of channels (sliced Wasserstein)."""
    channels = units[0].values.shape[1]
    drawn = torch.randn(DIRECTIONS, channels, generator=torch.Generator().manual_seed(0))
    mixed = nn.functional.normalize(drawn, dim=1)
    profiles = torch.cat(
        [pooled(mixed @ (one.values * one.factors.view(-1, 1)), one.groups) for one in units]
    )
    matching = SortMatching(layer, profiles, torch.ones(len(profiles), DIRECTIONS))
    return scaled(matching, layer, units, lambda values: mixed @ values)


def covariance_distance(layer: str, units: Sequence[Given]) -> Objective:
    """Squared distance of channel covariances over places, about the mean of the references."""
    together = torch.cat([_together(one.values * one.factors.view(-1, 1), one.groups) for one in units])
    means = together.mean(-1, keepdim=True)
    factors = _factors(units)
    style = Style.of(layer, together - means)
    return Through(
        style,
        lambda seen: instead(seen, layer, seen.activations[layer] * factors[seen.owner] - means[seen.owner]),
    )


def scaled(
    objective: Objective,
    layer: str,
    units: Sequence[Given],
    change: Callable[[torch.Tensor], torch.Tensor],
) -> Objective:
    """An objective that is shown a change of a layer's values, in units that make its channels alike."""
    factors = _factors(units)
    return Through(
        objective,
        lambda seen: instead(seen, layer, change(seen.activations[layer] * factors[seen.owner])),
    )


def instead(seen: Seen, layer: str, values: torch.Tensor) -> Seen:
    """What was seen, with other values of one layer."""
    return Seen({layer: values}, seen.pictures, seen.owner)


def _factors(units: Sequence[Given]) -> torch.Tensor:
    owners = len(units[0].groups)
    return torch.stack([one.factors for one in units]).repeat_interleave(owners, 0).unsqueeze(-1)


def _together(values: torch.Tensor, groups: np.ndarray) -> torch.Tensor:
    """All places of each group's images side by side: [group, channel, place]."""
    return torch.stack([values[torch.from_numpy(some)].transpose(0, 1).flatten(1) for some in groups])


def _sorted_alone(values: torch.Tensor, groups: np.ndarray) -> torch.Tensor:
    return torch.stack([values[torch.from_numpy(some)].sort(-1).values.mean(0) for some in groups])
