"""A user's data set, as the store sees it: ids, labels and pictures, by index."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped
from PIL import Image

from fvhooks.errors import ImageError, MissingInputError
from fvhooks.hooks import Preprocessing
from fvhooks.images import as_images

NO_LABEL = -1
_log = logging.getLogger("fvhooks")

Picture = Shaped[torch.Tensor, "rgb y x"]


@dataclass(eq=False)
class Source:
    """A map-style data set, with checked pictures.

    Example:
        >>> source = Source([(np.zeros((3, 8, 8), np.uint8), 4)], Preprocessing())
        >>> source.ids, source.labels().tolist(), source.read(0).shape
        (['0'], [4], torch.Size([3, 8, 8]))

    Args:
        dataset: has `__getitem__` and `__len__`; an item is an image, (image, label, …) or a mapping with
            "image" and "label". An image is a PIL picture, or an array or tensor `c h w`.
        preprocessing: how picture files are sized.
        given_ids: one unique string an item, in place of those found.
        given_labels: one integer an item, in place of those found.
    """

    dataset: Any
    preprocessing: Preprocessing
    given_ids: Iterable[str] | None = None
    given_labels: Iterable[Any] | None = None
    size: tuple[int, int] | None = None
    ids: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.size = self.size or self.preprocessing.size
        _check_map_style(self.dataset)
        self.ids = (
            [str(name) for name in self.given_ids] if self.given_ids is not None else _find_ids(self.dataset)
        )
        if len(self.ids) != len(self):
            raise MissingInputError(f"Expected one id for each of {len(self)} items, got {len(self.ids)}.")
        if len(set(self.ids)) != len(self):
            twice = next(name for name in self.ids if self.ids.count(name) > 1)
            raise MissingInputError(
                f"Ids must be unique, {twice!r} is not; pass ids=[…], one string an item."
            )

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def is_made_of_files(self) -> bool:
        """Whether each item is a file of its own, so that several threads may read the data set at once."""
        inner, _ = _unwrapped(self.dataset)
        return hasattr(inner, "samples") and hasattr(inner, "root")

    def labels(self) -> Int[np.ndarray, " item"]:
        """One label an item, −1 where there is none; reads every item where the data set lists no labels."""
        if self.given_labels is not None:
            return _checked_labels(self.given_labels, len(self))
        listed = _find_labels(self.dataset)
        probes = [self._label_or_none(index) for index in spread(len(self), 8)]
        known = [label for label in probes if label is not None]
        if listed is not None:
            found = _checked_labels(listed, len(self))
            pairs = zip(spread(len(self), 8), probes, strict=True)
            if all(label is None or label == found[index] for index, label in pairs):
                return found
        if not known:
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
        image, _ = _split_item(self.dataset[index])
        if isinstance(image, Image.Image):
            picture = self.preprocessing.decode(image)
            _check_size(picture, self.size)
            return picture
        tensor = image if isinstance(image, torch.Tensor) else torch.as_tensor(np.asarray(image))
        if tensor.ndim != 3:
            raise ImageError(f"Expected an image as (channel, y, x), got shape {tuple(tensor.shape)}.")
        checked = as_images(tensor, channels=self.preprocessing.channels, size=self.size)[0]
        picture = tensor if tensor.dtype == torch.uint8 else checked
        return picture.detach().cpu()

    def _label_or_none(self, index: int) -> int | None:
        try:
            return _as_label(_split_item(self.dataset[index])[1])
        except MissingInputError:
            raise
        except Exception:  # noqa: BLE001 - what a user's data set raises; the item's row will say so
            return None


def spread(total: int, count: int) -> list[int]:
    """At most `count` different indices, evenly over `total`, the first among them.

    Example:
        >>> spread(100, 4)
        [0, 25, 50, 75]
    """
    return sorted({index * total // count for index in range(count)}) if total else []


def _check_map_style(dataset: Any) -> None:  # noqa: ANN401
    kind = type(dataset).__name__
    if isinstance(dataset, torch.utils.data.DataLoader):
        raise MissingInputError("Expected a data set, got a DataLoader; pass its data set: loader.dataset.")
    indexed = hasattr(dataset, "__getitem__") and not isinstance(
        dataset, torch.utils.data.IterableDataset | Mapping
    )
    if not indexed or not hasattr(dataset, "__len__"):
        reason = "rows are put in label order and read again by id"
        raise MissingInputError(
            f"Expected a map-style data set with __getitem__ and __len__ ({reason}), got {kind}. "
            "Copy an iterable one into a list or to files first."
        )
    if len(dataset) == 0:
        raise MissingInputError(f"The data set ({kind}) is empty.")


def _unwrapped(dataset: Any) -> tuple[Any, list[int] | None]:  # noqa: ANN401
    """The data set inside nested `Subset`s, and which of its items are meant."""
    indices: list[int] | None = None
    while isinstance(dataset, torch.utils.data.Subset):
        outer = [int(index) for index in dataset.indices]
        indices = outer if indices is None else [outer[index] for index in indices]
        dataset = dataset.dataset
    return dataset, indices


def _find_ids(dataset: Any) -> list[str]:  # noqa: ANN401
    inner, indices = _unwrapped(dataset)
    if hasattr(inner, "samples") and hasattr(inner, "root"):
        names = [_relative(sample[0], inner.root) for sample in inner.samples]
    else:
        names = [str(index) for index in range(len(inner))]
    return names if indices is None else [names[index] for index in indices]


def _relative(path: Any, root: Any) -> str:  # noqa: ANN401 - str or Path
    file, folder = Path(path), Path(root)
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.as_posix()


def _find_labels(dataset: Any) -> Iterable[Any] | None:  # noqa: ANN401
    inner, indices = _unwrapped(dataset)
    if isinstance(inner, torch.utils.data.TensorDataset) and len(inner.tensors) > 1:
        listed: Any = inner.tensors[1]
    else:
        listed = getattr(inner, "targets", None)
        listed = getattr(inner, "labels", None) if listed is None else listed
    if listed is None or callable(listed) or len(listed) != len(inner) or np.ndim(listed) != 1:
        return None
    return listed if indices is None else [listed[index] for index in indices]


def _split_item(item: Any) -> tuple[Any, Any]:  # noqa: ANN401
    if isinstance(item, Mapping):
        return item["image"], item.get("label")
    if isinstance(item, (tuple, list)):
        return item[0], item[1] if len(item) > 1 else None
    return item, None


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
    array = np.array([_as_label(label) for label in labels], dtype=np.int64)
    if len(array) != count:
        raise MissingInputError(f"Expected one label for each of {count} items, got {len(array)}.")
    return array


def _check_size(picture: Picture, size: tuple[int, int] | None) -> None:
    if size is not None and tuple(picture.shape[-2:]) != tuple(size):
        raise ImageError(
            f"Expected images of {size[0]} × {size[1]} pixels, got {picture.shape[-2]} × {picture.shape[-1]}."
        )
