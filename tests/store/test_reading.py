"""A finished store: as plain xarray, by queries, and when something is wrong with it."""

import shutil

import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from torch.utils.data import Subset, TensorDataset

import fvhooks as fv
from fvhooks.store import schema
from fvhooks.store.plans import split_of


def test_plain_xarray_opens_it_and_groups_by_label(path, store) -> None:
    tree = xr.open_datatree(path)
    means = tree["layers/1"].peak.groupby("label").mean()
    labels = store.images_table.label.values
    peaks = store["1"].peak.values
    assert means.dims == ("label", "channel")
    np.testing.assert_allclose(means.sel(label=2), peaks[labels == 2].mean(0), rtol=1e-5)
    assert tree["images"].id.values.tolist() == store.images_table.id.values.tolist()
    assert tree["layers/1"].attrs["name"] == "1"


def test_layers_are_lazy_and_group_by_label(store) -> None:
    layer = store["1"]
    assert layer.peak.chunks == ((20, 20, 20, 20, 10), (20,))
    assert layer.peak.groupby("label").mean().compute().shape == (4, 20)
    assert {"id", "label", "split"} <= set(layer.coords)
    assert layer.attrs == layer.attrs | {
        "name": "1",
        "kind": "map",
        "grid": [10, 10],
        "prefix": 0,
        "channels": 20,
        "positions": 100,
        "signed": False,
    }


def test_layers_stand_in_network_order(store) -> None:
    assert store.layers == ["0", "1", "3", "logits"]


def test_the_tree_has_everything(store) -> None:
    assert {"images", "layers", "spectrum", "units", "visualizations", "ledger"} == set(store.tree.children)


@pytest.mark.parametrize("split", [None, "reference", "report"])
def test_top_images(store, split) -> None:
    top = store.top_images(fv.Unit("0", 19), k=5, split=split)
    table = store.images_table
    peaks = store["0"].peak.values[:, 19]
    allowed = np.ones(90, bool) if split is None else table.split.values == split
    order = sorted(np.flatnonzero(allowed), key=lambda row: (-peaks[row], table.id.values[row]))[:5]
    assert top.id.values.tolist() == table.id.values[order].tolist()
    assert np.array_equal(top.value, peaks[order])
    assert np.array_equal(top.position, store["0"].position.values[order, 19])
    assert np.array_equal(top.label, table.label.values[order])
    assert top["index"].values.tolist() == [int(name) for name in top.id.values]


def test_equal_values_are_ordered_by_id(collect, tmp_path) -> None:
    images = torch.rand(1, 3, 8, 8).expand(30, 3, 8, 8)
    hooked = fv.attach(
        torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.Flatten()), input_shape=(3, 8, 8)
    )
    labels = [n % 3 for n in range(30)]
    store = collect(
        hooked, list(zip(images, labels, strict=True)), tmp_path / "s.zarr", layers=["0"], batch_size=30
    )
    assert store.top_images(fv.Unit("0", 1), k=4).id.values.tolist() == ["0", "1", "10", "11"]


def test_a_unit_that_is_always_negative_has_top_images(collect, tmp_path) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.Flatten())
    torch.nn.init.constant_(net[0].bias, -50)
    store = collect(
        fv.attach(net, input_shape=(3, 4, 4)), torch.rand(30, 3, 4, 4), tmp_path / "s.zarr", layers=["0"]
    )
    assert (store.top_images(fv.Unit("0", 0), k=3).value < 0).all()
    assert store["0"].active_fraction.values.tolist() == [0, 0]


def test_what_has_no_peak_is_refused(store) -> None:
    for unit in (fv.Unit("1", 3, (0, 0)), fv.Direction("1", np.ones(20), "all")):
        with pytest.raises(
            fv.errors.MissingInputError, match="peak of each channel, which says nothing about"
        ):
            store.top_images(unit)
    with pytest.raises(fv.errors.LayerNotFoundError, match="has 20 channels; there is no unit '1:20'"):
        store.top_images(fv.Unit("1", 20))


def test_pictures_come_from_the_data_set(store, data) -> None:
    pictures = store.images(["7", "3"])
    assert torch.equal(pictures, data.tensors[0][[7, 3]].float() / 255)
    assert store.images([]).shape == (0, 3, 12, 12)
    with pytest.raises(fv.errors.MissingInputError, match=r"no image 'cat'. It has \d+, .* and 82 more"):
        store.images(["cat"])


def test_without_a_data_set_there_are_no_pictures(path) -> None:
    with pytest.raises(fv.errors.MissingInputError, match="dataset=…"):
        fv.open_store(path).images(["0"])


def test_another_data_set_cannot_be_attached(path, data) -> None:
    with pytest.raises(fv.errors.StoreError, match="another data set .images: 90 in the store, 40 here"):
        fv.open_store(path, Subset(data, range(40)))
    with pytest.raises(fv.errors.StoreError, match="another data set .items"):
        fv.open_store(path, TensorDataset(data.tensors[0].flip(0), data.tensors[1]))


def test_ids_that_were_given_are_known_again(hooked, data, collect, tmp_path) -> None:
    names = [f"photo {n:03d}" for n in range(90)][::-1]
    made = collect(hooked, data, tmp_path / "s.zarr", layers=["1"], ids=names)
    again = fv.open_store(tmp_path / "s.zarr", data)
    assert torch.equal(again.images([names[4]])[0], data.tensors[0][4].float() / 255)
    assert set(made.images_table.id.values) == set(names)


def test_unknown_layers_and_labels(store) -> None:
    with pytest.raises(fv.errors.LayerNotFoundError, match=r"no layer '4'.*layers=\['4'\]"):
        store["4"]
    with pytest.raises(fv.errors.MissingInputError, match="no label 9. It has 0, 1, 2, 3"):
        store.profile("1", 9)


def test_a_label_without_references_says_so(hooked, data, collect, tmp_path) -> None:
    ids = [name for name in map(str, range(99)) if split_of([name])[0] == 2][:2]
    store = collect(hooked, data.tensors[0][:2], tmp_path / "s.zarr", ids=ids, labels=[0, 1])
    with pytest.raises(fv.errors.MissingInputError, match="No image of label 1 is a reference"):
        store.profile("1", 1)
    with pytest.raises(fv.errors.MissingInputError, match="reference"):
        store.profile("1")


def test_require(store, hooked, net) -> None:
    store.require(hooked, ["1", "logits"])
    with pytest.raises(fv.errors.LayerNotFoundError, match=r"collect again into it with layers=\['4'\]"):
        store.require(hooked, ["4"])
    with pytest.raises(fv.errors.StoreError, match="another model"):
        store.require(fv.attach(torch.nn.Linear(2, 2)))


def test_a_model_is_the_same_without_its_input_shape(net, data, collect, hooked, tmp_path) -> None:
    unsized = fv.attach(net, mean=[0.5] * 3, std=[0.25] * 3)
    made = collect(unsized, data, tmp_path / "s.zarr", layers=["1"])
    made.require(hooked, ["1"])
    collect(hooked, data, tmp_path / "s.zarr", layers=["1"])


def test_nothing_there(tmp_path) -> None:
    with pytest.raises(fv.errors.StoreError, match="No store at .*collect.* makes one"):
        fv.open_store(tmp_path / "none.zarr")


@pytest.fixture
def copy(path, tmp_path):
    return shutil.copytree(path, tmp_path / "copy.zarr")


@pytest.mark.parametrize(
    ("change", "advice"), [(1, "by a newer fvhooks .*Upgrade"), (-1, "older .*another path")]
)
def test_another_layout_is_refused(copy, change, advice) -> None:
    root = zarr.open_group(str(copy), mode="r+", use_consolidated=False)
    other = schema.VERSION + change
    root.update_attributes({"fvhooks": dict(root.attrs["fvhooks"]) | {"schema": other}})
    with pytest.raises(fv.errors.SchemaError, match=advice) as caught:
        fv.open_store(copy)
    assert f"layout version {other}" in str(caught.value)


def test_an_undamaged_store_verifies(store) -> None:
    store.verify()


DAMAGES = {
    "layers/1/peak/c/2/0": "layers/1/peak .shard 2",
    "layers/3/profile/c/0/0/0": "layers/3/profile",
    "images/prediction/c/0": "images/prediction .shard 0",
    "layers/0/natural_mean/c/0": "layers/0/natural_mean",
    "images/id/c/0": "images/id",
    "images/label/c/0": "images/label",
    "images/index/c/0": "images/index",
    "images/split/c/0": "images/split",
}


@pytest.mark.parametrize("file", DAMAGES)
@pytest.mark.parametrize("kind", ["flipped", "missing"])
def test_damage_is_named(copy, file, kind) -> None:
    target = copy / file
    if kind == "missing":
        target.unlink()
    else:
        content = bytearray(target.read_bytes())
        content[len(content) // 2] ^= 0x55
        target.write_bytes(content)
    with pytest.raises(fv.errors.StoreError, match=f"damaged in .*{DAMAGES[file]}"):
        fv.open_store(copy).verify()


@pytest.mark.parametrize("label", ["cat", {"boxes": []}, torch.tensor([1, 0, 1])])
def test_labels_that_are_given_stand_in_for_any_others(hooked, data, collect, tmp_path, label) -> None:
    odd = [(image, label) for image in data.tensors[0]]
    made = collect(hooked, odd, tmp_path / "s.zarr", layers=["1"], labels=data.tensors[1])
    assert made.errors.sizes["image"] == 0
    again = fv.open_store(tmp_path / "s.zarr", odd)
    assert torch.equal(again.images(["7"])[0], data.tensors[0][7].float() / 255)


def test_an_image_whose_place_is_lost_is_not_another_one(copy, data) -> None:
    (copy / "images/index/c/0").unlink()
    with pytest.raises(fv.errors.StoreError, match="lost where image '7' is.*images/index is damaged"):
        fv.open_store(copy, data).images(["7"])


@pytest.mark.parametrize("array", ["layers/1/profile", "layers/logits/natural_mean", "spectrum/spectrum"])
@pytest.mark.parametrize("loss", ["checksum", "array"])
def test_a_statistic_without_checksum_is_damaged(copy, array, loss) -> None:
    root = zarr.open_group(str(copy), mode="r+", use_consolidated=False)
    if loss == "checksum":
        del root[array].attrs["checksum"]
    else:
        del root[array]
    with pytest.raises(fv.errors.StoreError, match=f"damaged in 1 objects: {array}"):
        fv.open_store(copy).verify()


def test_a_pair_of_arrays_with_ids_is_known_again(hooked, data, collect, tmp_path) -> None:
    pair = (data.tensors[0].numpy(), data.tensors[1].numpy())
    ids = [f"photo {number}" for number in range(90)]
    collect(hooked, pair, tmp_path / "s.zarr", ids=ids)
    store = fv.open_store(tmp_path / "s.zarr", pair)
    assert store.images(["photo 7"]).shape == (1, 3, 12, 12)
