"""Arrays, pairs of arrays, Zarr arrays, and parts and sums of them."""

import pickle

import numpy as np
import pytest
import torch
import zarr
from torch.utils.data import ConcatDataset, Subset, TensorDataset

import fvhooks as fv
from fvhooks.datasets.axes import channel_axis
from fvhooks.datasets.kinds import KINDS, items_of
from fvhooks.datasets.kinds.zarr_arrays import ZarrItems
from fvhooks.datasets.sources import Source
from fvhooks.errors import ImageError, MissingInputError

KNOWN = fv.Preprocessing(input_shape=(3, 8, 8))
IMAGES = np.random.default_rng(1).integers(0, 256, (20, 3, 8, 8), np.uint8)
LABELS = np.arange(20) % 4


def zarr_array(values, tmp_path, **options):
    options = {"chunks": (6, *values.shape[1:])} | options
    array = zarr.create_array(tmp_path / "a.zarr", shape=values.shape, dtype=values.dtype, **options)
    array[:] = values
    return zarr.open_array(tmp_path / "a.zarr", mode="r")


@pytest.mark.parametrize("kind", ["numpy", "torch", "zarr", "memmap"])
@pytest.mark.parametrize("last", [False, True])
def test_channels_first_and_last(kind, last, tmp_path) -> None:
    values = np.ascontiguousarray(IMAGES.transpose(0, 2, 3, 1)) if last else IMAGES
    np.save(tmp_path / "a.npy", values)
    array = {
        "numpy": lambda: values,
        "torch": lambda: torch.from_numpy(values),
        "zarr": lambda: zarr_array(values, tmp_path),
        "memmap": lambda: np.load(tmp_path / "a.npy", mmap_mode="r"),
    }[kind]()
    for source in (Source(array, KNOWN), Source((array, LABELS), KNOWN), Source(array, fv.Preprocessing())):
        read = source.read(7)
        assert read.is_contiguous()
        assert read.numpy().tolist() == IMAGES[7].tolist()
        assert pickle.loads(pickle.dumps(source)).read(7).tolist() == read.tolist()
    assert Source((array, LABELS), KNOWN).labels().tolist() == LABELS.tolist()


def test_which_axis_is_the_channel() -> None:
    assert channel_axis((9, 3, 8, 8), None) == 1
    assert channel_axis((9, 8, 8, 4), None) == 3
    assert channel_axis((9, 4, 8, 3), 3) == 3
    assert channel_axis((9, 7, 8, 8), None) == 1
    assert channel_axis((9, 28, 28), 1) is None
    with pytest.raises(ImageError, match=r"\(9, 3, 8, 3\) could be .*list of images"):
        channel_axis((9, 3, 8, 3), None)
    with pytest.raises(ImageError, match=r"got \(9, 28, 28\). Grey images"):
        channel_axis((9, 28, 28), 3)


def test_grey_images_need_no_channel_axis() -> None:
    source = Source((IMAGES[:, 0], LABELS), fv.Preprocessing(input_shape=(1, 8, 8)))
    assert source.read(3).numpy().tolist() == IMAGES[3, :1].tolist()


@pytest.mark.parametrize("labels", [LABELS[:19], list(range(21)), torch.zeros(3)])
def test_a_pair_has_a_label_for_each_image(labels) -> None:
    with pytest.raises(MissingInputError, match="one label for each of 20 images, got labels of shape"):
        Source((IMAGES, labels), KNOWN)


def test_a_pair_of_items_is_no_pair_of_arrays() -> None:
    source = Source(((IMAGES[0], 4), (IMAGES[1], 5)), KNOWN)
    assert source.labels().tolist() == [4, 5]
    assert len(Source((IMAGES[0], IMAGES[1]), KNOWN)) == 2


def test_numbers_that_are_no_bytes_are_refused_when_read() -> None:
    with pytest.raises(ImageError, match="uint8 or floating point, got torch.int32"):
        Source(IMAGES.astype(np.int32), KNOWN).read(0)
    with pytest.raises(ImageError, match="Divide by 255"):
        Source(IMAGES.astype(np.float32), KNOWN).read(0)


def test_a_memory_mapped_file_is_sent_by_its_path(tmp_path) -> None:
    np.save(tmp_path / "a.npy", IMAGES)
    source = Source(np.load(tmp_path / "a.npy", mmap_mode="r"), KNOWN)
    sent = pickle.dumps(source)
    assert len(sent) < 2000 < IMAGES.nbytes
    there = pickle.loads(sent)
    assert isinstance(there.dataset, np.memmap)
    assert there.read(5).numpy().tolist() == IMAGES[5].tolist()
    view = Source(np.load(tmp_path / "a.npy", mmap_mode="r")[10:], KNOWN)
    assert pickle.loads(pickle.dumps(view)).read(0).numpy().tolist() == IMAGES[10].tolist()


def test_chunks_are_read_once_while_they_fit(tmp_path, monkeypatch) -> None:
    items = items_of(zarr_array(IMAGES, tmp_path), 3)
    assert isinstance(items, ZarrItems)
    reads = []

    class Counting:
        shape, chunks, dtype = items.dataset.shape, items.dataset.chunks, items.dataset.dtype

        def __getitem__(self, key):
            reads.append(key.start)
            return IMAGES[key]

    order = np.argsort(LABELS, kind="stable").tolist()
    monkeypatch.setattr(items, "dataset", Counting())
    for index in order:
        assert items.item(index)[0].numpy().tolist() == IMAGES[index].tolist()
    assert sorted(reads) == [0, 6, 12, 18]
    reads.clear()
    items._empty_cache()
    monkeypatch.setattr(items, "_fitting", 1)
    for index in order:
        items.item(index)
    assert len(reads) == 14  # each chunk again for each label that it holds


def test_chunks_that_do_not_fit_are_said(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setattr("fvhooks.datasets.kinds.zarr_arrays._CACHED", IMAGES[:12].nbytes)
    with caplog.at_level("INFO", "fvhooks"):
        items_of(zarr_array(IMAGES, tmp_path), 3)
    assert "Chunks of 6 images, of which 2 stay in memory" in caplog.text


def test_a_sent_zarr_array_reads_for_itself(tmp_path) -> None:
    source = Source((zarr_array(IMAGES, tmp_path), LABELS), KNOWN)
    source.read(0)
    sent = pickle.dumps(source)
    assert len(sent) < 4000
    assert pickle.loads(sent).read(19).numpy().tolist() == IMAGES[19].tolist()


def test_parts_and_sums(tmp_path) -> None:
    first = Subset((IMAGES.transpose(0, 2, 3, 1), LABELS), [3, 1])
    second = TensorDataset(torch.from_numpy(IMAGES), torch.from_numpy(LABELS))
    source = Source(Subset(ConcatDataset([first, second]), [0, 1, 2, 21]), KNOWN)
    assert source.ids == ["0/3", "0/1", "1/0", "1/19"]
    assert source.labels().tolist() == [3, 1, 0, 3]
    found = [source.read(index).numpy().tolist() for index in range(4)]
    assert found == [IMAGES[index].tolist() for index in (3, 1, 0, 19)]


def test_a_sum_without_a_list_of_labels_in_one_part_is_read_for_them() -> None:
    pairs = [(IMAGES[index], 7) for index in range(3)]
    source = Source(
        ConcatDataset([pairs, TensorDataset(torch.from_numpy(IMAGES), torch.zeros(20).long())]), KNOWN
    )
    assert source.labels().tolist() == [7] * 3 + [0] * 20


def test_a_subset_of_the_users_own_may_change_items() -> None:
    class Dark(Subset):
        def __getitem__(self, index):
            image, label = self.dataset[self.indices[index]]
            return image // 2, label

        def __getitems__(self, indices):
            return [self[index] for index in indices]

    source = Source(Dark(TensorDataset(torch.from_numpy(IMAGES), torch.zeros(20).long()), [4]), KNOWN)
    assert source.read(0).numpy().tolist() == (IMAGES[4] // 2).tolist()
    assert source.ids == ["4"]


def test_every_kind_is_known_by_its_file() -> None:
    assert list(KINDS) == [
        "arrays",
        "concatenated",
        "files",
        "hugging_face",
        "labelled_arrays",
        "map_style",
        "subsets",
        "zarr_arrays",
    ]
