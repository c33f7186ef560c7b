"""What a model does to an image in [0, 1] before its first layer, read from wherever its library keeps it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image

from fvhooks.errors import ImageError, UnsupportedModelError
from fvhooks.hooks.pictures import Sizing


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Normalisation and size of a model's input.

    Examples:
        >>> Preprocessing(mean=(0.5,), std=(0.5,)).normalize(torch.ones(1, 1, 2, 2)).max().item()
        1.0

    Args:
        mean: per channel, in units of [0, 1]; empty: nothing is subtracted.
        std: per channel, in units of [0, 1]; empty: nothing is divided.
        input_shape: (channels, height, width) that the model takes, where known.
        resize: shorter side that a picture file is resized to before the crop to `input_shape`, or a height
            and width; see `fvhooks.hooks.pictures.Sizing`.
        interpolation: between pixels: "bilinear", "bicubic", …
        crop: what happens to a picture of another shape: "center", "trimmed", "squash" or "border".
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    input_shape: tuple[int, int, int] | None = None
    resize: int | tuple[int, int] | None = None
    interpolation: str = "bilinear"
    crop: str = "center"

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
        self._sizing()

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
        sizing = self._sizing()
        if sizing is not None:
            picture = sizing(picture)
        array = np.array(picture)
        return torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy())

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, as a store keeps them; what is as usual is left out where older stores lack it."""
        return {
            name: value for name, value in asdict(self).items() if name not in _USUAL or value != _USUAL[name]
        }

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of `to_dict`, also after a way through JSON."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stated.items()}
        return cls(**values)

    def _sizing(self) -> Sizing | None:
        """How a picture gets the model's size; None where that is not known."""
        if self.size is None:
            return None
        height, width = self.size
        resize = self.resize or (height if height == width else self.size)
        return Sizing(self.size, resize, self.interpolation, self.crop, self.mean)

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
            input_shape: (channels, height, width); of a picture file the same part is seen as before.

        Raises:
            UnsupportedModelError: an object that says neither mean nor std, or asks for more than these.
        """
        found = cls() if source is None else source if isinstance(source, cls) else _read(source)
        shape = found.input_shape if input_shape is None else _shape(input_shape)
        return cls(
            tuple(map(float, found.mean if mean is None else mean)),
            tuple(map(float, found.std if std is None else std)),
            shape,
            _scaled(found.resize, found.size, shape),
            found.interpolation,
            found.crop,
        )


_USUAL = {"interpolation": "bilinear", "crop": "center"}


def _scaled(
    resize: int | tuple[int, int] | None, old: tuple[int, int] | None, shape: tuple[int, int, int] | None
) -> int | tuple[int, int] | None:
    """What to resize to where the input has got another size."""
    if resize is None or old is None or shape is None or shape[1:] == old:
        return resize
    _, height, width = shape
    before = resize if isinstance(resize, tuple) else tuple(side * resize / min(old) for side in old)
    rows, columns = (round(b * new / o) for b, new, o in zip(before, (height, width), old, strict=True))
    return rows if isinstance(resize, int) and height == width else (rows, columns)


def _read(source: Any) -> Preprocessing:  # noqa: ANN401
    if hasattr(source, "transforms") and callable(source.transforms):  # a torchvision weights enum
        source = source.transforms()
    if hasattr(source, "crop_size") and hasattr(source, "mean"):  # torchvision's ImageClassification preset
        return _torchvision(source)
    if hasattr(source, "image_mean"):
        return _hugging_face(source)
    config = source if isinstance(source, dict) else getattr(source, "__dict__", {})
    if "mean" in config and "std" in config:
        return _timm(config)
    expected = (
        "torchvision weights or their transforms, a Hugging Face image processor or a timm configuration"
    )
    advice = "Pass mean=…, std=…, input_shape=… instead."
    raise UnsupportedModelError(f"Expected {expected}, got {type(source).__name__}. {advice}")


def _torchvision(preset: Any) -> Preprocessing:  # noqa: ANN401
    sides = list(getattr(preset, "resize_size", None) or [])
    resize = (sides[0], sides[1]) if len(sides) == 2 else sides[0] if sides else None
    return Preprocessing(
        tuple(preset.mean),
        tuple(preset.std),
        (len(preset.mean), *_pair(preset.crop_size)),
        resize,
        getattr(preset.interpolation, "value", preset.interpolation),
        "squash" if len(sides) == 2 else "center",
    )


def _timm(config: Mapping[str, Any]) -> Preprocessing:
    """A pretrained_cfg or data configuration; what it leaves out is as in timm itself."""
    mean, std = tuple(config["mean"]), tuple(config["std"])
    if not config.get("input_size"):
        return Preprocessing(mean, std)
    shape = _shape(config["input_size"])
    part = config.get("crop_pct") or 0.875
    rows, columns = (math.floor(side / part) for side in shape[1:])
    crop = config.get("crop_mode") or "center"
    resize = rows if rows == columns and crop == "center" else (rows, columns)
    return Preprocessing(mean, std, shape, resize, config.get("interpolation") or "bicubic", crop)


def _hugging_face(processor: Any) -> Preprocessing:  # noqa: ANN401
    name = type(processor).__name__
    if getattr(processor, "do_flip_channel_order", False):
        raise UnsupportedModelError(
            f"{name} gives the model its colours in reverse order, which no mean and std say. Attach a "
            "module that flips its input before the model, and pass mean=…, std=…, input_shape=…."
        )
    cropped = bool(getattr(processor, "do_center_crop", False))
    size = _pair(processor.crop_size if cropped else processor.size)
    resize, crop = _hugging_face_resize(processor, size, cropped=cropped)
    mean, std = _hugging_face_normalisation(processor)
    resample = getattr(processor, "resample", None)
    filter_name = Image.Resampling(int(Image.Resampling.BILINEAR if resample is None else resample)).name
    channels = len(processor.image_mean or mean) or 3
    return Preprocessing(mean, std, (channels, *size), resize, filter_name.lower(), crop)


def _hugging_face_resize(
    processor: Any,  # noqa: ANN401
    size: tuple[int, int],
    *,
    cropped: bool,
) -> tuple[int | tuple[int, int], str]:
    """What a picture is resized to, and how it is cropped then."""
    stated = processor.size
    edge = stated.get("shortest_edge") if hasattr(stated, "get") else None
    part = getattr(processor, "crop_pct", None)
    if part and not cropped:  # ConvNeXT: a crop for small inputs, all of the picture for large ones
        return (int(size[0] / part), "trimmed") if size[0] < 384 else (size, "squash")
    if not edge:
        target = _pair(stated)
        if part and target[0] == target[1]:
            return int(target[0] / part), "trimmed"
        return (int(target[0] / (part or 1)), int(target[1] / (part or 1))), "squash"
    if type(processor).__name__.startswith("Levit"):
        edge = int(256 / 224 * edge)
    return int(edge / (part or 1)), "trimmed"


def _hugging_face_normalisation(processor: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:  # noqa: ANN401
    """Mean and std of images in [0, 1], whatever range the processor brings them to first."""
    rescaled = getattr(processor, "do_rescale", True)
    scale = 255 * float(getattr(processor, "rescale_factor", None) or 1 / 255) if rescaled else 1.0
    scale = 1.0 if abs(scale - 1) < 1e-9 else scale
    shift = 1.0 if getattr(processor, "rescale_offset", False) else 0.0
    normalised = processor.do_normalize and processor.image_mean
    if not normalised and scale == 1 and not shift:
        return (), ()
    means = tuple(processor.image_mean) if normalised else (0.0,) * len(processor.image_mean or (0, 0, 0))
    stds = tuple(processor.image_std) if normalised else (1.0,) * len(means)
    again = stds if getattr(processor, "include_top", False) else (1.0,) * len(means)  # EfficientNet's
    return (
        tuple((mean + shift) / scale for mean in means),
        tuple(std * more / scale for std, more in zip(stds, again, strict=True)),
    )


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
