"""Questions to a whole layer, against plain NumPy; a layer at a time and lazily."""

import subprocess
import sys
from collections.abc import Iterator

import dask
import numpy as np
import pytest
import torch

import fvhooks as fv


@pytest.fixture(autouse=True)
def in_this_thread() -> Iterator[None]:
    """Dask's pool of threads outlives a test."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def broken(collect, tmp_path_factory) -> fv.Store:
    """Fifty pictures, three of them unreadable; channel 1 is always negative, channel 2 zero, 3 constant."""
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3), torch.nn.Flatten())
    generator = torch.Generator().manual_seed(2)
    torch.nn.init.normal_(net[0].weight, generator=generator)
    with torch.no_grad():
        net[0].bias.copy_(torch.tensor([0.0, -90.0, 0.0, 2.0, 0.0, 0.0]))
        net[0].weight[2:4] = 0
    images = torch.rand(50, 3, 6, 6, generator=generator)
    images[[4, 17, 30]] = torch.nan
    images[[20, 21, 22]] = images[19].clone()  # equal values, ordered by id
    labels = [number % 4 for number in range(48)] + [-1, -1]
    ids = [f"{(number * 7) % 50:02d}" for number in range(50)]
    where = tmp_path_factory.mktemp("broken") / "s.zarr"
    return collect(fv.attach(net, input_shape=(3, 6, 6)), images, where, layers=["0"], labels=labels, ids=ids)


def _expected_top(store: fv.Store, channel: int, k: int, split: str | None = None) -> list[str]:
    table, peaks = store.images_table, store["0"].peak.values[:, channel]
    rows = [
        row for row in np.flatnonzero(~np.isnan(peaks)) if split is None or table.split.values[row] == split
    ]
    return [
        table.id.values[row] for row in sorted(rows, key=lambda row: (-peaks[row], table.id.values[row]))
    ][:k]


@pytest.mark.parametrize(("k", "split"), [(1, None), (5, None), (25, None), (7, "report"), (60, None)])
def test_the_top_of_a_layer_is_that_of_each_channel(broken, k, split) -> None:
    lazy = broken.top_of_layer("0", k=k, split=split)
    assert all(dask.is_dask_collection(values) for values in lazy.values())
    found = lazy.compute()
    assert found.sizes == {"top": min(k, 50), "channel": 6}
    for channel in range(6):
        expected = broken.top_images(fv.Unit("0", channel), k=k, split=split)
        assert expected.id.values.tolist() == _expected_top(broken, channel, k, split)
        one, there = found.isel(channel=channel), expected.sizes["top"]
        for name in ("id", "index", "value", "label", "position"):
            assert np.array_equal(one[name].values[:there], expected[name].values), name
        assert (one.id.values[there:] == "").all()
        assert np.isnan(one.value.values[there:]).all()
        assert (one.label.values[there:] == -1).all()
        assert (one.position.values[there:] == -1).all()


def test_always_negative_channels_have_top_images(broken) -> None:
    values = broken.top_of_layer("0", k=3).value.sel(channel=1).values
    assert (values < 0).all()
    assert (np.diff(values) <= 0).all()


@pytest.mark.parametrize("array", ["peak", "average", "trough"])
@pytest.mark.parametrize("split", [None, "calibration"])
def test_class_means(broken, array, split) -> None:
    table, values = broken.images_table, broken["0"][array].values.astype(np.float64)
    means = broken.class_means("0", array, split)
    assert dask.is_dask_collection(means)
    assert means.dims == ("label", "channel")
    assert means.label.values.tolist() == [0, 1, 2, 3]
    for label in range(4):
        rows = (table.label.values == label) & ~np.isnan(values[:, 0])
        rows &= split is None or table.split.values == split
        expected = values[rows].mean(0) if rows.any() else np.full(6, np.nan)
        np.testing.assert_allclose(means.sel(label=label).values, expected, rtol=1e-12)


def test_class_means_are_what_xarray_groups(broken) -> None:
    grouped = broken["0"].peak.groupby("label").mean().compute()
    np.testing.assert_allclose(
        broken.class_means("0").values, grouped.sel(label=[0, 1, 2, 3]).values, rtol=1e-5
    )


def test_a_label_whose_images_are_all_unreadable_has_no_mean(collect, tmp_path) -> None:
    images = torch.rand(12, 3, 4, 4)
    images[3] = torch.nan
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.Flatten())
    labels = [0, 0, 0, 1, *[2] * 8]
    store = collect(
        fv.attach(net, input_shape=(3, 4, 4)), images, tmp_path / "s.zarr", layers=["0"], labels=labels
    )
    assert np.isnan(store.class_means("0").values).all(1).tolist() == [False, True, False]


@pytest.mark.parametrize("other", [None, "logits"])
@pytest.mark.parametrize("split", [None, "reference"])
def test_correlations(broken, other, split) -> None:
    found = broken.correlations("0", other, split=split)
    assert dask.is_dask_collection(found)
    assert found.dims == ("channel", "other_channel")
    x, y = broken["0"].peak.values, broken[other or "0"].peak.values
    rows = ~np.isnan(x[:, 0])
    rows &= split is None or broken.images_table.split.values == split
    with np.errstate(all="ignore"):
        expected = np.corrcoef(x[rows].astype(np.float64).T, y[rows].astype(np.float64).T)[:6, 6:]
    changing = ~np.isin(np.arange(6), [2, 3])
    np.testing.assert_allclose(found.values[changing], expected[changing], atol=1e-10)
    assert np.isnan(found.values[~changing]).all()


def test_dead_and_silent_units(broken) -> None:
    peaks = broken["0"].peak.values
    active = (peaks[~np.isnan(peaks[:, 0])] > 0).mean(0)
    assert [unit.channel for unit in broken.dead_units("0")] == [1, 2]
    for share in (0.0, 0.5, 1.0):
        expected = np.flatnonzero(active.astype(np.float32) < share).tolist()
        assert [unit.channel for unit in broken.silent_units("0", share)] == expected
    assert broken.dead_units("0")[0] == fv.Unit("0", 1)
    with pytest.raises(fv.errors.MissingInputError, match="share of the images, from 0 to 1, got 3"):
        broken.silent_units("0", 3)


def test_what_cannot_be_asked(broken) -> None:
    for ask in (broken.class_means, broken.correlations, broken.top_of_layer, broken.dead_units):
        with pytest.raises(fv.errors.LayerNotFoundError, match="no layer 'nine'"):
            ask("nine")
    with pytest.raises(fv.errors.MissingInputError, match="no array 'peek'.*Did you mean 'peak'"):
        broken.class_means("0", "peek")
    with pytest.raises(fv.errors.MissingInputError, match="split of reference, calibration, report"):
        broken.top_of_layer("0", split="test")
    for ask in (broken.top_of_layer, lambda layer, k: broken.top_images(fv.Unit(layer, 0), k)):
        with pytest.raises(fv.errors.MissingInputError, match="1 or more, got 0"):
            ask("0", k=0)


def test_ids_are_read_only_when_they_are_asked_for(broken) -> None:
    layer = broken["0"]
    layer.peak.mean().compute()
    layer.peak.groupby("label").mean().compute()
    assert not layer.id.variable._in_memory
    assert layer.id.values.tolist() == broken.images_table.id.values.tolist()


def test_plain_xarray_works_where_fvhooks_is_not_installed(path) -> None:
    code = f"""
import sys
sys.modules["fvhooks"] = None
import numpy as np, xarray as xr
tree = xr.open_datatree({str(path)!r}, engine="zarr")
layer = tree["layers/1"].to_dataset()
means = layer.peak.groupby("label").mean()
assert means.dims == ("label", "channel"), means.dims
assert layer.peak.groupby("split").count().sizes["split"] == 3
name = str(layer.id.values[37])
one = layer.swap_dims(image="id").peak.sel(id=name)
assert np.array_equal(one, layer.peak[37])
images = tree["images"].to_dataset()
assert str(images.id.values[37]) == name
assert tree["layers/1"].attrs["name"] == "1"
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
