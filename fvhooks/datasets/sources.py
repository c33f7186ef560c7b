"""A user's data set, as the store sees it: ids, labels and pictures, by index."""

import logging
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped
from PIL import Image

from fvhooks.datasets.kinds import Items, items_of
from fvhooks.errors import ImageError, MissingInputError
from fvhooks.hooks import Preprocessing
from fvhooks.images import as_images

NO_LABEL = -1
_PROBED = 8  # items whose own labels are compared with the list of labels
_log = logging.getLogger("fvhooks")

Picture = Shaped[torch.Tensor, "rgb y x"]


@dataclass(eq=False)
class Source:
    """A data set that is read by index, with checked pictures.

    Examples:
        >>> source = Source([(np.zeros((3, 8, 8), np.uint8), 4)], Preprocessing())
        >>> source.ids, source.labels().tolist(), source.read(0).shape
        (['0'], [4], torch.Size([3, 8, 8]))

    Args:
        dataset: of any of the `fvhooks.datasets.kinds`: a data set of torchvision or Hugging Face, an array,
            (images, labels), or anything with `__getitem__` and `__len__` whose items are an image, (image,
            label, …) or a mapping. An image is a PIL picture, or an array or tensor `c h w`.
        preprocessing: how picture files are sized.
        given_ids: one unique string an item, in place of those found.
        given_labels: one integer an item, in place of those found.
        size: height and width of every picture, where known.
    """

    dataset: Any
    preprocessing: Preprocessing
    given_ids: Iterable[str] | None = None
    given_labels: Iterable[Any] | None = None
    size: tuple[int, int] | None = None
    ids: list[str] = field(init=False, repr=False)
    items: Items = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.size = self.size or self.preprocessing.size
        self.items = items_of(self.dataset, self.preprocessing.channels)
        self.ids = self.items.ids() if self.given_ids is None else [str(name) for name in self.given_ids]
        if len(self.ids) != len(self):
            raise MissingInputError(f"Expected one id for each of {len(self)} items, got {len(self.ids)}.")
        name, times = Counter(self.ids).most_common(1)[0]
        if times > 1:
            raise MissingInputError(f"Ids must be unique, {name!r} is not; pass ids=[…], one string an item.")

    def __len__(self) -> int:
        return len(self.items)

    @property
    def is_threaded(self) -> bool:
        """Whether several threads may read the data set at once, and gain by it."""
        return self.items.is_threaded

    def labels(self) -> Int[np.ndarray, " item"]:
        """One label an item, −1 where there is none; reads every item where the data set lists no labels."""
        if self.given_labels is not None:
            return _checked_labels(self.given_labels, len(self))
        listed = self.items.listed_labels()
        probes = {index: self._label_or_none(index) for index in spread(len(self), _PROBED)}
        if listed is not None:
            found = _checked_labels(listed, len(self))
            if all(label is None or label == found[index] for index, label in probes.items()):
                return found
        if all(label is None for label in probes.values()):
            return np.full(len(self), NO_LABEL, np.int64)
        _log.info(
            "The data set lists no labels; reading its %d items for them. labels=[…] spares that.", len(self)
        )
        every = [self._label_or_none(index) for index in range(len(self))]
        return np.array([NO_LABEL if label is None else label for label in every], np.int64)

    def read(self, index: int) -> Picture:
        """One picture, `uint8` or float32 in [0, 1]; what stands beside it is not looked at.

        Raises:
            ImageError: a wrong range, type, channel count or size.
            NonFiniteError: NaN or infinity.
        """
        image, _ = self.items.item(index)
        if isinstance(image, Image.Image):
            picture = self.preprocessing.decode(_eight_bit(image))
            _check_size(picture, self.size)
            return picture
        tensor = image if isinstance(image, torch.Tensor) else _as_tensor(image)
        if tensor.ndim != 3:
            raise ImageError(f"Expected an image as (channel, y, x), got shape {tuple(tensor.shape)}.")
        checked = as_images(tensor, channels=self.preprocessing.channels, size=self.size)[0]
        picture = tensor if tensor.dtype == torch.uint8 else checked
        return picture.detach().cpu()

    def _label_or_none(self, index: int) -> int | None:
        try:
            return _as_label(self.items.item(index)[1])
        except MissingInputError:
            raise
        except Exception:  # noqa: BLE001 - what a user's data set raises; the item's row will say so
            return None

    def __getstate__(self) -> dict[str, Any]:  # the items know how their data set travels
        return {name: value for name, value in self.__dict__.items() if name != "dataset"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.dataset = self.items.dataset


def spread(total: int, count: int) -> list[int]:
    """At most `count` different indices, evenly over `total`, the first among them.

    Examples:
        >>> spread(100, 4)
        [0, 25, 50, 75]
    """
    return sorted({index * total // count for index in range(count)}) if total else []


def _as_label(label: Any) -> int | None:  # noqa: ANN401
    if label is None:
        return None
    try:
        value = np.asarray(label)
        if value.size == 1 and value.dtype.kind in "iub":
            return int(value.reshape(()))
    except (TypeError, ValueError):
        pass
    what = f"{type(label).__name__} {label!r}"[:80]
    raise MissingInputError(
        f"Expected an integer as label, got {what}; pass labels=[…], one integer an item (−1: none)."
    )


def _checked_labels(labels: Iterable[Any], count: int) -> Int[np.ndarray, " item"]:
    listed = labels if isinstance(labels, (list, np.ndarray, torch.Tensor)) else list(labels)
    if isinstance(listed, list) and any(isinstance(label, torch.Tensor) for label in listed[:1]):
        listed = [_as_label(label) for label in listed]
    array = np.asarray(listed) if np.ndim(listed) == 1 else np.empty(0, object)
    if array.dtype.kind not in "iub":
        array = np.array([_as_label(label) for label in listed], dtype=np.int64)
    if len(array) != count:
        raise MissingInputError(f"Expected one label for each of {count} items, got {len(array)}.")
    return array.astype(np.int64)


def _as_tensor(image: Any) -> Shaped[torch.Tensor, "..."]:  # noqa: ANN401
    if image is None or isinstance(image, (str, bytes, os.PathLike)):
        raise ImageError(
            f"Expected a PIL picture or an array (channel, y, x), got {type(image).__name__}"
            f"{'' if image is None else f' {image!r}'[:60]}. Open files in the data set's __getitem__."
        )
    return torch.as_tensor(np.array(image))


def _eight_bit(image: Image.Image) -> Image.Image:
    """The upper bytes of 16-bit grey: PIL's own conversion would make everything above 255 white.

    Raises:
        ImageError: numbers without a known range.
    """
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ImageError(
            f"Expected a picture of 8 or 16 bits, got one of mode {image.mode!r}, whose range is not known. "
            "Bring it to 8 bits in the data set's transform."
        )
    return image


def _check_size(picture: Picture, size: tuple[int, int] | None) -> None:
    if size is not None and tuple(picture.shape[-2:]) != tuple(size):
        raise ImageError(
            f"Expected images of {size[0]} × {size[1]} pixels, got {picture.shape[-2]} × {picture.shape[-1]}."
        )
