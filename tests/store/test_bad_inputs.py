"""Data sets as they come: some are refused, single faulty images are rows that say so."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

import fvhooks as fv
from fvhooks.datasets.sources import Source
from fvhooks.errors import ImageError, MissingInputError, StoreError
from fvhooks.specifiers import dataset_of

GREY = np.full((12, 12), 100, np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Twelve photographs of two classes."""
    for name in ("cat", "owl"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(6):
            colour = np.full((12, 12, 3), (20 * number, 200, 50), np.uint8)
            Image.fromarray(colour).save(tmp_path / "data" / name / f"{number}.png")
    return tmp_path / "data"


def read(picture, **preprocessing):
    return Source([picture], fv.Preprocessing(input_shape=(3, 12, 12), **preprocessing)).read(0)


def reopened(picture, kind, **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return Image.open(io.BytesIO(stream.getvalue()))


@pytest.mark.parametrize(
    "picture",
    [
        Image.fromarray(GREY),
        Image.fromarray(np.dstack([GREY, GREY, GREY, GREY * 0])),
        Image.fromarray(GREY).convert("P"),
        Image.fromarray(GREY).convert("LA"),
        reopened(Image.fromarray(np.dstack([GREY] * 3)).convert("CMYK"), "jpeg"),
        reopened(Image.fromarray(GREY.astype(np.uint16) * 256 + 7), "png"),
    ],
    ids=["grey", "transparent", "palette", "grey with alpha", "cmyk", "16 bit"],
)
def test_pictures_of_every_mode_become_rgb(picture) -> None:
    found = read(picture)
    assert found.shape == (3, 12, 12)
    assert found.dtype == torch.uint8
    assert (found.float() - 100).abs().max() <= 2


def test_numbers_of_unknown_range_are_refused() -> None:
    with pytest.raises(ImageError, match="8 or 16 bits, got one of mode 'F', .*transform"):
        read(Image.fromarray(GREY.astype(np.float32)))


def test_photographs_are_not_turned_by_what_their_camera_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    halves = np.concatenate([np.zeros((6, 12, 3), np.uint8), np.full((6, 12, 3), 255, np.uint8)])
    found = read(reopened(Image.fromarray(halves), "png", exif=exif))
    assert found[0].tolist() == halves[..., 0].tolist()


def _bomb() -> bytes:
    """A PNG that says that it has 900 million pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    sealed = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + sealed + struct.pack(">I", 100) + b"IDAT" + bytes(104)


def test_single_faulty_files_are_rows_that_say_so(folder, hooked, collect, tmp_path) -> None:
    (folder / "cat" / "1.png").write_bytes(_bomb())
    (folder / "cat" / "2.png").write_bytes(b"no picture")
    (folder / "owl" / "3.png").unlink()
    (folder / "owl" / "3.png").symlink_to(folder / "gone.png")
    data = ImageFolder(str(folder))
    store = collect(hooked, data, tmp_path / "s.zarr", layers=["1"])
    said = dict(zip(store.errors.id.values.tolist(), store.errors.error.values.tolist(), strict=True))
    assert sorted(said) == ["cat/1.png", "cat/2.png", "owl/3.png"]
    assert said["cat/1.png"].startswith("DecompressionBombError: Image size (900000000 pixels)")
    assert said["cat/2.png"].startswith("UnidentifiedImageError: ")
    assert said["owl/3.png"].startswith("FileNotFoundError: ")
    bad = store.images_table.error.values != ""
    assert np.isnan(store["1"].peak.values[bad]).all()
    assert np.isfinite(store["1"].peak.values[~bad]).all()


def test_mixed_sizes_are_rows_that_say_so(hooked, collect, tmp_path) -> None:
    images = [torch.rand(3, 12, 12) for _ in range(12)]
    images[5] = torch.rand(3, 12, 16)
    store = collect(hooked, images, tmp_path / "s.zarr", layers=["1"])
    assert store.errors.id.values.tolist() == ["5"]
    assert "12 × 12 pixels, got 12 × 16" in str(store.errors.error.values[0])


def test_mixed_sizes_throughout_are_refused(hooked, collect, tmp_path) -> None:
    images = [torch.rand(3, 12, 12 + number) for number in range(12)]
    with pytest.raises(
        ImageError, match=r"11 of 12 items looked at cannot be used; the first is '1': .*12 × 13"
    ):
        collect(hooked, images, tmp_path / "s.zarr", layers=["1"])
    assert not (tmp_path / "s.zarr").exists()


@pytest.mark.parametrize("empty", [[], torch.zeros(0, 3, 12, 12), (np.zeros((0, 3, 12, 12)), [])])
def test_empty_data_sets_are_refused(empty, hooked, collect, tmp_path) -> None:
    with pytest.raises(MissingInputError, match=r"The data set \(\w+\) is empty"):
        collect(hooked, empty, tmp_path / "s.zarr")


def test_a_class_without_images(folder, hooked, collect, tmp_path) -> None:
    (folder / "bat").mkdir()
    with pytest.raises(MissingInputError, match="Found no valid file for the classes bat"):
        dataset_of(str(folder))
    data = ImageFolder(str(folder), allow_empty=True)
    store = collect(hooked, data, tmp_path / "s.zarr", layers=["1"])
    assert store["1"].group.values.tolist() == [1, 2]
    with pytest.raises(MissingInputError, match="The store has no label 0. It has 1, 2"):
        store.profile("1", 0)


def test_labels_of_the_wrong_length_write_nothing(folder, hooked, collect, tmp_path) -> None:
    with pytest.raises(MissingInputError, match="one label for each of 12 items, got 11"):
        collect(hooked, ImageFolder(str(folder)), tmp_path / "s.zarr", layers=["1"], labels=[0] * 11)
    assert not (tmp_path / "s.zarr").exists()


def test_a_data_set_that_changed_since_is_refused(folder, hooked, collect, tmp_path) -> None:
    where = tmp_path / "s.zarr"
    collect(hooked, ImageFolder(str(folder)), where, layers=["1"])
    Image.fromarray(np.zeros((12, 12, 3), np.uint8)).save(folder / "cat" / "0.png")
    for again in (
        lambda data: collect(hooked, data, where, layers=["1"]),
        lambda data: fv.open_store(where, data),
    ):
        with pytest.raises(StoreError, match="made of another data set .items: .* in the store, .* here"):
            again(ImageFolder(str(folder)))
    (folder / "cat" / "9.png").write_bytes((folder / "cat" / "1.png").read_bytes())
    with pytest.raises(StoreError, match="images: 12 in the store, 13 here"):
        fv.open_store(where, ImageFolder(str(folder)))


def test_a_folder_that_is_not_there_is_said(tmp_path) -> None:
    with pytest.raises(MissingInputError, match="there is no folder"):
        dataset_of(str(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match="one folder a class, each with images"):
        dataset_of(str(tmp_path / "empty"))


def test_labels_that_are_no_outputs_are_told_at_once(tmp_path, caplog) -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12 * 4 * 4, 12))
    for parameter, values in zip(network.parameters(), (torch.eye(12, 192), torch.zeros(12)), strict=True):
        parameter.data = values
    hooked = fv.attach(network, input_shape=(12, 4, 4))
    images = torch.eye(12).repeat(3, 16).reshape(36, 12, 4, 4)
    said = "takes {} of 36 labelled images for their label"
    right = hooked.module(images).argmax(1)
    for name, labels, is_told in (("right", right, False), ("shifted", (right + 1) % 12, True)):
        caplog.clear()
        fv.collect(
            hooked,
            list(zip(images, labels.tolist(), strict=True)),
            tmp_path / name,
            layers=["1"],
            show_progress=False,
        )
        assert (said.format(0) in caplog.text) is is_told
        assert ("label_of_logit=" in caplog.text) is is_told
