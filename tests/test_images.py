"""Images at the border."""

import numpy as np
import pytest
import torch
from PIL import Image

from fvhooks.errors import ImageError, NonFiniteError
from fvhooks.images import as_bytes, as_images

X = torch.rand(2, 3, 6, 5)


def test_bytes_become_floats_in_unit_range() -> None:
    images = as_images((X * 255).byte(), channels=3, size=(6, 5))
    assert images.dtype == torch.float32
    assert torch.allclose(images, X, atol=1 / 255)


def test_floats_keep_their_values_and_gradients() -> None:
    x = X.double().requires_grad_()
    images = as_images(x)
    assert images.dtype == torch.float32
    (gradient,) = torch.autograd.grad(images.sum(), x)
    assert torch.equal(gradient, torch.ones_like(x))


def test_pictures_as_bytes_are_the_nearest_and_never_wrap() -> None:
    every = np.arange(256)
    np.testing.assert_array_equal(as_bytes(((every + 0.4) / 255).astype(np.float32)), every)
    assert as_bytes(np.array([-0.1, 1.1, np.nan, np.inf])).tolist() == [0, 255, 0, 255]


def test_one_image_becomes_a_batch() -> None:
    assert as_images(X[0]).shape == (1, 3, 6, 5)


def test_arrays_that_cannot_be_written_are_taken() -> None:
    array = np.asarray(Image.new("RGB", (5, 6))).transpose(2, 0, 1)
    assert as_images(array).shape == (1, 3, 6, 5)


def test_rounding_beyond_the_ends_is_allowed() -> None:
    as_images(torch.tensor([-5e-5, 1 + 5e-5]).expand(1, 1, 1, 2))


BAD = {
    "axes": (X[0, 0], {}, r"Expected images as \(image, channel, y, x\), got shape \(6, 5\)"),
    "size": (X, {"size": (8, 8)}, "Expected images of 8 × 8 pixels, got 6 × 5"),
    "channels": (X, {"channels": 1}, r"Expected 1 image channels, got shape \(2, 3, 6, 5\)\.$"),
    "channels last": (X.permute(0, 2, 3, 1), {"channels": 3}, r"permute\(0, 3, 1, 2\)"),
    "type": (X.bool(), {}, "got torch.bool"),
    "0 to 255": (X * 255, {}, r"got values from .* Divide by 255, or pass them as uint8\."),
    "16 bit": (X * 65535, {}, r"Scale them to \[0, 1\]"),
    "normalised": ((X - 0.45) / 0.23, {}, "They look normalised already: leave Normalize out"),
}


@pytest.mark.parametrize(("images", "options", "message"), BAD.values(), ids=BAD)
def test_each_kind_of_wrong_images_says_what_to_do(images, options, message) -> None:
    with pytest.raises(ImageError, match=message):
        as_images(images, **options)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_numbers_that_are_not_finite_name_their_images(value: float) -> None:
    images = X.clone()
    images[1, 0, 2, 2] = value
    with pytest.raises(NonFiniteError, match=r"in images \[1\] of the batch of 2"):
        as_images(images, bounded=False)


def test_unbounded_images_are_taken_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"Images outside \[0, 1\]"):
        assert torch.equal(as_images(X * 3, bounded=False), X * 3)


def test_no_images_are_no_error() -> None:
    assert as_images(X[:0]).shape == (0, 3, 6, 5)
