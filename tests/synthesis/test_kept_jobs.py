"""Long jobs: kept batch by batch, killed, called again, and their pictures those of one that never was."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.errors import MissingInputError, StoreError
from fvhooks.store.pictures import KeptPictures
from fvhooks.synthesis.recipes.accentuate import Accentuate
from fvhooks.synthesis.recipes.fourier import Fourier
from fvhooks.synthesis.recipes.vital import Vital
from fvhooks.synthesis.running import gathering, making
from fvhooks.synthesis.running.jobs import Call
from fvhooks.synthesis.running.settings import describe, key_of, written

CHANNELS = 7
SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
from test_kept_jobs import attached, visualize, ending
import fvhooks as fv
visualize(attached(), fv.open_store({path!r}), live=ending)
"""


@dataclass(frozen=True)
class Maker:
    """Of attributors, with a setting of its own."""

    scale: float

    def make(self, _model: Any, _layer: Any) -> Any:
        """Nothing here."""


def attached() -> fv.HookedModel:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, CHANNELS, 3), nn.ReLU(), nn.Flatten(), nn.Linear(CHANNELS * 100, 3))
    return fv.attach(net, mean=[0.4] * 3, std=[0.25] * 3, input_shape=(3, 12, 12))


def ending(forming: Any) -> None:
    if (forming.batch, forming.step) == (3, 2):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def hooked() -> fv.HookedModel:
    return attached()


@pytest.fixture
def store(hooked: fv.HookedModel, tmp_path: Path) -> fv.Store:
    generator = torch.Generator().manual_seed(0)
    images = (torch.rand(40, 3, 12, 12, generator=generator) * 255).to(torch.uint8)
    dataset = TensorDataset(images, torch.arange(40) % 3)
    return fv.collect(hooked, dataset, tmp_path / "s.zarr", layers=["0", "1"], show_progress=False)


def visualize(hooked: fv.HookedModel, store: fv.Store, units: Any = None, **kwargs: Any) -> fv.Visualizations:
    """All units of layer 0, two seeds each, in batches of four of which the last has two."""
    settings = {"recipe": "fourier", "seeds": 2, "steps": 4, "batch_size": 4, "keep": True}
    wanted = hooked.units("0") if units is None else units
    return fv.visualize(hooked, wanted, store=store, show_progress=False, **settings | kwargs)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each batch was made for."""
    sizes: list[int] = []
    make = making.make

    def counting(call: Any, plan: Any, group: Any, places: Any, *more: Any) -> Any:
        sizes.append(len(set(places)))
        return make(call, plan, group, places, *more)

    monkeypatch.setattr(making, "make", counting)
    return sizes


def test_every_unit_of_a_layer_is_easy_to_say(hooked: fv.HookedModel) -> None:
    assert hooked.units("0") == [fv.Unit("0", channel) for channel in range(CHANNELS)]
    assert hooked.units("logits") == [fv.Unit.logit(index) for index in range(3)]
    with pytest.raises(fv.errors.LayerNotFoundError, match="no layer '9'"):
        hooked.units("9")


def test_a_killed_job_goes_on_and_gives_the_same_pictures(
    hooked: fv.HookedModel, store: fv.Store, counted: list[int]
) -> None:
    script = SCRIPT.format(folder=str(Path(__file__).parent), path=store.path)
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    resumed = visualize(hooked, store)
    assert counted == [4, 2]  # two batches of four had been finished; the third is lost, the fourth new
    whole = visualize(hooked, store, keep=False)
    assert resumed.data.sizes == whole.data.sizes
    for name in ("images", "alpha", "loss", "activation"):
        assert resumed.data[name].values.tobytes() == whole.data[name].values.tobytes()
    assert resumed.data.unit.values.tolist() == whole.data.unit.values.tolist()
    assert resumed.recipe == "fourier"


@pytest.mark.parametrize("point", [0, 3, 5, 8, 10, 11, 14, 20])
def test_a_batch_that_was_cut_off_while_it_is_written_does_not_count(
    point: int, hooked: fv.HookedModel, store: fv.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zarr.storage._local as local

    put, kept = local._put, [0]

    def cut(path: Path, *args: Any, **kwargs: Any) -> Any:
        if "visualizations" in str(path) and "/c/" in str(path):
            kept[0] += 1
            if kept[0] > point:
                raise OSError("the machine is gone")
        return put(path, *args, **kwargs)

    few = partial(visualize, hooked, store, hooked.units("0")[:2], batch_size=2)
    with monkeypatch.context() as patch:
        patch.setattr(local, "_put", cut)
        with pytest.raises(OSError, match="gone"):
            few()
    assert few().images.values.tobytes() == few(keep=False).images.values.tobytes()


def test_what_is_there_is_not_made_again(
    hooked: fv.HookedModel, store: fv.Store, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = visualize(hooked, store, [fv.Unit("0", 2), fv.Unit("0", 5)])
    assert counted == [4]
    everything = visualize(hooked, store)
    assert counted == [4, 4, 4, 2]
    monkeypatch.setattr(making, "make", None)
    monkeypatch.setattr(Fourier, "plan", None)  # nothing is planned either
    again = visualize(hooked, store, [fv.Unit("0", 5), fv.Unit("0", 2)])
    np.testing.assert_array_equal(again.images, first.images[::-1])
    np.testing.assert_array_equal(everything.images[[2, 5]], first.images)
    assert again.data.unit.values.tolist() == ["0:5", "0:2"]
    assert again.data.layer.values.tolist() == ["0", "0"]


def test_an_interrupt_keeps_the_finished_batches(
    hooked: fv.HookedModel, store: fv.Store, counted: list[int]
) -> None:
    def interrupt(_forming: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        visualize(hooked, store, live=lambda forming: forming.batch == 3 and interrupt(forming))
    counted.clear()
    visualize(hooked, store)
    assert counted == [4, 2]


@pytest.mark.parametrize(
    "other",
    [
        {"steps": 5},
        {"seeds": [0, 2]},
        {"recipe": Fourier(rate=0.1)},
        {"recipe": Fourier(decay=1.5)},
        {"recipe": "maco"},
    ],
    ids=str,
)
def test_other_settings_are_other_pictures(
    other: dict[str, Any], hooked: fv.HookedModel, store: fv.Store, counted: list[int]
) -> None:
    units = [fv.Unit("0", 2)]
    visualize(hooked, store, units)
    visualize(hooked, store, units, **other)
    assert counted == [2, 2]
    visualize(hooked, store, units, recipe=Fourier(), batch_size=1)  # the same, said in another way
    assert counted == [2, 2]


def test_directions_of_one_name_are_told_apart(
    hooked: fv.HookedModel, store: fv.Store, counted: list[int]
) -> None:
    units = [fv.Direction("0", np.eye(CHANNELS)[which], "mine") for which in (1, 3)]
    first, second, again = (visualize(hooked, store, unit) for unit in (*units, units[0]))
    assert counted == [2, 2]
    assert np.abs(first.images - second.images).max() > 0.01
    np.testing.assert_array_equal(first.images, again.images)
    mixed = [fv.Unit("0", 3), units[0], fv.Unit("1", 2), fv.Unit("0", 3, position=(1, 1))]
    together = visualize(hooked, store, mixed)
    assert together.data.unit.values.tolist() == ["0:3", "0:mine", "1:2", "0:3@1,1"]
    np.testing.assert_array_equal(together.images[1], first.images[0])
    np.testing.assert_allclose(together.images, visualize(hooked, store, mixed, keep=False).images, atol=2e-3)


def test_plain_xarray_opens_them(hooked: fv.HookedModel, store: fv.Store) -> None:
    vis = visualize(hooked, store)
    with xr.open_datatree(store.path, engine="zarr") as tree:
        (group,) = tree["visualizations/0"].children.values()
        assert group.images.dims == ("channel", "seed", "rgb", "y", "x")
        np.testing.assert_array_equal(group.images[4], vis.images[4])
        assert group.attrs["steps"] == 4
        assert group.attrs["recipe"][1]["decay"] == 1.0
    store.verify()


def test_many_pictures_stay_in_the_store(
    hooked: fv.HookedModel, store: fv.Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loaded = visualize(hooked, store)
    monkeypatch.setattr(gathering, "_AT_ONCE", 1000)
    lazy = visualize(hooked, store)
    assert lazy.images.chunks is not None
    assert loaded.images.chunks is None
    lazy.save(tmp_path / "vis")
    np.testing.assert_array_equal(fv.load(tmp_path / "vis").data.images, loaded.images)
    assert lazy._repr_html_() == loaded._repr_html_()
    assert fv.audit(hooked, lazy, store).data.equals(fv.audit(hooked, loaded, store).data)


def test_what_memory_allowed_is_remembered(hooked: fv.HookedModel, store: fv.Store) -> None:
    visualize(hooked, store, batch_size=None, live=lambda forming: forming.batch == 1 and forming.step == 2)
    visualize(hooked, store, batch_size=3, live=lambda forming: forming.batch == 2)
    group = store.tree["visualizations/0"]
    assert [list(one.attrs["batch_sizes"].values()) for one in group.children.values()] == [[3]]
    sizes = []
    visualize(hooked, store, batch_size=None, live=lambda forming: sizes.append(len(forming.units)))
    assert set(sizes) == {3, 2}


class TestWrongCalls:
    """Each says what was expected, what came, and what to do."""

    def test_without_a_store(self, hooked: fv.HookedModel) -> None:
        with pytest.raises(MissingInputError, match=r"keep=True writes.*pass store=…"):
            fv.visualize(hooked, fv.Unit("0", 1), "fourier", keep=True)

    def test_settings_without_a_name(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        nameless = Vital(nodes=("0",), attributor=lambda model, layer: None)
        with pytest.raises(MissingInputError, match=r"Vital\.attributor is <function.*leave keep=True out"):
            visualize(hooked, store, [fv.Unit("0", 1)], recipe=nameless)

    def test_inside_an_edit(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        with hooked.edit({fv.Unit("0", 1): 0.0}), pytest.raises(StoreError, match="an `edit` block is open"):
            visualize(hooked, store)


@pytest.mark.parametrize("other", ["hooked", "store", "facets", "maker"])
def test_what_pictures_depend_on_is_in_their_key(
    other: str, hooked: fv.HookedModel, store: fv.Store, tmp_path: Path
) -> None:
    def key(hooked: fv.HookedModel, store: fv.Store, facets: int, maker: Maker) -> str:
        recipe = Vital(attributor=maker.make)
        call = Call(hooked, [fv.Unit("0", 1)], recipe, store, [0, 1], facets, 4, (3, 12, 12), {})
        return key_of(describe(call, store))

    trained_on, images = attached(), torch.zeros(40, 3, 12, 12, dtype=torch.uint8)
    with torch.no_grad():
        trained_on.model[0].weight[0, 0, 0, 0] += 1e-3
    dataset = TensorDataset(images, torch.arange(40) % 3)
    more = fv.collect(hooked, dataset, tmp_path / "more.zarr", layers=["0", "1"], show_progress=False)
    said: dict[str, Any] = {"hooked": hooked, "store": store, "facets": 1, "maker": Maker(1.0)}
    changed = said | {other: {"hooked": trained_on, "store": more, "facets": 2, "maker": Maker(2.0)}[other]}
    assert key(**said) == key(**said | {"maker": Maker(1.0)}) != key(**changed)


def test_a_method_of_something_without_a_name_is_refused() -> None:
    class Local:
        def make(self) -> None:
            """Anything."""

    with pytest.raises(MissingInputError, match=r"Pictures can be kept.*leave keep=True out"):
        written(Vital(attributor=Local().make), "recipe")  # type: ignore[arg-type]


def test_settings_are_told_by_their_content() -> None:
    images = torch.rand(2, 3, 4, 4)
    recipes = [Accentuate(images=images), Accentuate(images=images.clone()), Accentuate(images=images + 1e-6)]
    half = images.bfloat16()
    recipes += [Accentuate(images=half), Accentuate(images=half.float())]
    keys = [key_of(written(recipe, "recipe")) for recipe in recipes]
    assert len(set(keys)) == 4
    assert keys[0] == keys[1] != keys[2]
    assert written(partial(sorted, reverse=True), "f") == ["builtins.sorted", [], {"reverse": True}]


def test_a_group_says_nothing_before_anything_is_kept(store: fv.Store) -> None:
    kept = KeptPictures(store.path, ["0", "new"], 3, [0], {})
    assert not kept.done().any()
    assert kept.size_of("call") is None
