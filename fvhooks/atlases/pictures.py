"""What fills the cells of a map: real images, what a position sees of them, or pictures that were made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int, Shaped, UInt8

from fvhooks.errors import ImageError, MissingInputError, ShapeError
from fvhooks.images import as_bytes, as_images
from fvhooks.store.examples import Field, thumbnails, windows
from fvhooks.store.reading import Store
from fvhooks.synthesis.visualizations import Visualizations
from fvhooks.units import Layout

_BATCH = 64
_MANY = 10_000  # cells beyond which pictures are made smaller
SIDE, SMALL_SIDE = 64, 32

Sprites = UInt8[np.ndarray, "cell rgb py px"]


@dataclass(frozen=True, eq=False)
class Filled:
    """Pictures of cells.

    Args:
        images: of every cell, black where there is none; None where no cell has one.
        source: of every cell, one of `SOURCES`.
        flag: of every cell, what is wrong; "" where nothing is.
    """

    images: Sprites | None
    source: Shaped[np.ndarray, " cell"]
    flag: Shaped[np.ndarray, " cell"]

    def variables(self) -> dict[str, Any]:
        """As variables of an atlas."""
        found: dict[str, Any] = {"source": ("cell", self.source), "flag": ("cell", self.flag)}
        return found | ({} if self.images is None else {"image": (("cell", "rgb", "py", "px"), self.images)})


def no_pictures(count: int, source: str = "") -> Filled:
    """Cells that show nothing but their words."""
    return Filled(None, np.full(count, source, dtype=object), np.full(count, "", dtype=object))


def side_of(count: int, asked: int | None) -> int:
    """How large a cell's picture is at most, in pixels."""
    return asked if asked is not None else SIDE if count <= _MANY else SMALL_SIDE


def real_pictures(
    store: Store,
    shown: Shaped[np.ndarray, " cell"],
    position: Int[np.ndarray, " cell"] | None,
    *,
    window: tuple[Layout, Field] | None,
    side: int,
) -> Filled:
    """Real images of a store, whole or cut to what a firing position sees.

    One that can no longer be read is a cell without a picture, flagged.

    Args:
        store: with its data set attached.
        shown: the id of each cell's image; "" for none.
        position: where the unit fired in it.
        window: the layer's layout and how much of the picture a position sees; None for whole images.
        side: of a picture in pixels, at most.

    Raises:
        MissingInputError: no data set is attached.
    """
    if store.source is None:
        store.images([])  # says what to do
    made: Sprites | None = None
    field = (1.0, 1.0) if window is None else (min(window[1][0], 1.0), min(window[1][1], 1.0))
    sources = np.full(len(shown), "", dtype=object)
    flags = np.full(len(shown), "", dtype=object)
    wanted = np.flatnonzero(shown != "")
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        for inside, pictures, fault in readable(store, [str(name) for name in shown[batch]]):
            places = batch[inside]
            if pictures is None:
                flags[places] = f"its image cannot be read: {fault}"
                continue
            centres = _centres(window, None if position is None else position[places], len(places))
            small = thumbnails(pictures, windows(centres, field)[0], field, side)
            seen = ~np.isnan(centres).any(1) if window is not None else np.zeros(len(places), bool)
            if window is not None and not seen.all():  # CLS and register tokens see no place of the picture
                whole = thumbnails(pictures[~seen], np.zeros((int((~seen).sum()), 2)), (1.0, 1.0), side)
                small[~seen] = _resized(whole, small.shape[-2:])
            if made is None:
                made = np.zeros((len(shown), *small.shape[1:]), np.uint8)
            made[places] = small
            sources[places] = np.where(seen, "crop", "data")
    return Filled(made, sources, flags)


def readable(
    store: Store, names: Sequence[str]
) -> Iterator[tuple[Int[np.ndarray, " place"], torch.Tensor | None, str]]:
    """Images of a store together; one by one where one of them fails, None and why for that one.

    Args:
        store: with its data set attached.
        names: ids of images.
    """
    try:
        yield np.arange(len(names)), store.images(names), ""
    except Exception as error:  # noqa: BLE001 - whatever a user's data set raises; it becomes a flag
        if len(names) == 1:
            yield np.arange(1), None, f"{type(error).__name__}: {error}"
            return
        for place, name in enumerate(names):
            for _, picture, fault in readable(store, [name]):
                yield np.array([place]), picture, fault


def _centres(
    window: tuple[Layout, Field] | None, position: Int[np.ndarray, " place"] | None, count: int
) -> Float[np.ndarray, "place 2"]:
    """Where each position is in the picture; NaN where it is nowhere in it."""
    middle = (np.nan, np.nan)
    if window is None or position is None:
        return np.full((count, 2), np.nan)
    return np.array([window[0].centre(int(place)) or middle for place in position]).reshape(count, 2)


def _resized(pictures: UInt8[np.ndarray, "place rgb y x"], size: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
    scaled = torch.from_numpy(pictures).float() / 255
    return as_bytes(
        torch.nn.functional.interpolate(scaled, size=size, mode="bilinear", antialias=True).numpy()
    )


def made_pictures(pictures: Any, count: int, side: int, *, source: str) -> Filled:  # noqa: ANN401 - as `as_images` takes them
    """Pictures that were made for every cell.

    Args:
        pictures: (cell, rgb, y, x), `uint8` or in [0, 1].
        count: how many cells there are.
        side: of a picture in pixels, at most.
        source: what to call them.

    Raises:
        ShapeError: another number of pictures than of cells.
        ImageError: pictures of a wrong range or type.
    """
    given = pictures.detach().cpu() if hasattr(pictures, "detach") else np.asarray(pictures)
    if len(given) != count:
        raise ShapeError(f"Expected a picture for each of {count} cells, got {len(given)}.")
    if given.ndim != 4 or given.shape[1] not in (1, 3):
        raise ImageError(f"Expected pictures (cell, rgb, y, x), got shape {tuple(given.shape)}.")
    batches = [as_images(given[start : start + _BATCH]) for start in range(0, count, _BATCH)]
    parts = [thumbnails(batch, np.zeros((len(batch), 2)), (1.0, 1.0), side) for batch in batches]
    images = np.concatenate(parts) if parts else None
    return Filled(images, np.full(count, source, dtype=object), np.full(count, "", dtype=object))


def of_visualizations(vis: Visualizations, at: Int[np.ndarray, " cell"], side: int) -> Filled:
    """Pictures of units in their cells, the first seed of each, marked as synthetic.

    Args:
        vis: the pictures.
        at: which of its units each cell shows, −1 for none.
        side: of a picture in pixels, at most.
    """
    known = np.flatnonzero(at >= 0)
    first = vis.images.transpose("unit", "seed", "rgb", "y", "x").isel(unit=at[known], seed=0).fillna(0)
    made = made_pictures(as_images(first.values), len(known), side, source="synthetic").images
    images = None
    if made is not None:
        images = np.zeros((len(at), *made.shape[1:]), np.uint8)
        images[known] = made
    sources = np.where(at >= 0, "synthetic", "").astype(object)
    return Filled(images, sources, np.full(len(at), "", dtype=object))


def places_in(vis: Visualizations, names: Sequence[str]) -> Int[np.ndarray, " cell"]:
    """Which unit of some pictures has each name; −1 where none has."""
    place = {str(name): index for index, name in enumerate(vis.data["unit"].values)}
    return np.array([place.get(name, -1) for name in names], dtype=np.int64)


def called(filler: Any, cells: xr.Dataset, side: int) -> Filled:  # noqa: ANN401 - a user's function
    """What a user's function draws for the cells, marked as generated.

    Raises:
        MissingInputError: it gave nothing.
    """
    pictures = filler(cells)
    if pictures is None:
        raise MissingInputError(
            "Expected the function in cells= to return pictures (cell, rgb, y, x) of all cells, got None."
        )
    return made_pictures(pictures, cells.sizes["cell"], side, source="generated")


def four_in_one(parts: Sequence[Filled]) -> Filled:
    """2 × 2 pictures a cell, in reading order; black where there are fewer.

    Args:
        parts: of each cell its first picture, its second, and so on, at most four.
    """
    known = [part.images for part in parts if part.images is not None]
    sources = np.array(
        [next(filter(None, of_cell), "") for of_cell in zip(*(p.source for p in parts), strict=True)], object
    )
    flags = np.array(
        ["; ".join(filter(None, of_cell)) for of_cell in zip(*(p.flag for p in parts), strict=True)], object
    )
    if not known:
        return Filled(None, sources, flags)
    blank = np.zeros(known[0].shape, np.uint8)
    images = [part.images if part.images is not None else blank for part in parts]
    images += [blank] * (4 - len(images))
    rows = [np.concatenate(images[place : place + 2], axis=-1) for place in (0, 2)]
    return Filled(_resized(np.concatenate(rows, axis=-2), blank.shape[-2:]), sources, flags)
