"""Kept jobs that cannot show every unit, that are stopped, and that do not write alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.errors import FVHooksError, MissingInputError
from fvhooks.store.pictures import KeptPictures
from fvhooks.synthesis.recipes.fourier import Fourier
from fvhooks.synthesis.running import making
from fvhooks.synthesis.running.gathering import gather
from fvhooks.synthesis.running.jobs import Call

ABSENT = 1
KEPT = pytest.mark.parametrize("keep", [True, False], ids=["kept", "not kept"])


@pytest.fixture(scope="module")
def hooked() -> fv.HookedModel:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 4))
    return fv.attach(net, input_shape=(3, 12, 12))


@pytest.fixture
def store(hooked: fv.HookedModel, tmp_path: Path) -> fv.Store:
    images = (torch.rand(40, 3, 12, 12, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)
    labels = torch.tensor([0, 2, 3, 0]).repeat(10)
    return fv.collect(
        hooked, TensorDataset(images, labels), tmp_path / "s.zarr", layers=["0", "1"], show_progress=False
    )


def visualize(hooked: fv.HookedModel, store: fv.Store, units: Any, **kwargs: Any) -> fv.Visualizations:
    settings = {"recipe": "vital", "seeds": 2, "steps": 2, "batch_size": 2, "show_progress": False}
    return fv.visualize(hooked, units, store=store, **settings | kwargs)


@KEPT
def test_an_output_without_images_of_its_label_is_left_out(
    keep: bool, hooked: fv.HookedModel, store: fv.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    vis = visualize(
        hooked, store, hooked.units("logits"), keep=keep, live=lambda it: batches.append(it.batch)
    )
    assert vis.data.unit.values.tolist() == ["logits:0", "logits:2", "logits:3"]
    assert list(vis.data.attrs["left_out"]) == [f"logits:{ABSENT}"]
    assert sorted(set(batches)) == [1, 2, 3]
    if keep:
        monkeypatch.setattr(making, "make", None)
        again = visualize(hooked, store, hooked.units("logits"), keep=True)
        assert again.data.attrs["left_out"] == vis.data.attrs["left_out"]
        np.testing.assert_array_equal(again.images, vis.images)


@KEPT
def test_where_no_unit_can_be_shown_it_is_an_error(
    keep: bool, hooked: fv.HookedModel, store: fv.Store
) -> None:
    units = [fv.Unit.logit(ABSENT), fv.Unit("1", 0, position=(1, 1))]
    with pytest.raises(MissingInputError, match="No unit of 2 can be shown: .*label 1"):
        visualize(hooked, store, units, keep=keep)


def test_stopped_with_the_last_step_of_a_batch_what_is_kept_comes_back(
    hooked: fv.HookedModel, store: fv.Store
) -> None:
    vis = visualize(
        hooked, store, fv.Unit("0", 1), recipe="fourier", seeds=4, keep=True, live=lambda it: it.step == 2
    )
    assert vis.data.seed.values.tolist() == [0, 1]
    assert (vis.data.flag == "").all()


def test_nothing_begun_is_said(hooked: fv.HookedModel, store: fv.Store) -> None:
    call = Call(hooked, [fv.Unit("0", 1)], Fourier(), store, [0], 1, 2, (3, 12, 12), {})
    with pytest.raises(FVHooksError, match="Expected at least one picture.*Call visualize again"):
        gather(call, {}, None)


def test_plain_xarray_is_told_only_of_what_is_new_and_of_what_an_interrupt_left(
    hooked: fv.HookedModel, store: fv.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    consolidate = KeptPictures.consolidate

    def counting(self: KeptPictures) -> None:
        told.append(self.inside)
        consolidate(self)

    def interrupt(forming: Any) -> None:
        if forming.batch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(KeptPictures, "consolidate", counting)
    units: dict[str, Any] = {"units": hooked.units("0"), "recipe": "fourier", "keep": True}
    with pytest.raises(KeyboardInterrupt):
        visualize(hooked, store, **units, live=interrupt)
    assert len(told) == 1
    visualize(hooked, store, **units)
    visualize(hooked, store, **units)
    assert len(told) == 2


class Meddled(dict[str, Any]):
    """Values of a picture; while they are written another process writes too."""

    def __init__(self, values: dict[str, Any], meanwhile: Callable[[], None]) -> None:
        super().__init__(values)
        self.meanwhile = meanwhile

    def items(self) -> Any:
        self.meanwhile()
        return super().items()

    def __getitem__(self, name: str) -> Any:
        if name == "activation":
            self.meanwhile()
        return super().__getitem__(name)


@pytest.mark.parametrize("there", [True, False], ids=["the group is there", "both make it"])
def test_two_processes_lose_nothing_of_each_other(there: bool, store: fv.Store) -> None:
    one, other = (KeptPictures(store.path, ["0", "mine"], 4, [0, 1], {"recipe": "x"}) for _ in range(2))

    def values(number: float) -> dict[str, Any]:
        return {
            "images": np.full((3, 2, 2), number, np.float32),
            "activation": np.float32(number),
            "flag": "f",
        }

    if there:
        one.write({(3, 0): values(3)}, "one", 1)
    one.write({(0, 0): Meddled(values(1), lambda: other.write({(1, 1): values(2)}, "other", 1))}, "one", 1)
    assert one.done()[[0, 1], [0, 1]].all()
    assert one.done([1]).tolist() == [[False, True]]
    found = one.read([0, 1])
    assert found.activation.values[[0, 1], [0, 1]].tolist() == [1, 2]
    assert found.flag.values[[0, 1], [0, 1]].tolist() == ["f", "f"]
    assert found.images.values[[0, 1], [0, 1], 0, 0, 0].tolist() == [1, 2]
