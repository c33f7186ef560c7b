"""Pictures as the bytes of image files, and many of them in one buffer."""

from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image

LOSSLESS_SIDE = 64
"""Pictures up to this side are kept exactly: they are shown magnified, where JPEG's blocks would show."""

_MASK_SIDE = 128
_QUALITY = 88

Span = tuple[int, int]


def to_pil(picture: UInt8[np.ndarray, "rgb y x"]) -> Image.Image:
    """A picture of one or three channels."""
    return Image.fromarray(
        picture[0] if len(picture) == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))
    )


def encode(picture: UInt8[np.ndarray, "rgb y x"], side: int | None = None) -> bytes:
    """A picture as PNG where it is small, else as JPEG without colour subsampling.

    Examples:
        >>> encode(np.zeros((3, 8, 8), np.uint8))[1:4]
        b'PNG'

    Args:
        picture: one or three channels.
        side: the longest side that is kept; larger ones are shrunk.
    """
    image = _shrink(to_pil(picture), side)
    out = BytesIO()
    if max(image.size) <= LOSSLESS_SIDE:
        image.save(out, "PNG", optimize=True)
    else:
        # not optimize=True: Pillow then fails on pictures of noise, whose bytes outgrow its buffer
        image.save(out, "JPEG", quality=_QUALITY, subsampling=0)
    return out.getvalue()


def encode_mask(alpha: UInt8[np.ndarray, "y x"], side: int | None = None) -> bytes:
    """An opacity as the alpha channel of a PNG, which a style sheet can use as a mask."""
    opacity = _shrink(Image.fromarray(alpha), min(side or _MASK_SIDE, _MASK_SIDE))
    out = BytesIO()
    Image.merge("LA", (Image.new("L", opacity.size), opacity)).save(out, "PNG", optimize=True)
    return out.getvalue()


@dataclass
class Packer:
    """Byte strings in one buffer, since nested binary traits do not survive every notebook.

    Examples:
        >>> packer = Packer()
        >>> packer.add(b"ab"), packer.add(b"c"), packer.packed
        ((0, 2), (2, 3), b'abc')
    """

    _parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, part: bytes) -> Span:
        """Append, and say from where to where."""
        start, self.size = self.size, self.size + len(part)
        self._parts.append(part)
        return start, self.size

    @property
    def packed(self) -> bytes:
        """All that was added."""
        return b"".join(self._parts)


def _shrink(image: Image.Image, side: int | None) -> Image.Image:
    if side is None or max(image.size) <= side:
        return image
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)
