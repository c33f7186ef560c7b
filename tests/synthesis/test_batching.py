"""How many pictures are made at a time, and what happens where they do not fit."""

from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.errors import NonFiniteError, OutOfMemoryError
from fvhooks.synthesis.engine import Plan, Schedule
from fvhooks.synthesis.objectives.activation import Activation
from fvhooks.synthesis.running import batching
from fvhooks.synthesis.running.batching import (
    bytes_of_a_picture,
    choose_batch_size,
    even_size,
    free_memory,
    in_batches,
    is_out_of_memory,
)

OWN_WORDS = "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried"


class Small(nn.Module):
    """A network on a machine that holds so many pictures; it notes how many came at a time."""

    def __init__(self, room: int, error: Exception) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.room, self.error, self.seen = nn.Conv2d(3, 6, 3), room, error, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.requires_grad:
            self.seen.append(len(x))
            if len(x) > self.room:
                raise self.error
        return torch.relu(self.conv(x)).mean((2, 3))


def small(room: int, error: Exception | None = None) -> fv.HookedModel:
    return fv.attach(Small(room, error or torch.OutOfMemoryError("tried")), input_shape=(3, 10, 10))


def visualize(hooked: fv.HookedModel, **kwargs: Any) -> fv.Visualizations:
    units = [fv.Unit("conv", channel) for channel in range(5)]
    return fv.visualize(hooked, units, "fourier", **{"seeds": 2, "steps": 3, "show_progress": False} | kwargs)


def plan_for(hooked: fv.HookedModel, layer: str) -> Plan:
    term = Activation([fv.Unit(layer, 0)], hooked.layout(layer))
    return Plan(lambda *_: None, [(1.0, term)], Schedule(1, 1))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError(OWN_WORDS)])
def test_a_batch_that_does_not_fit_is_halved_and_the_pictures_are_the_same(error: Exception) -> None:
    hooked = small(3, error)
    vis = visualize(hooked)
    sizes = list(dict.fromkeys(hooked.model.seen))
    assert sizes == [10, 5, 3]  # those after it are not tried at the old size again
    assert hooked.model.seen.count(10) == hooked.model.seen.count(5) == 1
    assert (vis.data.flag == "").all()
    np.testing.assert_allclose(vis.images, visualize(small(100)).images, atol=2e-3)


def test_the_model_is_left_as_it_came(untouched: Any) -> None:
    hooked = small(3)
    hooked.model.train()
    with untouched(hooked.model):
        visualize(hooked)


def test_one_picture_that_does_not_fit_is_an_error_that_says_what_to_do(untouched: Any) -> None:
    hooked = small(0)
    with (
        untouched(hooked.model),
        pytest.raises(OutOfMemoryError, match=r"Not even one picture.*\(tried\).*smaller input_shape=…"),
    ):
        visualize(hooked)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(NonFiniteError("out of memory"))
    with pytest.raises(RuntimeError, match="weather"):
        visualize(small(1, RuntimeError("weather")))


def test_batches_are_of_one_size_and_nothing_is_left_out() -> None:
    seen = []

    def make(part: list[int], wanted: int) -> list[int]:
        seen.append((len(part), wanted))
        return part

    found = [part for part, _, _ in in_batches(range(8), 3, make, torch.device("cpu"))]
    assert found == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert seen == [(3, 3), (3, 3), (3, 2)]
    assert [even_size(count, 16) for count in (1, 16, 17, 33)] == [1, 16, 9, 11]


def test_fewer_pictures_at_a_time_where_little_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    hooked = small(100)
    plan = Plan(
        lambda *_: None, [(1.0, Activation([fv.Unit("conv", 0)], hooked.layout("conv")))], Schedule(1, 1)
    )
    need = bytes_of_a_picture(hooked, plan, (3, 10, 10))
    chosen = []
    for pictures in (1000, 8, 5.5, 0.5):
        monkeypatch.setattr(batching, "free_memory", lambda _, n=pictures: n * need / 0.6 + 1)
        chosen.append(choose_batch_size(hooked, plan, (3, 10, 10), 40, lambda _: None))
    assert chosen == [16, 8, 4, 1]


def test_on_an_accelerator_a_step_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    hooked, tried = small(100), []

    class Module:
        """A device with 2 GB for itself and 100 MB a picture."""

        reset_peak_memory_stats = staticmethod(lambda _: None)
        max_memory_allocated = staticmethod(lambda _: 2 * 10**9 + tried[-1] * 10**8)
        mem_get_info = staticmethod(lambda _: (10**9, 3 * 10**9))
        memory_reserved = memory_allocated = staticmethod(lambda _: 0)

    monkeypatch.setattr(torch, "get_device_module", lambda _: Module)
    plan = Plan(
        lambda *_: None, [(1.0, Activation([fv.Unit("conv", 0)], hooked.layout("conv")))], Schedule(1, 1)
    )
    assert choose_batch_size(hooked, plan, (3, 10, 10), 40, tried.append) == 6
    assert tried == [1, 1, 2]


def test_a_deeper_layer_and_a_larger_picture_need_more() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
    needs = []
    for layer, side in (("0", 16), ("3", 16), ("3", 32)):
        hooked = fv.attach(net, input_shape=(3, side, side))
        plan = plan_for(hooked, layer)
        needs.append(bytes_of_a_picture(hooked, plan, (3, side, side)))
    assert needs[0] < needs[1] < needs[2]
    assert needs[1] - needs[0] == 2 * 4 * (8 * 14**2 + 2 * 8 * 12**2)  # the three layers behind the first


def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(batching, "_CONTROL_GROUP", tmp_path)
    cpu = torch.device("cpu")
    assert free_memory(cpu) > 2**20
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(cpu) > 2**20
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert free_memory(cpu) == 2_000_000
    (tmp_path / "memory.current").write_text("4000000\n")
    assert free_memory(cpu) == 0
    assert psutil.virtual_memory().available > 0
