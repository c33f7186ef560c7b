"""The real images that move a unit most, as small pictures that a result can carry."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, UInt8

from fvhooks.errors import MissingInputError
from fvhooks.images import as_bytes, as_images
from fvhooks.units import Layout, Unit

THUMB = 96
"""The longest side of a top image on a card, in pixels."""

Field = tuple[float, float]
"""How much of the picture a position sees: fractions of its height and width."""

_UNLABELLED = "-1"
_NO_IMAGES = "No data set is attached to the store: its top images are named, not shown."


@runtime_checkable
class Statistics(Protocol):
    """What a card asks of a store."""

    def __getitem__(self, layer: str) -> xr.Dataset:
        """The statistics of one layer: `peak` (image, channel)."""
        ...

    def layout(self, layer: str) -> Layout:
        """How the activations of a layer are laid out."""
        ...

    def top_images(self, unit: Unit, k: int = 9) -> xr.Dataset:
        """The images with the highest peaks: `id`, `value`, `position`, `label` (top)."""
        ...

    def images(self, ids: Any) -> Any:  # noqa: ANN401 - ids as the data set gives them
        """The pictures of the ids, `image rgb y x`."""
        ...


def real_images(
    store: Statistics, data: xr.Dataset, top: int, fields: Mapping[str, Field] | None = None
) -> dict[str, Any]:
    """The real images that move each unit most, where in them, and how large a cell of the grid is.

    Args:
        store: what is asked.
        data: `unit` ids with `channel` and `note` beside them; channel −1 is a direction, of which a store
            knows nothing.
        top: how many images a unit.
        fields: of the layers whose images are cut to what the firing position sees.
    """
    count = data.sizes["unit"]
    numbers = {name: np.full((count, top), np.nan) for name in ("top_value", "top_y", "top_x")}
    words = {name: np.full((count, top), "", dtype=object) for name in ("top_id", "top_label")}
    cells, notes = np.full((2, count), np.nan), data["note"].values.copy()
    thumbs: dict[int, np.ndarray] = {}
    for index, unit in units_of(data):
        if unit is None:
            continue
        found, layout = store.top_images(Unit(unit.layer, unit.channel), k=top), store.layout(unit.layer)
        size = found.sizes["top"]
        numbers["top_value"][index, :size] = found["value"].values
        centres = np.array(
            [layout.centre(int(place)) or (np.nan, np.nan) for place in found["position"].values]
        )
        words["top_id"][index, :size] = [str(value) for value in found["id"].values]
        if "label" in found:
            labels = [str(value) for value in found["label"].values]
            words["top_label"][index, :size] = ["" if label == _UNLABELLED else label for label in labels]
        height, width = (fields or {}).get(unit.layer, (1.0, 1.0))
        field = min(height, 1.0), min(width, 1.0)
        corners, centres = windows(centres.reshape(size, 2), field)
        numbers["top_y"][index, :size], numbers["top_x"][index, :size] = centres.T
        cells[:, index] = 1 / layout.grid[0] / field[0], 1 / layout.grid[1] / field[1]
        try:
            thumbs[index] = thumbnails(store.images(found["id"].values), corners, field)
        except MissingInputError:
            notes[index] = f"{notes[index]} {_NO_IMAGES}".strip()
    arrays: dict[str, Any] = {name: (("unit", "top"), values) for name, values in (numbers | words).items()}
    if thumbs:
        arrays["top_image"] = ("unit", "top", "rgb", "ty", "tx"), _stack(thumbs, count, top)
    return arrays | {"cell_y": ("unit", cells[0]), "cell_x": ("unit", cells[1]), "note": ("unit", notes)}


def units_of(data: xr.Dataset) -> Iterator[tuple[int, Unit | None]]:
    """Each unit by its place; None for a direction, of which a store knows nothing."""
    for index, (name, channel) in enumerate(zip(data["unit"].values, data["channel"].values, strict=True)):
        yield index, Unit.parse(str(name)) if channel >= 0 else None


def windows(
    centres: Float[np.ndarray, "top 2"], field: Field
) -> tuple[Float[np.ndarray, "top 2"], Float[np.ndarray, "top 2"]]:
    """The upper left corner of each window, kept inside the picture, and the centres as fractions of it.

    Args:
        centres: as fractions of the picture; NaN for its middle.
        field: how much of the picture a window takes.
    """
    size = np.array(field)
    corners = np.clip(np.nan_to_num(centres, nan=0.5) - size / 2, 0.0, 1.0 - size)
    return corners, (centres - corners) / size


def thumbnails(
    images: Any,  # noqa: ANN401 - images as `as_images` takes them
    corners: Float[np.ndarray, "top 2"],
    field: Field,
    side: int = THUMB,
) -> UInt8[np.ndarray, "top rgb ty tx"]:
    """Windows of pictures, small: all of one size, whose longer side is at most `side` pixels.

    Args:
        images: of one size.
        corners: upper left, as fractions of the picture; see `windows`.
        field: how much of the picture a window takes.
        side: in pixels.
    """
    pictures = as_images(images)
    size = [max(1, round(part * whole)) for part, whole in zip(field, pictures.shape[-2:], strict=True)]
    if tuple(size) != tuple(pictures.shape[-2:]):
        pictures = torch.stack(
            [_cut(one, corner, size) for one, corner in zip(pictures, corners, strict=True)]
        )
    height, width = pictures.shape[-2:]
    shrink = min(1.0, side / max(height, width))
    shape = (max(1, round(height * shrink)), max(1, round(width * shrink)))
    small = torch.nn.functional.interpolate(pictures, size=shape, mode="bilinear", antialias=True)
    return as_bytes(small.numpy())


def _cut(
    picture: Float[torch.Tensor, "rgb y x"], corner: Float[np.ndarray, "2"], size: list[int]
) -> Float[torch.Tensor, "rgb top left"]:
    starts = [
        min(round(float(share) * whole), whole - part)
        for share, whole, part in zip(corner, picture.shape[-2:], size, strict=True)
    ]
    return picture[:, starts[0] : starts[0] + size[0], starts[1] : starts[1] + size[1]]


def _stack(thumbs: dict[int, np.ndarray], units: int, top: int) -> np.ndarray:
    """All units' images in one array; smaller ones, cut at another layer, are magnified to the largest."""
    side = tuple(max(part.shape[axis] for part in thumbs.values()) for axis in (-2, -1))
    stacked = np.zeros((units, top, 3, *side), np.uint8)
    for index, pictures in thumbs.items():
        stacked[index, : len(pictures)] = _magnified(pictures, side)
    return stacked


def _magnified(pictures: UInt8[np.ndarray, "top rgb y x"], side: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
    if pictures.shape[-2:] == side:
        return pictures
    tensor = torch.from_numpy(pictures).float()
    return torch.nn.functional.interpolate(tensor, size=side, mode="nearest").byte().numpy()
