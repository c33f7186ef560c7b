"""The picture of a map in pieces."""

import json
from io import BytesIO

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fvhooks.atlases.grids import grid_shape, snap
from fvhooks.atlases.pyramids import pyramid
from fvhooks.atlases.tiles import BACKGROUND, Tiles, export_tiles
from fvhooks.errors import MissingInputError, ShapeError


def _map(count: int, image: tuple[int, ...] = (3, 8, 8), strip: int = 0, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    shape = grid_shape(count)
    cells = snap(rng.normal(size=(count, 2)), shape)
    data: dict = {}
    for level, (medoid, standing) in enumerate(pyramid(cells, shape, rng.normal(size=(count, 4))), 1):
        dims = (f"row_{level}", f"col_{level}")
        data |= {f"medoid_{level}": (dims, medoid), f"count_{level}": (dims, standing)}
    columns = max(shape[1], 1)
    below = np.stack(np.divmod(np.arange(strip), columns), 1) + np.array([shape[0] + 1, 0])
    cells = np.concatenate([cells, below])
    pictures = rng.integers(0, 256, (len(cells), *image), dtype=np.uint8)
    data |= {
        "row": ("cell", cells[:, 0]),
        "col": ("cell", cells[:, 1]),
        "in_strip": ("cell", np.arange(len(cells)) >= count),
        "image": (("cell", "rgb", "py", "px"), pictures),
    }
    return xr.Dataset(data, attrs={"grid": (shape[0], columns)})


def _whole(tiles: Tiles, level: int) -> np.ndarray:
    """A level put together from its tiles."""
    rows, columns = (tiles.cell * number for number in tiles.items[level].shape)
    whole = np.full((rows, columns, 3), BACKGROUND, np.uint8)
    for row, col in np.ndindex(tiles.shape(level)):
        tile = tiles.paint(level, row, col)
        if tile is not None:
            assert max(tile.shape) <= tiles.edge
            top, left = row * tiles.edge, col * tiles.edge
            assert whole[top : top + tile.shape[0], left : left + tile.shape[1]].shape == tile.shape
            whole[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return whole


def _expected(data: xr.Dataset, level: int) -> np.ndarray:
    """A level painted at once, for pictures as large as their cells."""
    images = data["image"].values.transpose(0, 2, 3, 1)
    if level:
        items = data[f"medoid_{level}"].values
    else:
        rows = int(max(data["row"].values.max(), data.attrs["grid"][0] - 1)) + 1
        items = np.full((rows, data.attrs["grid"][1]), -1)
        items[data["row"].values, data["col"].values] = np.arange(data.sizes["cell"])
    blank = np.full_like(images[0], BACKGROUND)
    return np.concatenate(
        [np.concatenate([images[i] if i >= 0 else blank for i in row], axis=1) for row in items]
    )


@pytest.mark.parametrize("count", [1, 2, 7, 60])
@pytest.mark.parametrize("strip", [0, 5])
@pytest.mark.parametrize("side", [8, 20, 24, 512])
def test_each_level_comes_together_from_its_tiles(count, strip, side) -> None:
    data = _map(count, strip=strip)
    tiles = Tiles(data, side=side)
    assert tiles.cell == 8
    assert tiles.edge <= side
    assert tiles.levels == 1 + sum(str(name).startswith("medoid_") for name in data)
    for level in range(tiles.levels):
        assert np.array_equal(_whole(tiles, level), _expected(data, level))


def test_each_level_shows_one_of_four_cells_of_the_level_below() -> None:
    tiles = Tiles(_map(90))
    for level in range(1, tiles.levels):
        below, above = _whole(tiles, level - 1), _whole(tiles, level)
        assert above.shape[0] == 8 * -(-below.shape[0] // 16)
        for row, col in np.argwhere(tiles.items[level] >= 0) * 8:
            parent = above[row : row + 8, col : col + 8]
            block = below[2 * row : 2 * row + 16, 2 * col : 2 * col + 16]
            quarters = [block[y : y + 8, x : x + 8] for y in (0, 8) for x in (0, 8)]
            assert any(np.array_equal(parent, quarter) for quarter in quarters)


@settings(max_examples=30)
@given(st.integers(1, 80), st.sampled_from([5, 8, 16]), st.sampled_from([16, 40, 100]))
def test_from_an_item_to_its_pixels_and_back_on_all_levels(count, cell, side) -> None:
    data = _map(count)
    tiles = Tiles(data, cell=cell, side=side)
    for level in range(tiles.levels):
        items = tiles.items[level]
        for item in range(count):
            row, col, x, y = tiles.place_of(item, level)
            shown = items[data["row"].values[item] >> level, data["col"].values[item] >> level]
            for inner in (0, cell - 1):
                pixel = col * tiles.edge + x + inner, row * tiles.edge + y + inner
                assert tiles.cell_at(level, *pixel) == shown
            assert shown == item or level


def test_beyond_the_picture_there_is_no_item() -> None:
    tiles = Tiles(_map(7))  # 3 x 3 cells, the last two empty
    assert tiles.cell_at(0, 23, 23) == -1
    assert tiles.cell_at(0, -1, 0) == tiles.cell_at(0, 0, -1) == -1
    assert tiles.cell_at(0, 24, 0) == tiles.cell_at(0, 0, 24) == -1
    assert tiles.cell_at(0, 0, 0) >= 0


@pytest.mark.parametrize("image", [(3, 8, 8), (3, 5, 9), (1, 13, 4), (3, 40, 40)])
def test_a_picture_keeps_within_its_cell(image) -> None:
    data = _map(16, image)
    tiles = Tiles(data, cell=12)
    plain = _whole(tiles, 0)
    for item in range(16):
        changed = data.copy(deep=True)
        changed["image"].values[item] = 255 - changed["image"].values[item]
        differs = (_whole(Tiles(changed, cell=12), 0) != plain).any(2)
        row, col = 12 * int(data["row"][item]), 12 * int(data["col"][item])
        assert differs[row : row + 12, col : col + 12].any()
        differs[row : row + 12, col : col + 12] = False
        assert not differs.any()


def test_a_picture_keeps_within_its_cell_of_an_encoded_tile() -> None:
    data = _map(16)
    changed = data.copy(deep=True)
    changed["image"].values[3] = 255 - changed["image"].values[3]
    plain, other = (
        np.asarray(Image.open(BytesIO(Tiles(each).encoded(0, 0, 0)[0]))) for each in (data, changed)
    )
    differs = (plain != other).any(2)
    row, col = 8 * int(data["row"][3]), 8 * int(data["col"][3])
    assert differs[row : row + 8, col : col + 8].any()
    differs[row : row + 8, col : col + 8] = False
    assert not differs.any()


def test_pictures_keep_their_proportions_in_the_middle() -> None:
    data = _map(1, (3, 4, 8))
    data["image"].values[:] = 10
    inside = (Tiles(data, cell=16).paint(0, 0, 0) == 10).all(2)
    assert inside[4:12].all()
    assert not inside[:4].any()
    assert not inside[12:].any()


def test_size_counts_from_the_largest() -> None:
    data = _map(4)
    data["image"].values[:] = 0
    dark = {}
    for size in ([4, 3, 2, 1], [2, 2, 2, 2]):
        data["size"] = "cell", size
        tiles = Tiles(data, cell=20)
        whole = (_whole(tiles, 0) == 0).all(2)
        dark[size[1]] = [
            whole[20 * row : 20 * row + 20, 20 * col : 20 * col + 20].sum()
            for row, col in zip(data["row"].values, data["col"].values, strict=True)
        ]
    assert dark == {3: [400, 17**2, 14**2, 11**2], 2: [400] * 4}


def test_a_tile_without_items_is_none_and_one_without_pictures_is_blank() -> None:
    data = _map(4, strip=1)  # 2 x 2, an empty row, the strip
    data["source"] = "cell", np.array(["data", "data", "data", "data", ""])
    tiles = Tiles(data, side=8)
    assert tiles.shape(0) == (4, 2)
    assert tiles.paint(0, 2, 0) is None
    assert tiles.encoded(0, 2, 0) is None
    assert (tiles.paint(0, 3, 0) == BACKGROUND).all()
    assert tiles.paint(0, 3, 1) is None
    assert not (tiles.paint(0, 0, 0) == BACKGROUND).all()


def test_the_strip_is_on_the_lowest_level_alone() -> None:
    tiles = Tiles(_map(9, strip=2))
    assert tiles.items[0].shape == (5, 3)
    assert tiles.items[1].shape == (2, 2)
    assert tiles.cell_at(0, *tiles.place_of(9, 0)[2:]) == 9
    with pytest.raises(MissingInputError, match="Item 9 lies in the strip, which is on level 0 alone"):
        tiles.place_of(9, 1)


def test_pictures_may_come_from_elsewhere_and_only_those_of_one_tile() -> None:
    data, asked = _map(40), []
    pictures = data["image"].values

    def sprites(items: np.ndarray) -> np.ndarray:
        asked.append(len(items))
        return pictures[items]

    tiles = Tiles(data.drop_vars("image"), cell=8, side=16, sprites=sprites)
    assert np.array_equal(_whole(tiles, 0), _whole(Tiles(data), 0))
    assert max(asked) == 4
    assert sum(asked) == 40


def test_pictures_on_disk_are_read_a_tile_at_a_time() -> None:
    data = _map(60)
    lazy = data.chunk(cell=1)
    read: list[int] = []
    watched = lazy["image"].data.map_blocks(lambda block: (read.append(len(block)), block)[1], dtype="uint8")
    lazy["image"] = lazy["image"].copy(data=watched)
    tiles = Tiles(lazy, side=16)
    before = sum(read)
    assert np.array_equal(tiles.paint(0, 1, 1), Tiles(data, side=16).paint(0, 1, 1))
    assert sum(read) - before == 4


def test_an_encoded_tile_is_the_painted_one() -> None:
    data = _map(16)
    data["image"].values[:] = np.arange(16)[:, None, None, None] * 15
    tiles = Tiles(data)
    encoded, kind = tiles.encoded(0, 0, 0)
    assert kind == "image/jpeg"
    found = np.asarray(Image.open(BytesIO(encoded))).astype(int)
    assert np.abs(found - tiles.paint(0, 0, 0)).max() <= 4


def test_a_folder_of_tiles_holds_what_its_index_says(tmp_path) -> None:
    tiles = Tiles(_map(60, strip=3), side=24)
    index = export_tiles(tiles, tmp_path / "new" / "map")
    told = json.loads(index.read_text())
    assert (told["cell"], told["tile"], told["grid"]) == (8, 24, [8, 8])
    assert [(level["rows"], level["columns"]) for level in told["levels"]] == [
        items.shape for items in tiles.items
    ]
    files = {
        f"{level}/{row}-{col}.jpg" for level, part in enumerate(told["levels"]) for row, col in part["tiles"]
    }
    assert files == {path.relative_to(index.parent).as_posix() for path in index.parent.rglob("*.jpg")}
    assert (index.parent / "0" / "1-2.jpg").read_bytes() == tiles.encoded(0, 1, 2)[0]


def test_no_items_have_no_tiles() -> None:
    data = _map(0)
    tiles = Tiles(data)
    assert tiles.levels == 1
    assert all(tiles.paint(0, *place) is None for place in np.ndindex(tiles.shape(0)))


def test_bad_input_is_refused() -> None:
    with pytest.raises(MissingInputError, match="no `image`; give sprites="):
        Tiles(_map(3).drop_vars("image"))
    with pytest.raises(ShapeError, match="cells of 1 to 32 pixels, the side of a tile, got 64"):
        Tiles(_map(3), cell=64, side=32)
    with pytest.raises(ShapeError, match=r"Level 0 has 1 x 1 tiles, got \(0, 1\)"):
        Tiles(_map(3)).paint(0, 0, 1)
