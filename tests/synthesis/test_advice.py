"""What is said of units before time is spent on them, and of those that cannot be moved."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.errors import ImageError, MissingInputError
from fvhooks.synthesis.engine import Plan, _not_of
from fvhooks.synthesis.objectives.total_variation import TotalVariation
from fvhooks.synthesis.recipes import Request
from fvhooks.synthesis.recipes.fourier import Fourier
from fvhooks.synthesis.running import making
from fvhooks.synthesis.running.advice import BLOCKED, check_size

DEAD, NEGATIVE = 2, 1


@dataclass(frozen=True)
class Smooth:
    """Fires a unit, with a penalty that pulls at pixels whether the model passes a gradient on or not."""

    def plan(self, request: Request) -> Plan:
        plan = Fourier().plan(request)
        return replace(plan, terms=[*plan.terms, (1e-3, TotalVariation())])


@pytest.fixture(scope="module")
def hooked() -> fv.HookedModel:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(600, 3))
    with torch.no_grad():
        net[0].bias[DEAD] = -2.0  # above the reach of real images
        net[3].bias[NEGATIVE] = -50.0
    return fv.attach(net, input_shape=(3, 12, 12))


@pytest.fixture(scope="module")
def store(hooked: fv.HookedModel, tmp_path_factory: pytest.TempPathFactory) -> fv.Store:
    images = (torch.rand(40, 3, 12, 12, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)
    dataset = TensorDataset(images, torch.arange(40) % 3)
    path = tmp_path_factory.mktemp("advice") / "s.zarr"
    return fv.collect(hooked, dataset, path, layers=["0", "1"], show_progress=False)


def visualize(
    hooked: fv.HookedModel, units: Any, recipe: str = "fourier", **kwargs: Any
) -> fv.Visualizations:
    return fv.visualize(hooked, units, recipe, **{"seeds": 1, "steps": 3, "show_progress": False} | kwargs)


def test_a_dead_unit_is_flagged_and_told_before_time_is_spent(
    hooked: fv.HookedModel, store: fv.Store, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = [fv.Unit("1", 0), fv.Unit("1", DEAD)]
    vis = visualize(hooked, units, store=store)
    said = "dead in the data: never above 0 in 40 real images"
    fine, flagged = vis.data.flag.values.ravel().tolist()
    assert fine == ""
    assert flagged.startswith(f"{said}; {BLOCKED}, since the unit is silent for its start")
    caplog.clear()
    monkeypatch.setattr(making, "make", None)
    with caplog.at_level(logging.WARNING, "fvhooks"), pytest.raises(TypeError):
        visualize(hooked, units, store=store)
    assert caplog.messages == [f"1:{DEAD} is {said}"]


def test_a_unit_that_is_only_ever_negative_is_flagged(hooked: fv.HookedModel, store: fv.Store) -> None:
    vis = visualize(hooked, [fv.Unit.logit(NEGATIVE), fv.Unit("0", DEAD), fv.Unit.logit(0)], store=store)
    highest = [float(store["logits"].peak[:, NEGATIVE].max()), float(store["0"].peak[:, DEAD].max())]
    flags = vis.data.flag.values.ravel().tolist()
    assert flags[:2] == [f"negative-only: never above {top:.3g} in 40 real images" for top in highest]
    assert flags[2] == ""


def test_units_that_the_recipe_cannot_show_are_left_out_and_named(
    hooked: fv.HookedModel, store: fv.Store, caplog: Any
) -> None:
    with caplog.at_level(logging.WARNING, "fvhooks"):
        vis = visualize(hooked, hooked.units("1"), "vital", store=store)
    assert vis.data.unit.values.tolist() == [f"1:{channel}" for channel in range(6) if channel != DEAD]
    assert list(vis.data.attrs["left_out"]) == [f"1:{DEAD}"]
    assert "fires for none of the reference images" in vis.data.attrs["left_out"][f"1:{DEAD}"]
    assert any(f"1:{DEAD} is left out" in said for said in caplog.messages)


def test_alone_it_is_an_error_that_says_what_to_do(hooked: fv.HookedModel, store: fv.Store) -> None:
    with pytest.raises(MissingInputError, match=r"fires for none of the reference.*use recipe 'fourier'"):
        visualize(hooked, fv.Unit("1", DEAD), "vital", store=store)


def test_a_blocked_gradient_is_explained_and_the_layer_before_is_offered() -> None:
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
    with torch.no_grad():
        net[1].bias[4] = -1000
    hooked = fv.attach(net, input_shape=(3, 12, 12))
    told: list[int] = []
    vis = visualize(hooked, fv.Unit("2", 4), steps=50, live=lambda forming: told.append(forming.step))
    assert vis.data.flag.item() == (
        "no gradient reached the picture, since the unit is silent for its start, "
        "where a rectifier passes none on; look at the same channel of '1', "
        "the nearest layer before it with negative values"
    )
    assert max(told) == 32  # and no more time is spent
    offered = visualize(hooked, fv.Unit("1", 4), steps=50)
    assert offered.data.flag.item() == ""
    assert offered.data.loss[0, 0, -1] < offered.data.loss[0, 0, 0]


@pytest.fixture(params=[nn.ReLU, nn.ReLU6])
def silent(request: pytest.FixtureRequest) -> fv.HookedModel:
    """Channel 4 is silent for grey noise, but not for every picture."""
    torch.manual_seed(2)
    relu = request.param
    net = nn.Sequential(nn.Conv2d(3, 6, 3), relu(inplace=True), nn.Conv2d(6, 6, 3), relu())
    with torch.no_grad():
        net[2].bias[0], net[2].bias[4] = 1.0, -0.4
    return fv.attach(net, input_shape=(3, 12, 12), mean=[0.5] * 3, std=[0.25] * 3)


@pytest.mark.parametrize("recipe", ["fourier", Smooth()], ids=["alone", "beside a penalty"])
def test_a_unit_that_is_silent_for_the_start_is_woken(
    silent: fv.HookedModel, monkeypatch: pytest.MonkeyPatch, recipe: Any
) -> None:
    vis = visualize(silent, fv.Unit("3", 4), recipe, steps=64)
    assert vis.data.flag.item() == ""
    assert vis.data.activation.item() > 0.1
    assert vis.data.loss.values[0, 0, 0] == 0 or recipe != "fourier"  # silent indeed
    monkeypatch.setattr("fvhooks.synthesis.pulls.is_compiled", lambda _: True)  # nothing is redirected
    blocked = visualize(silent, fv.Unit("3", 4), recipe, steps=64)
    assert blocked.data.flag.item().startswith(BLOCKED)
    assert blocked.data.activation.item() == 0


def test_waking_one_picture_changes_no_other(silent: fv.HookedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    units = [fv.Unit("3", 0), fv.Unit("3", 4)]
    woken = visualize(silent, units, steps=40)
    monkeypatch.setattr("fvhooks.synthesis.pulls.is_compiled", lambda _: True)
    left = visualize(silent, units, steps=40)
    assert woken.data.flag.values.ravel().tolist()[0] == ""
    np.testing.assert_array_equal(woken.images.values[0], left.images.values[0])
    assert not np.array_equal(woken.images.values[1], left.images.values[1])


def test_given_up_or_not_a_picture_does_not_depend_on_its_batch_mates() -> None:
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU())
    with torch.no_grad():
        net[0].bias[4], net[0].bias[0] = -1000, 1
    hooked = fv.attach(net, input_shape=(3, 12, 12))
    alone = visualize(hooked, fv.Unit("1", 4), steps=40)
    beside = visualize(hooked, [fv.Unit("1", 0), fv.Unit("1", 4)], steps=40)
    assert beside.data.flag.values.ravel().tolist() == ["", alone.data.flag.item()]
    torch.testing.assert_close(
        torch.from_numpy(beside.images.values[1]), torch.from_numpy(alone.images.values[0]), atol=1e-5, rtol=0
    )
    assert alone.data.loss[0, 0].notnull().sum() == 32
    for name in ("loss", "alpha"):
        np.testing.assert_allclose(beside.data[name][1], alone.data[name][0], atol=1e-5)


@pytest.mark.parametrize("blocked", [True, False])
def test_pictures_that_were_given_up_add_no_pull(blocked: bool) -> None:
    """A picture that feels a gradient only after it was given up, as by a transform, says none."""
    values = torch.ones(2, 4, 4)
    found = _not_of([1] if blocked else [], values, 0.0)
    assert found.flatten(1).any(1).tolist() == [True, not blocked]
    assert values.all()


def test_a_size_that_the_model_cannot_take() -> None:
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.Linear(600, 3))
    hooked = fv.attach(net, input_shape=(3, 16, 16))
    with pytest.raises(
        ImageError, match=r"Sequential cannot take pictures of \(3, 16, 16\): .*mat1.*input_shape=\(channels"
    ):
        visualize(hooked, fv.Unit.logit(0))


def test_warnings_are_kept_with_the_pictures(hooked: fv.HookedModel, store: fv.Store, tmp_path: Path) -> None:
    first = visualize(hooked, fv.Unit("1", DEAD), store=store, keep=True)
    again = visualize(hooked, fv.Unit("1", DEAD), store=store, keep=True)
    assert first.data.flag.item() == again.data.flag.item() != ""


def test_asking_whether_a_size_fits_leaves_the_signs_of_layers_known() -> None:
    """A first convolution without a bias gives zero for plain grey: neither sign."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.Flatten(), nn.Linear(400, 2))
    hooked = fv.attach(net, mean=[0.5] * 3, std=[0.5] * 3, input_shape=(3, 12, 12))
    check_size(hooked, (3, 12, 12))
    assert hooked.probe()["0"].signed
