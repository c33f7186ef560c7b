"""Statistics of single units and pictures, kept in the store."""

import shutil

import numpy as np
import pytest
import xarray as xr

import fvhooks as fv


@pytest.fixture
def store(path, tmp_path) -> fv.Store:
    return fv.open_store(shutil.copytree(path, tmp_path / "copy.zarr"))


def _unit(scale: float, references: int = 3) -> xr.Dataset:
    ids = np.array([f"é{n}" for n in range(references)], dtype=object)
    arrays = {
        "profile": (("node_channel", "rank"), np.full((4, 5), scale, np.float32)),
        "id": ("reference", ids),
    }
    return xr.Dataset(arrays, coords={"rank": [0, 1, 2, 5, 9]}, attrs={"nodes": ["0", "1"]})


def test_what_is_kept_of_a_unit_comes_back(store) -> None:
    store.write_unit("1", 7, "abc", _unit(2.0))
    store.write_unit("1", 8, "abc", _unit(3.0))
    xr.testing.assert_identical(store.read_unit("1", 7, "abc"), _unit(2.0))
    xr.testing.assert_identical(store.read_unit("1", 8, "abc"), _unit(3.0))


def test_what_was_never_kept_is_none(store) -> None:
    assert store.read_unit("1", 7, "abc") is None
    store.write_unit("1", 7, "abc", _unit(2.0))
    assert store.read_unit("1", 6, "abc") is None
    assert store.read_unit("1", 7, "abd") is None
    assert store.read_unit("3", 1, "abc") is None


def test_it_can_be_kept_again(store) -> None:
    store.write_unit("1", 7, "abc", _unit(2.0))
    store.write_unit("1", 7, "abc", _unit(4.0))
    assert float(store.read_unit("1", 7, "abc").profile.max()) == 4.0


def test_a_write_that_was_cut_off_does_not_count(store, monkeypatch) -> None:
    store.write_unit("1", 7, "abc", _unit(2.0))
    monkeypatch.setattr("fvhooks.store.keeping._plain", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.write_unit("1", 8, "abc", _unit(2.0))
    assert store.read_unit("1", 8, "abc") is None


def test_other_shapes_under_one_key_are_refused(store) -> None:
    store.write_unit("1", 7, "abc", _unit(2.0))
    with pytest.raises(fv.errors.ShapeError, match="use another key"):
        store.write_unit("1", 8, "abc", _unit(2.0, references=2))
    with pytest.raises(fv.errors.ShapeError, match="call it 'node_channel'"):
        store.write_unit("1", 8, "abc", xr.Dataset({"a": ("channel", [1.0])}))


def test_plain_xarray_sees_what_is_kept(store) -> None:
    store.write_unit("1", 7, "abc", _unit(2.0))
    tree = xr.open_datatree(store.path)
    assert tree["units/1/abc"].profile.dims == ("channel", "node_channel", "rank")
    assert float(tree["units/1/abc"].profile[7].max()) == 2.0


def test_kept_results_leave_the_statistics_undamaged(store) -> None:
    store.write_unit("1", 7, "abc", _unit(2.0))
    store.verify()
    assert fv.open_store(store.path).layers == store.layers
