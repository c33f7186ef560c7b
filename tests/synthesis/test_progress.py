"""What a person sees while pictures form, and stops."""

import os
import re
import signal
from typing import Any

import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.synthesis.running.progress import Forming


@pytest.fixture(scope="module")
def hooked() -> fv.HookedModel:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(600, 3))
    return fv.attach(net, input_shape=(3, 12, 12))


def visualize(hooked: fv.HookedModel, count: int = 4, **kwargs: Any) -> fv.Visualizations:
    settings = {"seeds": 2, "steps": 20, "batch_size": 3, "show_progress": False}
    return fv.visualize(hooked, hooked.units(hooked.layers[0])[:count], "fourier", **settings | kwargs)


def test_a_watcher_is_told_of_every_step(hooked: fv.HookedModel) -> None:
    told: list[Forming] = []
    vis = visualize(hooked, live=told.append)
    assert [(one.batch, one.step) for one in told] == [(b, s) for b in (1, 2, 3) for s in range(1, 21)]
    assert {(one.batches, one.steps, one.stopping) for one in told} == {(3, 20, False)}
    assert list(told[0].units) == ["0:0", "0:0", "0:1"]
    assert list(told[0].seeds) == [0, 1, 0]
    assert len(told[-1].units) == len(told[-1].images) == 2  # the last batch is filled up: nobody's business
    assert (vis.data.flag == "").all()
    moved = (told[19].images - told[0].images).abs().mean()
    assert moved > 0.01


def test_who_stops_keeps_the_pictures_as_they_are(hooked: fv.HookedModel) -> None:
    vis = visualize(hooked, live=lambda forming: (forming.batch, forming.step) == (2, 5))
    assert vis.data.unit.values.tolist() == ["0:0", "0:1", "0:2"]  # the fourth was not begun
    flags = vis.data.flag.values.ravel().tolist()
    assert flags == [""] * 3 + ["stopped at step 5"] * 3
    whole = visualize(hooked)
    assert vis.images.values[:1].tobytes() == whole.images.values[:1].tobytes()
    loss = vis.data.loss.values[2, 0]
    assert loss[:5].tobytes() == whole.data.loss.values[2, 0, :5].tobytes()
    assert torch.from_numpy(loss[5:]).isnan().all()
    assert vis.images.std(("rgb", "y", "x")).min() > 0.01


def test_stopped_within_the_first_unit_the_seeds_that_were_begun_come_back(hooked: fv.HookedModel) -> None:
    vis = visualize(hooked, live=lambda forming: forming.step == 2, batch_size=1)
    assert vis.images.shape[:2] == (1, 1)
    assert vis.data.flag.item() == "stopped at step 2"


def test_the_first_interrupt_stops_and_the_second_interrupts(hooked: fv.HookedModel) -> None:
    def interrupt(forming: Forming) -> None:
        if forming.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    vis = visualize(hooked, live=interrupt)
    assert set(vis.data.flag.values.ravel()) == {"stopped at step 3"}
    assert signal.getsignal(signal.SIGINT) is before

    def twice(forming: Forming) -> None:
        interrupt(forming)
        interrupt(forming)

    with pytest.raises(KeyboardInterrupt):
        visualize(hooked, live=twice)
    assert signal.getsignal(signal.SIGINT) is before


def test_without_a_live_view_an_interrupt_is_one(hooked: fv.HookedModel, monkeypatch: Any) -> None:
    from fvhooks.synthesis.running import making

    monkeypatch.setattr(making, "make", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        visualize(hooked)


def test_the_bar_tells_batch_loss_and_time_left(hooked: fv.HookedModel, capfd: Any) -> None:
    visualize(hooked, show_progress=True)
    said = capfd.readouterr().err
    assert re.search(r"visualize: 100%\|.*\| 60/60 \[", said)
    assert re.search(r"batch=3/3, loss=-?\d", said)
    assert re.search(r"<\d\d:\d\d", said)


def test_no_bar_where_none_is_wanted(hooked: fv.HookedModel, capfd: Any) -> None:
    visualize(hooked)
    assert capfd.readouterr().err == ""


def test_the_bar_counts_again_where_memory_runs_out(capfd: Any) -> None:
    class Tight(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.requires_grad and len(x) > 2:
                raise torch.OutOfMemoryError("full")
            return self.conv(x).mean((2, 3))

    hooked = fv.attach(Tight(), input_shape=(3, 8, 8))
    told: set[tuple[int, int]] = set()
    visualize(hooked, 4, show_progress=True, batch_size=4, live=lambda it: told.add((it.batch, it.batches)))
    assert told == {(number, 4) for number in range(1, 5)}  # the attempt that failed is no batch
    assert re.search(r"100%\|.*\| 80/80 \[", capfd.readouterr().err)  # four batches of two, twenty steps each
