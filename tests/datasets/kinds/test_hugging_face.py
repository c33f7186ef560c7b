"""Data sets of the library `datasets`."""

import numpy as np
import pytest
from PIL import Image

import fvhooks as fv
from fvhooks.datasets.sources import Source
from fvhooks.datasets.travel import bytes_to_send
from fvhooks.errors import ImageError, MissingInputError

datasets = pytest.importorskip("datasets")
KNOWN = fv.Preprocessing(input_shape=(3, 8, 8))


@pytest.fixture(scope="module", autouse=True)
def quiet():
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def pictures(count=6):
    return [Image.fromarray(np.full((10, 8, 3), 40 * number, np.uint8)) for number in range(count)]


def make(**columns):
    made = datasets.Dataset.from_dict(columns)
    for name, values in columns.items():
        if any(isinstance(value, Image.Image) for value in values):
            made = made.cast_column(name, datasets.Image())
        if name.endswith("label"):
            made = made.cast_column(name, datasets.ClassLabel(names=["cat", "dog", "owl"]))
    return made


@pytest.mark.parametrize("image", ["image", "img", "scan"])
@pytest.mark.parametrize("label", ["label", "fine_label", "kind_of_label"])
def test_columns_are_found_by_type_and_name(image, label) -> None:
    source = Source(make(**{image: pictures(), label: [2, 0, 1, 2, 0, 1]}), KNOWN)
    assert source.labels().tolist() == [2, 0, 1, 2, 0, 1]
    assert source.ids == ["0", "1", "2", "3", "4", "5"]
    assert source.read(3).unique().tolist() == [120]


def test_of_several_classes_the_fine_one_is_the_label() -> None:
    source = Source(make(img=pictures(3), coarse_label=[0, 0, 1], fine_label=[2, 1, 0]), KNOWN)
    assert source.labels().tolist() == [2, 1, 0]


def test_labels_are_listed_without_decoding_an_image(monkeypatch) -> None:
    data = make(image=pictures(), label=[2, 0, 1, 2, 0, 1])
    source = Source(data, KNOWN)

    def refuse(*_, **__):
        raise AssertionError("decoded")

    monkeypatch.setattr(source.items, "_images", None)
    monkeypatch.setattr(datasets.Image, "decode_example", refuse)
    assert list(source.items.listed_labels()) == [2, 0, 1, 2, 0, 1]
    assert Source(data, KNOWN).ids == source.ids


def test_a_selection_has_the_labels_of_its_rows() -> None:
    data = make(image=pictures(), label=[2, 0, 1, 2, 0, 1], image_id=list("abcdef"))
    source = Source(data.select([4, 2]), KNOWN)
    assert source.ids == ["e", "c"]
    assert source.labels().tolist() == [0, 1]
    assert source.read(0).unique().tolist() == [160]


@pytest.mark.parametrize("form", ["numpy", "torch"])
def test_the_users_format_changes_nothing(form) -> None:
    data = make(image=pictures(), label=[0] * 6).with_format(form)
    assert Source(data, KNOWN).read(2).unique().tolist() == [80]


def test_the_users_transform_is_applied() -> None:
    def halve(rows):
        return {"pixel_values": [np.asarray(row).transpose(2, 0, 1)[:, :8] // 2 for row in rows["image"]]}

    source = Source(make(image=pictures(), label=[0] * 6).with_transform(halve), KNOWN)
    assert source.read(2).unique().tolist() == [40]
    assert source.labels().tolist() == [0] * 6
    assert not source.is_threaded


def test_without_labels_and_with_missing_ones() -> None:
    assert Source(make(image=pictures(3)), KNOWN).labels().tolist() == [-1] * 3
    assert Source(make(image=pictures(3), label=[1, None, 0]), KNOWN).labels().tolist() == [1, -1, 0]


def test_a_missing_image_is_the_error_of_its_row() -> None:
    source = Source(make(image=[*pictures(2), None], label=[0, 1, 2]), KNOWN)
    assert source.labels().tolist() == [0, 1, 2]
    with pytest.raises(ImageError, match="column 'image' of row 2, got None"):
        source.read(2)


def test_what_cannot_be_read_by_index_is_refused_with_a_way_out() -> None:
    data = make(image=pictures(), label=[0] * 6)
    both = datasets.DatasetDict(train=data, test=data)
    with pytest.raises(
        MissingInputError, match=r"splits 'train', 'test'. Pass one of them: dataset\['train'\]"
    ):
        Source(both, KNOWN)
    with pytest.raises(MissingInputError, match="IterableDataset, which streams: rows .* streaming=False"):
        Source(data.to_iterable_dataset(), KNOWN)
    with pytest.raises(MissingInputError, match="column of images, .* got text, label"):
        Source(make(text=["a"], label=[0]), KNOWN)
    with pytest.raises(MissingInputError, match=r"The data set \(Dataset\) is empty"):
        Source(data.select([]), KNOWN)


def test_paths_in_the_place_of_images_are_refused_with_a_way_out() -> None:
    with pytest.raises(ImageError, match="got str 'a.jpg'. Open files in"):
        Source(make(image=["a.jpg"]), KNOWN).read(0)


def test_it_travels(tmp_path) -> None:
    import cloudpickle

    make(image=pictures(), label=[2, 0, 1, 2, 0, 1]).save_to_disk(tmp_path / "d")
    source = Source(datasets.load_from_disk(tmp_path / "d"), KNOWN)
    there = cloudpickle.loads(cloudpickle.dumps(source))
    assert there.labels().tolist() == source.labels().tolist()
    assert there.read(1).tolist() == source.read(1).tolist()
    assert bytes_to_send(source) < 20_000  # by its files, whatever is in them


def test_turned_photographs_are_turned_back_by_the_library() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    import io

    stream = io.BytesIO()
    Image.fromarray(np.concatenate([np.zeros((4, 8, 3)), np.full((4, 8, 3), 255)]).astype(np.uint8)).save(
        stream, "png", exif=exif
    )
    features = datasets.Features(image=datasets.Image())
    data = datasets.Dataset.from_dict({"image": [{"bytes": stream.getvalue(), "path": None}]}, features)
    read = Source(data, KNOWN).read(0)
    assert read[0, 0].tolist() == [255] * 4 + [0] * 4
