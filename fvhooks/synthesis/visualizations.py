"""Pictures of units, with what made them."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from fvhooks.errors import ShapeError
from fvhooks.images import as_images
from fvhooks.results import Result
from fvhooks.synthesis.sets import ImageSet
from fvhooks.units import Direction, Unit

Target = Unit | Direction | ImageSet


@dataclass(frozen=True, eq=False, repr=False)
class Visualizations(Result):
    """Pictures of units: some for each unit, one a seed.

    `data` holds `images` (unit, seed, rgb, y, x) in [0, 1]; where a recipe made them also `alpha`
    (unit, seed, y, x) in [0, 1], `activation` (unit, seed) and `loss` (unit, seed, step); where an audit
    marked them `family_verdict` (unit, kind); beside the `unit` coordinate (string id) stand `layer` and
    `channel`.
    """

    kind: ClassVar[str] = "visualizations"

    @property
    def images(self) -> xr.DataArray:
        """The pictures, (unit, seed, rgb, y, x) in [0, 1]."""
        return self.data["images"]

    @property
    def recipe(self) -> str:
        """What made the pictures; "given" where they came from elsewhere."""
        return str(self.data.attrs.get("recipe", "given"))

    @property
    def checksums(self) -> xr.DataArray:
        """A number for each picture, (unit, seed), by which another result tells which pictures it is of."""
        images = self.images.transpose("unit", "seed", "rgb", "y", "x").values.astype(np.float32)
        sums = [[zlib.crc32(picture.tobytes()) for picture in row] for row in images]
        return xr.DataArray(np.array(sums, np.int64), dims=("unit", "seed"))

    @property
    def verdicts(self) -> xr.DataArray | None:
        """What an audit said of these pictures, (unit, kind); "" where they have changed since.

        None where no report was asked to `mark` them.
        """
        if "family_verdict" not in self.data:
            return None
        said = self.data["family_verdict"].transpose("unit", "kind")
        same = (self.data["audited_checksum"].transpose("unit", "seed").values == self.checksums.values).all(
            1
        )
        return said.copy(data=np.where(same[:, None], said.values, "").astype(object))


def as_visualizations(units: Sequence[Target], images: Any) -> Visualizations:  # noqa: ANN401
    """Pictures of any other tool, or real images, as `Visualizations`, so that they can be audited and shown.

    Examples:
        >>> as_visualizations([Unit("layer4", 7)], np.zeros((1, 2, 3, 8, 8), np.uint8)).images.dims
        ('unit', 'seed', 'rgb', 'y', 'x')

    Args:
        units: what the pictures are of.
        images: (unit, seed, rgb, y, x) or (unit, rgb, y, x); `uint8` or in [0, 1].

    Raises:
        ShapeError: as many pictures as units were expected.
        ImageError: pictures of a wrong range or type.
    """
    array = np.asarray(images.detach().cpu() if hasattr(images, "detach") else images)
    if array.ndim == 4:
        array = array[:, None]
    if array.ndim != 5 or len(array) != len(units):
        expected = f"Expected pictures as (unit, seed, rgb, y, x) for {len(units)} units"
        raise ShapeError(f"{expected}, got shape {array.shape}.")
    flat = as_images(array.reshape(-1, *array.shape[2:])).numpy().reshape(array.shape)
    data = xr.Dataset(
        {"images": (("unit", "seed", "rgb", "y", "x"), flat)},
        coords=unit_coordinates(units),
        attrs={"recipe": "given"},
    )
    return Visualizations(data.assign_coords(seed=np.arange(array.shape[1])))


def unit_coordinates(units: Sequence[Target]) -> dict[str, Any]:
    """The `unit` coordinate with `layer` and `channel` beside it (channel −1: a direction or a set)."""
    text = [np.array(values, dtype=object) for values in ([u.id for u in units], [u.layer for u in units])]
    channels = np.array([u.channel if isinstance(u, Unit) else -1 for u in units])
    return {"unit": ("unit", text[0]), "layer": ("unit", text[1]), "channel": ("unit", channels)}
