"""Small pictures of many units in one image file, which costs far fewer bytes than a file each."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Int, UInt8
from PIL import Image

from fvhooks.widgets.encodings import LOSSLESS_SIDE, to_pil

_TILES = (100, 80, 64, 48, 32, 24, 16)
_QUALITY = 85
_SAMPLE = 49  # tiles from which the size of all is estimated
_BORDER = 1  # of each tile, repeated around it, so that a scaled tile does not show its neighbour


@dataclass(frozen=True, eq=False)
class TileSheet:
    """The pictures of some units, one tile each, in one image file.

    Args:
        encoded: PNG or JPEG.
        tile: side of one picture in pixels.
        columns: tiles in a row.
        rows: rows of tiles.
        place: which tile each unit has; −1 where it has no picture.
        pixelated: whether pixels should be seen as squares when magnified.
    """

    encoded: bytes
    tile: int
    columns: int
    rows: int
    place: Int[np.ndarray, " node"]
    pixelated: bool

    def about(self) -> dict[str, Any]:
        """What a browser needs beside the file."""
        shape = {"tile": self.tile, "columns": self.columns, "rows": self.rows}
        return shape | {"border": _BORDER, "pixelated": self.pixelated}


Picture = UInt8[np.ndarray, "rgb _ _"]  # of any size, many of them beside each other


def thumbnails(data: xr.Dataset) -> list[Picture | None]:
    """What stands for each unit: its picture, else its best real image; None where there is neither."""
    count = data.sizes["node"]
    found: list[Picture | None] = [None] * count
    if "top_image" in data:
        tops, known = data["top_image"].values, np.isfinite(data["top_value"].values[:, 0])
        found = [tops[node, 0] if known[node] else None for node in range(count)]
    if "picture" in data:
        pictures = data["picture"].values
        made = data["pictured"].values if "pictured" in data else np.ones(count, bool)
        found = [pictures[node, 0] if made[node] else found[node] for node in range(count)]
    return found


def sheet_of(data: xr.Dataset, limit: int | None = None) -> TileSheet | None:
    """The thumbnails of all nodes in at most `limit` bytes; None where there are none, or they never fit.

    Args:
        data: of a graph.
        limit: how many bytes; the tiles are made smaller until they fit.
    """
    pictures = thumbnails(data)
    found = [picture for picture in pictures if picture is not None]
    if not found:
        return None
    place = np.full(len(pictures), -1, dtype=np.int64)
    place[[node for node, picture in enumerate(pictures) if picture is not None]] = np.arange(len(found))
    largest = max(max(picture.shape[-2:]) for picture in found)
    small = largest <= LOSSLESS_SIDE
    for side in [largest, *[tile for tile in _TILES if tile < largest]] if small else _TILES:
        for lossless in (True, False) if small and side == largest else (False,):
            if limit is not None and _estimate(found, side, lossless=lossless) > 1.2 * limit:
                continue
            made = _packed(found, side, lossless=lossless)
            if limit is None or len(made[0]) <= limit:
                return TileSheet(*made, place=place, pixelated=small)
    return None


def _estimate(pictures: list[Picture], side: int, *, lossless: bool) -> float:
    """About how many bytes a sheet would take, from a few of its tiles."""
    few = pictures[:: max(1, len(pictures) // _SAMPLE)]
    return len(_packed(few, side, lossless=lossless)[0]) * len(pictures) / len(few)


def _packed(pictures: list[Picture], side: int, *, lossless: bool) -> tuple[bytes, int, int, int]:
    columns = int(np.ceil(np.sqrt(len(pictures))))
    rows = -(-len(pictures) // columns)
    pitch = side + 2 * _BORDER
    sheet = Image.new("RGB", (columns * pitch, rows * pitch))
    for index, picture in enumerate(pictures):
        tile = np.asarray(squared(picture, side))
        bordered = Image.fromarray(
            np.pad(tile, ((_BORDER, _BORDER), (_BORDER, _BORDER), (0, 0)), mode="edge")
        )
        sheet.paste(bordered, (index % columns * pitch, index // columns * pitch))
    out = BytesIO()
    if lossless:
        sheet.save(out, "PNG")
    else:
        sheet.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue(), side, columns, rows


def squared(picture: Picture, side: int) -> Image.Image:
    """The middle square of a picture at a side."""
    image = to_pil(picture).convert("RGB")
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    cut = image.crop((left, top, left + short, top + short))
    small = max(picture.shape[-2:]) <= LOSSLESS_SIDE and side >= short
    return cut.resize((side, side), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)
