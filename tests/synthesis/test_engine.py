"""The engine: schedule, independence of batch mates, honest failure, nothing left on the model."""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.errors import NonFiniteError
from fvhooks.synthesis.engine import Plan, Schedule, synthesise
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.objectives.activation import Activation
from fvhooks.synthesis.objectives.sort_matching import SortMatching
from fvhooks.synthesis.parametrisations.images import FourierImages, PixelImages
from fvhooks.synthesis.transforms import Affine, Roll


@pytest.fixture
def hooked() -> fv.HookedModel:
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.Flatten(), nn.Linear(500, 4)
    )
    return fv.attach(net, mean=[0.4] * 3, std=[0.2] * 3, input_shape=(3, 12, 12))


def plan(hooked: fv.HookedModel, units: Sequence[fv.Unit], steps: int = 12, rate: float = 0.1) -> Plan:
    def start(generators: Sequence[torch.Generator], _owner: Sequence[int]) -> FourierImages:
        return FourierImages((3, 12, 12), generators, torch.device("cpu"))

    term = Activation(units, hooked.layout(units[0].layer))
    return Plan(start, [(1.0, term)], Schedule(steps, rate, warmup=4), [Roll(1), Affine()])


def test_published_learning_rates() -> None:
    schedule = Schedule(2000, 1.0, warmup=100)
    got = [schedule.at(step) for step in (0, 99, 100, 1050, 1999)]
    expected = [0.01, 1.0, 1.0, 0.5, 0.5 * (1 + math.cos(math.pi * 1899 / 1900))]
    assert got == pytest.approx(expected, abs=1e-9)


def test_units_become_more_active(hooked: fv.HookedModel) -> None:
    units = [fv.Unit("2", channel) for channel in range(5)]
    batch = synthesise(hooked, plan(hooked, units, steps=40), range(5), [(c,) for c in range(5)])
    assert (batch.loss[:, -1] < batch.loss[:, 0] - 0.01).all()
    assert batch.images.min() >= 0
    assert batch.images.max() <= 1


def test_a_picture_does_not_depend_on_its_batch_mates(hooked: fv.HookedModel) -> None:
    units = [fv.Unit("2", channel) for channel in range(5)]
    first = synthesise(hooked, plan(hooked, units), [0, 1, 2], [(10,), (11,), (12,)])
    other = synthesise(hooked, plan(hooked, units), [4, 1, 3], [(77,), (11,), (5,)])
    assert torch.equal(first.images[1], other.images[1])  # the same batch shape: to the bit
    alone = synthesise(hooked, plan(hooked, units), [1], [(11,)])
    torch.testing.assert_close(alone.images[0], first.images[1], atol=1e-3, rtol=0)


def test_seeds_give_different_pictures(hooked: fv.HookedModel) -> None:
    batch = synthesise(hooked, plan(hooked, [fv.Unit("2", 0)]), [0, 0], [(1, 0), (1, 1)])
    assert (batch.images[0] - batch.images[1]).abs().mean() > 0.005


def test_transparency_is_high_where_the_unit_looks() -> None:
    class TopLeft(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x)[:, :, :4, :4].mean((2, 3))

    looking = fv.attach(TopLeft(), input_shape=(3, 12, 12))
    units = [fv.Unit.logit(0)]
    term = Activation(units, looking.layout("logits"))
    start = lambda generators, _owner: PixelImages((3, 12, 12), generators, torch.device("cpu"))  # noqa: E731
    batch = synthesise(looking, Plan(start, [(1.0, term)], Schedule(3, 0.01)), [0], [(0,)])
    assert batch.alpha is not None
    assert batch.alpha[0, :4, :4].min() > 0
    assert batch.alpha[0, 6:, 6:].max() == 0
    assert batch.alpha.max() == 1


def test_a_loss_that_is_not_finite_is_an_error(hooked: fv.HookedModel, leaks: Any) -> None:
    leaks.forget(hooked.model)
    with torch.no_grad():
        hooked.model[2].weight[0] = float("nan")
    with pytest.raises(NonFiniteError, match=r"pictures \[0\] of the batch became NaN or infinite at step 0"):
        synthesise(hooked, plan(hooked, [fv.Unit("2", 0), fv.Unit("2", 1)]), [0, 1], [(0,), (1,)])


def test_it_works_inside_no_grad(hooked: fv.HookedModel) -> None:
    with torch.no_grad():
        batch = synthesise(hooked, plan(hooked, [fv.Unit("2", 0)]), [0], [(0,)])
    assert batch.loss[0, -1] < batch.loss[0, 0]


def test_look_gives_float32_channels_of_a_half_precision_model() -> None:
    net = fv.attach(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()).to(torch.bfloat16), input_shape=(3, 8, 8))
    values = look(net, torch.rand(2, 3, 8, 8), ["0"])["0"]
    assert values.dtype == torch.float32
    assert values.shape == (2, 4, 36)


def test_a_bfloat16_model_gives_float32_pictures_and_losses_near_those_of_float32(
    hooked: fv.HookedModel,
) -> None:
    units = [fv.Unit("2", channel) for channel in range(2)]
    profile = torch.linspace(-1, 1, 100).expand(2, 5, 100)
    matching = SortMatching("2", profile, torch.ones(2, 5))
    base = plan(hooked, units, steps=20)
    exact_plan = replace(base, terms=[(1.0, matching)])
    exact = synthesise(hooked, exact_plan, [0, 1], [(1,), (2,)])
    half = copy.deepcopy(hooked.model).to(torch.bfloat16)
    rough_model = fv.attach(half, mean=[0.4] * 3, std=[0.2] * 3, input_shape=(3, 12, 12))
    assert rough_model.dtype == torch.bfloat16
    rough = synthesise(rough_model, exact_plan, [0, 1], [(1,), (2,)])
    for made in (rough.images, rough.loss):
        assert made.dtype == torch.float32
    torch.testing.assert_close(rough.loss[:, 0], exact.loss[:, 0], rtol=0.02, atol=0)
    assert (rough.loss[:, -1] < 0.9 * rough.loss[:, 0]).all()
    assert rough_model.dtype == torch.bfloat16
