"""What a model does to an image first, from every library that says it."""

import numpy as np
import pytest
import torch
from PIL import Image

import fvhooks as fv
from fvhooks.errors import ImageError, UnsupportedModelError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_torchvision_weights_and_their_transforms() -> None:
    from torchvision.models import ResNet18_Weights

    weights = ResNet18_Weights.IMAGENET1K_V1
    expected = fv.Preprocessing(MEAN, STD, (3, 224, 224), 256)
    assert fv.Preprocessing.of(weights) == expected
    assert fv.Preprocessing.of(weights.transforms()) == expected


def test_a_hugging_face_processor() -> None:
    from transformers import ViTImageProcessor

    processor = ViTImageProcessor(
        size={"height": 96, "width": 64}, image_mean=[0.5] * 3, image_std=[0.25] * 3
    )
    assert fv.Preprocessing.of(processor) == fv.Preprocessing((0.5,) * 3, (0.25,) * 3, (3, 96, 64))
    without = ViTImageProcessor(size={"height": 96, "width": 64}, do_normalize=False)
    assert fv.Preprocessing.of(without).mean == ()


def test_a_timm_configuration() -> None:
    config = {"mean": MEAN, "std": STD, "input_size": (3, 160, 192), "crop_pct": 0.9}
    assert fv.Preprocessing.of(config) == fv.Preprocessing(MEAN, STD, (3, 160, 192))


def test_arguments_override_what_the_object_says() -> None:
    config = {"mean": MEAN, "std": STD, "input_size": (3, 160, 192)}
    made = fv.Preprocessing.of(config, mean=[0.0] * 3, std=[1.0] * 3, input_shape=(3, 32, 32))
    assert made == fv.Preprocessing((0.0,) * 3, (1.0,) * 3, (3, 32, 32))


def test_another_object_is_refused_with_the_way_out() -> None:
    from torchvision.transforms import Compose

    with pytest.raises(UnsupportedModelError, match="got Compose. Pass mean=…, std=…, input_shape=… instead"):
        fv.Preprocessing.of(Compose([]))


BAD = {
    "0 to 255": ({"mean": (123.7,), "std": (58.4,)}, "divide both by 255"),
    "zero": ({"mean": (0.5,), "std": (0.0,)}, "std must be positive"),
    "other lengths": ({"mean": (0.5, 0.5), "std": (0.5,)}, "got 2 and 1 values"),
    "shape": ({"input_shape": (32, 32)}, r"input_shape is \(channels, height, width\), got \(32, 32\)"),
}


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=BAD)
def test_numbers_that_cannot_be_meant_are_refused(given, message) -> None:
    with pytest.raises(ImageError, match=message):
        fv.Preprocessing.of(None, **given)


def test_normalize_is_torchvisions() -> None:
    from torchvision.transforms import Normalize

    images = torch.rand(2, 3, 4, 4)
    assert torch.allclose(fv.Preprocessing(MEAN, STD).normalize(images), Normalize(MEAN, STD)(images))


@pytest.mark.parametrize("size", [(300, 201), (120, 259), (96, 96), (500, 333)])
def test_decoding_resizes_and_crops_as_torchvision_does(size: tuple[int, int]) -> None:
    from torchvision.transforms import CenterCrop, Compose, PILToTensor, Resize

    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
    ours = fv.Preprocessing(MEAN, STD, (3, 96, 96), 112).decode(picture)
    theirs = Compose([Resize(112), CenterCrop(96), PILToTensor()])(picture)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(("channels", "mode"), [(1, "RGB"), (3, "L"), (3, "RGBA"), (4, "RGB")])
def test_decoding_gives_as_many_channels_as_the_model_takes(channels: int, mode: str) -> None:
    decoded = fv.Preprocessing(input_shape=(channels, 8, 8)).decode(Image.new(mode, (10, 9)))
    assert decoded.shape == (channels, 8, 8)
    assert decoded.dtype == torch.uint8
