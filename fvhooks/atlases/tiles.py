"""The picture of a map in square pieces, painted one by one: the whole is never in memory."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Int, Int64, UInt8
from PIL import Image

from fvhooks.atlases.pyramids import item_grid
from fvhooks.errors import MissingInputError, ShapeError

Sprites = Callable[[Int[np.ndarray, " sprite"]], UInt8[np.ndarray, "sprite rgb y x"]]

BACKGROUND = 244
"""The grey of cells without an item or a picture."""
QUALITY = 80

_LARGEST = 64  # pixels of a cell that nobody has chosen
_STEP = 0.15  # of a cell's edge, for each step of size below the largest
_UNPICTURED = ("", "text")


class Tiles:
    """Tiles of each level of an atlas, as large as a few cells, from the pictures of its items.

    On level 0 each cell shows its item, on level z the item that stands for 2^z × 2^z of them, in a cell of
    as many pixels: the picture of each level is half as wide as that of the one below. Items of a strip are
    on level 0 alone, in their rows below the grid. A picture is shrunk or stretched until it fits its cell,
    in its proportions; a `size` below the largest of the map takes 15 % off its edge for each step.

    Args:
        data: of an `Atlas`. Of its `image`, only what a tile shows is read.
        cell: edge of a cell in pixels; that of the pictures, at most 64, where not given.
        side: the longest edge of a tile. Tiles hold whole cells, so that theirs may be shorter: see `edge`.
        sprites: gives pictures of items by their index, in the order asked for, all of one size.

    Attributes:
        cell: edge of a cell in pixels.
        edge: edge of a tile in pixels.
        grid: rows and columns of cells, without the strip.
        items: of each level, the item in each cell, −1 for none.

    Raises:
        MissingInputError: no pictures.
        ShapeError: a cell larger than a tile.
    """

    def __init__(
        self, data: xr.Dataset, *, cell: int | None = None, side: int = 512, sprites: Sprites | None = None
    ) -> None:
        if sprites is None and "image" not in data:
            raise MissingInputError("Tiles need pictures: this map has no `image`; give sprites=.")
        sizes = data.sizes if "image" in data else {}
        self.cell = cell or min(_LARGEST, max(sizes.get("py", _LARGEST), sizes.get("px", 1)))
        if not 1 <= self.cell <= side:
            raise ShapeError(f"Expected cells of 1 to {side} pixels, the side of a tile, got {self.cell}.")
        self.edge = side // self.cell * self.cell
        self.items = _levels(data)
        self._place = np.stack([data["row"].values, data["col"].values], 1).astype(np.int64)
        self.grid = (int(data.attrs["grid"][0]), int(data.attrs["grid"][1]))
        self._edges = _edges(data, self.cell)
        self._pictured = np.ones(data.sizes["cell"], bool)
        if sprites is None and "source" in data:
            self._pictured = np.array([str(one) not in _UNPICTURED for one in data["source"].values], bool)
        self._sprites = sprites or _reader(data["image"])

    @property
    def levels(self) -> int:
        """How many there are, the single items among them."""
        return len(self.items)

    def shape(self, level: int) -> tuple[int, int]:
        """Rows and columns of tiles."""
        rows, columns = self.items[level].shape
        each = self.edge // self.cell
        return -(-rows // each), -(-columns // each)

    def paint(self, level: int, row: int, col: int) -> UInt8[np.ndarray, "y x rgb"] | None:
        """One tile; those of the last row and column are cut off where the cells end.

        Args:
            level: 0 for single items.
            row: of tiles, from the top.
            col: of tiles, from the left.

        Returns:
            The tile; none where no cell of it has an item.

        Raises:
            ShapeError: a tile beyond the last.
        """
        rows, columns = self.shape(level)
        if not (0 <= row < rows and 0 <= col < columns):
            raise ShapeError(f"Level {level} has {rows} x {columns} tiles, got ({row}, {col}).")
        each = self.edge // self.cell
        cells = self.items[level][row * each : (row + 1) * each, col * each : (col + 1) * each]
        if (cells < 0).all():
            return None
        canvas = np.full((*(self.cell * np.array(cells.shape)), 3), BACKGROUND, np.uint8)
        shown = (cells >= 0) & self._pictured[cells]
        items = cells[shown]
        if len(items):
            pictures = self._sprites(items)
            for place, item, picture in zip(np.argwhere(shown), items, pictures, strict=True):
                fitted = _fitted(picture, int(self._edges[item]))
                top, left = place * self.cell + (self.cell - np.array(fitted.shape[:2])) // 2
                canvas[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
        return canvas

    def encoded(self, level: int, row: int, col: int, quality: int = QUALITY) -> tuple[bytes, str] | None:
        """One tile as the bytes of an image file, with its media type; none where `paint` gives none.

        It is a JPEG without colour subsampling. Its blocks are 8 pixels wide, so that cells of a multiple of
        that never bleed into each other. WebP, which filters across blocks, was a quarter smaller and some
        ten times slower on tiles of photographs.

        Args:
            level: 0 for single items.
            row: of tiles, from the top.
            col: of tiles, from the left.
            quality: from 1 to 95.
        """
        tile = self.paint(level, row, col)
        if tile is None:
            return None
        out = BytesIO()
        Image.fromarray(tile).save(out, "JPEG", quality=quality, subsampling=0)
        return out.getvalue(), "image/jpeg"

    def cell_at(self, level: int, x: int, y: int) -> int:
        """The item at a pixel of a level's whole picture; −1 where there is none."""
        items = self.items[level]
        row, col = y // self.cell, x // self.cell
        inside = 0 <= row < items.shape[0] and 0 <= col < items.shape[1]
        return int(items[row, col]) if inside else -1

    def place_of(self, item: int, level: int) -> tuple[int, int, int, int]:
        """Where the cell is that shows an item, or on higher levels who stands for it.

        Args:
            item: its index.
            level: 0 for single items.

        Returns:
            Row and column of the tile, and x and y of the cell's first pixel on it.

        Raises:
            MissingInputError: an item of a strip, above level 0.
        """
        row, col = (int(number) for number in self._place[item])
        if level and row >= self.grid[0]:
            raise MissingInputError(f"Item {item} lies in the strip, which is on level 0 alone.")
        (tile_row, y), (tile_col, x) = (
            divmod((number >> level) * self.cell, self.edge) for number in (row, col)
        )
        return tile_row, tile_col, x, y


def export_tiles(tiles: Tiles, folder: str | Path, *, quality: int = QUALITY) -> Path:
    """Write all tiles as files, one by one, for maps that are too large for one page.

    `index.json` is written last. It holds the edges of `cell` and `tile` in pixels, the `grid` without the
    strip, and for each of `levels` its `rows` and `columns` of cells and the `tiles` that exist, as pairs of
    row and column; a tile's file is `LEVEL/ROW-COLUMN.jpg`.

    Args:
        tiles: of an atlas.
        folder: made where it does not exist; files of the same names are written over.
        quality: of the JPEG files, from 1 to 95.

    Returns:
        The path of the index.
    """
    root, levels = Path(folder), []
    for level in range(tiles.levels):
        rows, columns = tiles.shape(level)
        (root / str(level)).mkdir(parents=True, exist_ok=True)
        there = []
        for row, col in np.ndindex(rows, columns):
            tile = tiles.encoded(level, row, col, quality)
            if tile is not None:
                (root / str(level) / f"{row}-{col}.jpg").write_bytes(tile[0])
                there.append([row, col])
        height, width = tiles.items[level].shape
        levels.append({"rows": height, "columns": width, "tiles": there})
    index = root / "index.json"
    index.write_text(
        json.dumps({"cell": tiles.cell, "tile": tiles.edge, "grid": list(tiles.grid), "levels": levels})
    )
    return index


def _reader(image: xr.DataArray) -> Sprites:
    """Pictures of a map's own, which may lie in a file."""

    def read(items: Int[np.ndarray, " sprite"]) -> UInt8[np.ndarray, "sprite rgb y x"]:
        order = np.argsort(items)  # files are read forwards
        pictures = image.isel(cell=items[order]).transpose("cell", "rgb", "py", "px").values
        back: UInt8[np.ndarray, "sprite rgb y x"] = pictures[np.argsort(order)]
        return back

    return read


def _levels(data: xr.Dataset) -> list[Int64[np.ndarray, "_ _"]]:
    rows, columns = (int(number) for number in data.attrs["grid"])
    cells = np.stack([data["row"].values, data["col"].values], 1).astype(np.int64)
    below = int(cells[:, 0].max(initial=rows - 1)) + 1
    items = [item_grid(cells, (max(rows, below), columns))]
    while f"medoid_{len(items)}" in data:
        items.append(data[f"medoid_{len(items)}"].values.astype(np.int64))
    return items


def _edges(data: xr.Dataset, cell: int) -> Int64[np.ndarray, " item"]:
    """How large each item's picture is drawn; where all are of one size they fill their cells."""
    edges = np.full(data.sizes["cell"], cell, np.int64)
    if "size" in data and len(edges):
        size = data["size"].values.astype(np.float64)
        edges = np.maximum(np.rint(cell * (1 - _STEP * (size.max() - size))), 1).astype(np.int64)
    return edges


def _fitted(picture: UInt8[np.ndarray, "rgb y x"], edge: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """A picture whose longer side is the edge."""
    colours: UInt8[np.ndarray, "_ _ 3"]
    colours = np.broadcast_to(picture, (3, *picture.shape[1:])).transpose(1, 2, 0)
    height, width = colours.shape[:2]
    longest = max(height, width)
    size = (max(1, round(width * edge / longest)), max(1, round(height * edge / longest)))
    if size == (width, height):
        return colours
    image = Image.fromarray(np.ascontiguousarray(colours))
    return np.array(image.resize(size, Image.Resampling.LANCZOS))
