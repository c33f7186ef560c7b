"""What a model does to an image in [0, 1] before its first layer, read from wherever its library keeps it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image

from fvhooks.errors import ImageError, UnsupportedModelError


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Normalisation and size of a model's input.

    Example:
        >>> Preprocessing(mean=(0.5,), std=(0.5,)).normalize(torch.ones(1, 1, 2, 2)).max().item()
        1.0

    Args:
        mean: per channel, in units of [0, 1]; empty: nothing is subtracted.
        std: per channel, in units of [0, 1]; empty: nothing is divided.
        input_shape: (channels, height, width) that the model takes, where known.
        resize: shorter side that a picture file is resized to before the centre crop to `input_shape`.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    input_shape: tuple[int, int, int] | None = None
    resize: int | None = None

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise ImageError(
                f"mean and std must name the same channels, got {len(self.mean)} and {len(self.std)} values."
            )
        if any(not s > 0 for s in self.std):
            raise ImageError(f"std must be positive, got {self.std}.")
        if self.mean and self.input_shape and len(self.mean) not in (1, self.input_shape[0]):
            raise ImageError(f"mean has {len(self.mean)} values for {self.input_shape[0]} input channels.")
        if any(abs(m) > 2 for m in self.mean):
            raise ImageError(
                f"mean and std are in units of [0, 1], got mean {self.mean}; divide both by 255."
            )

    @property
    def channels(self) -> int | None:
        """How many image channels the model takes, where known."""
        return self.input_shape[0] if self.input_shape else (len(self.mean) if len(self.mean) > 1 else None)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the input, where known."""
        return self.input_shape[1:] if self.input_shape else None

    def normalize(self, images: Float[torch.Tensor, "image rgb y x"]) -> Float[torch.Tensor, "image rgb y x"]:
        """Images in [0, 1] as the model wants them; differentiable."""
        if not self.mean:
            return images
        mean = torch.tensor(self.mean, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
        std = torch.tensor(self.std, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
        return (images - mean) / std

    def decode(self, picture: Image.Image) -> torch.Tensor:
        """A picture file as a `uint8` tensor `c h w`, resized and cropped as the model's transform does."""
        mode = "L" if self.channels == 1 else "RGBA" if self.channels == 4 else "RGB"
        picture = picture.convert(mode)
        if self.size:
            picture = _crop(picture, self.resize or min(self.size), self.size)
        array = np.array(picture)
        return torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy())

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for a store's fingerprint."""
        return asdict(self)

    @classmethod
    def of(
        cls,
        source: Any = None,  # noqa: ANN401 - one of several libraries' objects, told apart by what they have
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        input_shape: Sequence[int] | None = None,
    ) -> "Preprocessing":
        """Read from where the model's library keeps it: torchvision, Hugging Face or timm.

        Args:
            source: a weights enum or its transforms, an image processor, a configuration, or None; the other
                arguments override what it says.
            mean: per channel in units of [0, 1].
            std: per channel in units of [0, 1].
            input_shape: (channels, height, width).

        Raises:
            UnsupportedModelError: an object that says neither mean nor std.
        """
        found = cls() if source is None else source if isinstance(source, cls) else _read(source)
        return cls(
            tuple(map(float, found.mean if mean is None else mean)),
            tuple(map(float, found.std if std is None else std)),
            found.input_shape if input_shape is None else _shape(input_shape),
            found.resize,
        )


def _read(source: Any) -> Preprocessing:  # noqa: ANN401
    if hasattr(source, "transforms") and callable(source.transforms):  # a torchvision weights enum
        source = source.transforms()
    if hasattr(source, "crop_size") and hasattr(source, "mean"):  # torchvision's ImageClassification preset
        side = _pair(source.crop_size)
        resize = source.resize_size[0] if getattr(source, "resize_size", None) else None
        return Preprocessing(tuple(source.mean), tuple(source.std), (len(source.mean), *side), resize)
    if hasattr(source, "image_mean"):  # a Hugging Face image processor
        size = source.crop_size if getattr(source, "do_center_crop", False) else source.size
        side = _pair(size)
        mean, std = (source.image_mean, source.image_std) if source.do_normalize else ((), ())
        return Preprocessing(tuple(mean), tuple(std), (len(source.image_mean), *side))
    config = source if isinstance(source, dict) else getattr(source, "__dict__", {})
    if "mean" in config and "std" in config:  # a timm pretrained_cfg or data configuration
        return Preprocessing(
            tuple(config["mean"]),
            tuple(config["std"]),
            _shape(config["input_size"]) if "input_size" in config else None,
        )
    expected = (
        "torchvision weights or their transforms, a Hugging Face image processor or a timm configuration"
    )
    advice = "Pass mean=…, std=…, input_shape=… instead."
    raise UnsupportedModelError(f"Expected {expected}, got {type(source).__name__}. {advice}")


def _pair(size: Any) -> tuple[int, int]:  # noqa: ANN401
    if isinstance(size, int):
        return size, size

    def get(key: str) -> Any:  # noqa: ANN401 - a dictionary in older libraries, an object in newer ones
        return size.get(key) if hasattr(size, "get") else getattr(size, key, None)

    if get("height"):
        return int(get("height")), int(get("width"))
    if get("shortest_edge"):
        return int(get("shortest_edge")), int(get("shortest_edge"))
    sides = list(size)
    return int(sides[0]), int(sides[-1])


def _shape(shape: Sequence[int]) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ImageError(f"input_shape is (channels, height, width), got {tuple(shape)}.")
    channels, height, width = (int(size) for size in shape)
    return channels, height, width


def _crop(picture: Image.Image, resize: int, size: tuple[int, int]) -> Image.Image:
    """Torchvision's Resize and CenterCrop, rounding included, so that pixels are those of its transforms."""
    short = min(picture.size)
    width, height = (int(resize * side / short) for side in picture.size)
    wide = (max(size[1], width), max(size[0], height))
    if wide != picture.size:
        picture = picture.resize(wide, Image.Resampling.BILINEAR)
    left, top = round((picture.width - size[1]) / 2), round((picture.height - size[0]) / 2)
    return picture.crop((left, top, left + size[1], top + size[0]))
