"""Picture files as a model's library sizes them: resized, cropped or padded, rounding included."""

import math
from dataclasses import dataclass

from PIL import Image

from fvhooks.errors import ImageError

CROPS = ("center", "trimmed", "squash", "border")
"""What happens to a picture of another shape than the model's input.

"center": its middle, at the size that `resize` says (torchvision, timm); "trimmed": the same with
half pixels rounded down (Hugging Face); "squash": all of it, distorted; "border": all of it, the rest filled.
"""

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "nearest-exact": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


@dataclass(frozen=True, slots=True)
class Sizing:
    """How a picture gets the size of a model's input.

    Examples:
        >>> Sizing((224, 224), resize=256)(Image.new("RGB", (640, 480))).size
        (224, 224)

    Args:
        size: height and width of the input.
        resize: what the shorter side becomes before the crop; or a height and width, which are reached both
            by "squash", by the nearer of the two by "center" and by the farther by "border".
        interpolation: one of "nearest", "bilinear", "bicubic", "lanczos", "box", "hamming".
        crop: what happens to a picture of another shape.
        fill: of a border, one number a channel in [0, 1].

    Raises:
        ImageError: an unknown interpolation or crop.
    """

    size: tuple[int, int]
    resize: int | tuple[int, int]
    interpolation: str = "bilinear"
    crop: str = "center"
    fill: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.interpolation not in FILTERS:
            raise ImageError(
                f"Expected an interpolation of {', '.join(FILTERS)}, got {self.interpolation!r}."
            )
        if self.crop not in CROPS:
            raise ImageError(f"Expected a crop of {', '.join(CROPS)}, got {self.crop!r}.")

    def __call__(self, picture: Image.Image) -> Image.Image:
        """The picture at the size of the input."""
        height, width = self._target(picture.height, picture.width)
        if (width, height) != picture.size:
            picture = picture.resize((width, height), FILTERS[self.interpolation])
        return self._cropped(picture)

    def _target(self, height: int, width: int) -> tuple[int, int]:
        """Height and width to resize to."""
        if isinstance(self.resize, int):
            short = min(height, width)
            return int(self.resize * height / short), int(self.resize * width / short)
        if self.crop == "squash":
            return self.resize
        ratios = height / self.resize[0], width / self.resize[1]
        ratio = max(ratios) if self.crop == "border" else min(ratios)
        return round(height / ratio), round(width / ratio)

    def _cropped(self, picture: Image.Image) -> Image.Image:
        height, width = self.size
        wide, high = max(picture.width, width), max(picture.height, height)
        if (wide, high) != picture.size:  # a border on each side, the odd pixel right and below
            whole = Image.new(picture.mode, (wide, high), self._colour(picture.mode))
            whole.paste(picture, ((wide - picture.width) // 2, (high - picture.height) // 2))
            picture = whole
        top, left = (picture.height - height) / 2, (picture.width - width) / 2
        places = (math.floor(left), math.floor(top)) if self.crop == "trimmed" else (round(left), round(top))
        return picture.crop((*places, places[0] + width, places[1] + height))

    def _colour(self, mode: str) -> tuple[int, ...]:
        bands = len(Image.new(mode, (1, 1)).getbands())
        fill = self.fill * bands if len(self.fill) == 1 else self.fill
        return tuple(round(255 * value) for value in fill) if len(fill) == bands else (0,) * bands
