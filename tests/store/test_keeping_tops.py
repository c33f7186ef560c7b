"""Stores that keep the strongest images of each channel alone, beside those that keep everything."""

import numpy as np
import pytest
import torch
import zarr
from torch.utils.data import Subset

import fvhooks as fv
from fvhooks.store.schema import QUANTILES, TOP_IMAGES

IMAGES = 400  # of which some split has more than are kept


@pytest.fixture(scope="module")
def network() -> fv.HookedModel:
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.Flatten(), torch.nn.Linear(80, 3))
    with torch.no_grad():
        net[0].weight[1] = 0  # the same on every image: all are equal
        net[0].bias[:2] = torch.tensor([-90.0, 0.0])  # never, and exactly zero
    return fv.attach(net, input_shape=(3, 6, 6))


@pytest.fixture(scope="module")
def pictures() -> list[tuple[torch.Tensor, int]]:
    images = torch.rand(IMAGES, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    images[7] = torch.nan
    return [(image, place % 3) for place, image in enumerate(images)]


@pytest.fixture(scope="module")
def stores(network, pictures, tmp_path_factory) -> dict[str, fv.Store]:
    folder = tmp_path_factory.mktemp("keep")
    found = {}
    for keep in ("all", "top"):
        found[keep] = _collect(network, pictures, folder / f"{keep}.zarr", keep=keep, shard_size=90)
    return found


def _collect(network, pictures, where, **options) -> fv.Store:
    return fv.collect(network, pictures, where, layers=["0"], batch_size=32, show_progress=False, **options)


@pytest.mark.parametrize("split", [None, "reference", "calibration", "report"])
@pytest.mark.parametrize("k", [1, 9, TOP_IMAGES])
def test_its_top_images_are_those_of_a_store_with_everything(stores, k, split) -> None:
    lazy = {keep: store.top_of_layer("0", k=k, split=split).compute() for keep, store in stores.items()}
    for channel in range(5):
        unit = fv.Unit("0", channel)
        expected, found = (stores[keep].top_images(unit, k=k, split=split) for keep in ("all", "top"))
        for name in ("id", "index", "label", "value", "position"):
            assert found[name].values.tolist() == expected[name].values.tolist(), name
            both = [lazy[keep][name].isel(channel=channel).values.tolist() for keep in ("all", "top")]
            assert both[0] == both[1], name


def test_what_has_no_image_dimension_is_the_same(stores) -> None:
    for name in ("profile", "natural_mean", "natural_variance", "active_fraction", "group_count"):
        assert np.array_equal(stores["top"]["0"][name].values, stores["all"]["0"][name].values), name
    assert stores["top"].dead_units("0") == stores["all"].dead_units("0") != []
    assert np.array_equal(stores["top"].spectrum, stores["all"].spectrum)
    assert stores["top"].accuracy() == stores["all"].accuracy()


def test_quantiles_of_the_peaks_are_within_a_bin(stores) -> None:
    exact, near = (stores[keep]["0"]["quantiles"].values for keep in ("all", "top"))
    assert np.array_equal(near[:, [0, -1]], exact[:, [0, -1]])
    peaks = stores["all"]["0"].peak.values
    peaks = peaks[~np.isnan(peaks[:, 0])]
    for place, share in enumerate(QUANTILES):  # far between two images there is no one right answer
        low, high = (np.quantile(peaks, share, axis=0, method=kind) for kind in ("lower", "higher"))
        assert (near[:, place] >= low - np.abs(low) / 16 - 1e-5).all()
        assert (near[:, place] <= high + np.abs(high) / 16 + 1e-5).all()


def test_it_is_the_same_whatever_the_shards(network, pictures, stores, tmp_path) -> None:
    other = _collect(network, pictures, tmp_path / "other.zarr", keep="top", shard_size=400)
    for name in ("top_value", "top_row", "top_position", "top_average", "quantiles"):
        assert np.array_equal(other["0"][name].values, stores["top"]["0"][name].values, equal_nan=True), name


def test_an_image_that_cannot_be_used_is_never_among_them(stores) -> None:
    assert stores["top"].errors.id.values.tolist() == ["7"]
    lost = int(np.flatnonzero(stores["top"].images_table.id.values == "7")[0])
    assert not (stores["top"]["0"].top_row.values == lost).any()


def test_what_it_does_not_keep_is_refused_with_the_way_out(stores) -> None:
    store = stores["top"]
    for ask in (
        lambda: store.class_means("0"),
        lambda: store.correlations("0"),
        lambda: store.of_images("0"),
    ):
        with pytest.raises(fv.errors.MissingInputError, match="collect with keep='all'"):
            ask()
    with pytest.raises(fv.errors.MissingInputError, match=f"keeps the {TOP_IMAGES} strongest"):
        store.top_images(fv.Unit("0", 1), k=TOP_IMAGES + 1)
    with pytest.raises(fv.errors.MissingInputError, match=f"keeps the {TOP_IMAGES} strongest"):
        store.top_of_layer("0", k=TOP_IMAGES + 1)
    with pytest.raises(fv.errors.MissingInputError, match="Expected a split"):
        store.top_images(fv.Unit("0", 1), split="training")


def test_it_takes_layers_and_aspects_but_no_images(network, pictures, tmp_path) -> None:
    where, fewer = tmp_path / "s.zarr", Subset(pictures, range(300))
    _collect(network, fewer, where, keep="top")
    fv.collect(network, fewer, where, layers=["1"], keep="top", show_progress=False)
    store = fv.collect(
        network, fewer, where, layers=["0"], keep="top", relevance="label", show_progress=False
    )
    assert store.layers == ["0", "1", "logits"]
    assert store.top_images(fv.Unit("1", 3), k=5).sizes["top"] == 5
    assert store["0"].relevance.dims == ("image", "channel")
    with pytest.raises(fv.errors.StoreError, match="takes no more images; 100 are new"):
        _collect(network, pictures, where, keep="top")
    with pytest.raises(fv.errors.StoreError, match="keep top there, all here"):
        _collect(network, fewer, where)
    with pytest.raises(fv.errors.MissingInputError, match="'all' or 'top'"):
        _collect(network, fewer, where, keep="some")


class _Stops:
    """A data set that is interrupted at one image."""

    def __init__(self, items: list[tuple[torch.Tensor, int]], at: int | None) -> None:
        self.items, self.at, self.read = items, at, 0
        self.targets = [label for _, label in items]  # so that no image is read for its label

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        self.read += 1
        if self.at is not None and self.read > self.at:
            raise KeyboardInterrupt
        return self.items[index]


def test_stopped_and_gone_on_with_it_is_the_same(network, pictures, stores, tmp_path) -> None:
    where = tmp_path / "s.zarr"
    with pytest.raises(KeyboardInterrupt):
        _collect(network, _Stops(pictures, 300), where, keep="top", shard_size=90)
    again = _Stops(pictures, None)
    store = _collect(network, again, where, keep="top", shard_size=90)
    assert again.read < IMAGES  # what was done is not read again
    for name in ("top_value", "top_row", "top_position", "top_average", "quantiles", "profile"):
        assert np.array_equal(store["0"][name].values, stores["top"]["0"][name].values, equal_nan=True), name


def test_what_a_shard_says_is_collected_again_where_it_is_damaged(
    network, pictures, stores, tmp_path
) -> None:
    where = tmp_path / "s.zarr"
    with pytest.raises(KeyboardInterrupt):
        _collect(network, _Stops(pictures, 380), where, keep="top", shard_size=90)
    *_, chunk = (where / "partials" / "0" / "tops" / "0" / "value" / "c" / "0").rglob("*")
    chunk.write_bytes(chunk.read_bytes()[:-9] + b"123456789")
    store = _collect(network, pictures, where, keep="top", shard_size=90)
    assert np.array_equal(store["0"].top_value.values, stores["top"]["0"].top_value.values)


def test_damage_is_found(network, pictures, tmp_path) -> None:
    where = tmp_path / "s.zarr"
    store = _collect(network, pictures, where, keep="top")
    store.verify()
    array = zarr.open_array(f"{where}/layers/0/top_value", mode="r+")
    array[0, 0, 0] = 5.0
    with pytest.raises(fv.errors.StoreError, match="layers/0/top_value"):
        fv.open_store(where).verify()
    with pytest.raises(fv.errors.StoreError, match="no shard can mend"):
        _collect(network, pictures, where, keep="top", repair=True)
