"""Data sets of the kinds that users have."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Subset, TensorDataset
from torchvision.datasets import ImageFolder

import fvhooks as fv
from fvhooks.datasets.sources import Source

KNOWN = fv.Preprocessing(input_shape=(3, 8, 8))


@pytest.fixture
def folder(tmp_path):
    for name in ("cat/a.png", "cat/b.png", "dog/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((10, 12, 3), 51, np.uint8)).save(tmp_path / name)
    return tmp_path


def test_files_are_named_by_their_path_under_the_root(folder) -> None:
    source = Source(ImageFolder(str(folder)), KNOWN)
    assert source.ids == ["cat/a.png", "cat/b.png", "dog/a.png"]
    assert source.labels().tolist() == [0, 0, 1]
    assert source.is_threaded
    picture = source.read(2)
    assert picture.shape == (3, 8, 8)
    assert picture.dtype == torch.uint8


def test_subsets_of_subsets_keep_names_and_labels(folder) -> None:
    source = Source(Subset(Subset(ImageFolder(str(folder)), [2, 1]), [1]), KNOWN)
    assert source.ids == ["cat/b.png"]
    assert source.labels().tolist() == [0]


def test_a_target_transform_wins_over_listed_targets(folder) -> None:
    source = Source(ImageFolder(str(folder), target_transform=lambda label: label + 5), KNOWN)
    assert source.labels().tolist() == [5, 5, 6]


IMAGE = np.full((3, 8, 8), 51, np.uint8)


@pytest.mark.parametrize(
    "item",
    [
        (IMAGE, 4),
        (torch.from_numpy(IMAGE), torch.tensor(4)),
        (IMAGE / 255, np.int64(4), "more"),
        [Image.fromarray(IMAGE.transpose(1, 2, 0)), 4],
        {"image": IMAGE, "label": 4},
    ],
)
def test_items_of_many_shapes(item) -> None:
    source = Source([item] * 3, KNOWN)
    picture = source.read(1)
    assert source.labels().tolist() == [4, 4, 4]
    assert torch.allclose(fv.images.as_images(picture), torch.tensor(0.2))


def test_images_alone_have_no_label() -> None:
    source = Source(torch.rand(4, 3, 8, 8), KNOWN)
    assert source.labels().tolist() == [-1] * 4
    assert source.ids == ["0", "1", "2", "3"]


def test_labels_and_ids_can_be_given() -> None:
    source = Source([IMAGE] * 2, KNOWN, ["a", "b"], torch.tensor([7, -1]))
    assert source.ids == ["a", "b"]
    assert source.labels().tolist() == [7, -1]


def test_what_is_given_must_fit() -> None:
    for ids, message in ((["a"], "one id for each of 2 items, got 1"), (["a", "a"], "'a' is not")):
        with pytest.raises(fv.errors.MissingInputError, match=message):
            Source([IMAGE] * 2, KNOWN, ids)
    with pytest.raises(fv.errors.MissingInputError, match="one label for each of 2 items, got 1"):
        Source([IMAGE] * 2, KNOWN, None, [1]).labels()
    with pytest.raises(fv.errors.MissingInputError, match="integer as label, got str 'cat'"):
        Source([(IMAGE, "cat")], KNOWN).labels()


def test_a_source_reads_one_item_only_when_asked() -> None:
    class Counting(TensorDataset):
        reads = 0

        def __getitem__(self, index):
            Counting.reads += 1
            return super().__getitem__(index)

    source = Source(Counting(torch.rand(100, 3, 8, 8), torch.zeros(100, dtype=torch.int64)), KNOWN)
    source.labels()
    assert Counting.reads == 8
