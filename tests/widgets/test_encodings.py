"""Pictures as bytes."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from fvhooks.widgets.encodings import Packer, encode, encode_mask


def opened(encoded: bytes) -> Image.Image:
    with Image.open(BytesIO(encoded)) as image:
        image.load()
        return image


def test_small_pictures_are_kept_exactly() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (3, 32, 20), np.uint8)
    np.testing.assert_array_equal(np.asarray(opened(encode(picture))), picture.transpose(1, 2, 0))


def test_large_pictures_keep_their_colours() -> None:
    picture = np.zeros((3, 100, 100), np.uint8)
    picture[0, :, ::2] = 255  # red stripes of one pixel: halved colour planes would smear them
    found = np.asarray(opened(encode(picture)), float)
    assert opened(encode(picture)).format == "JPEG"
    assert np.abs(found - picture.transpose(1, 2, 0)).mean() < 12


@pytest.mark.parametrize("shape", [(3, 100, 200), (1, 100, 200)])
def test_pictures_are_shrunk_to_the_side_asked_for(shape: tuple[int, int, int]) -> None:
    assert opened(encode(np.zeros(shape, np.uint8), 50)).size == (50, 25)


def test_a_mask_carries_the_opacity_as_alpha() -> None:
    alpha = np.arange(64, dtype=np.uint8).reshape(8, 8)
    np.testing.assert_array_equal(np.asarray(opened(encode_mask(alpha)).getchannel("A")), alpha)


def test_spans_find_their_parts_again() -> None:
    packer, parts = Packer(), [b"abc", b"", b"de"]
    spans = [packer.add(part) for part in parts]
    assert [packer.packed[start:end] for start, end in spans] == parts
