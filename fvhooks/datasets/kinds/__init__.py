"""What data sets there are, and how each is read: one kind a file."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from fvhooks.errors import ImageError, MissingInputError
from fvhooks.registries import Registry

IMAGE_NAMES = ("image", "img", "pixel_values", "jpg", "png", "picture")
LABEL_NAMES = ("label", "labels", "fine_label", "target", "targets", "class", "cls", "category")


@runtime_checkable
class Items(Protocol):
    """The items of one kind of data set, by index. It must travel to other processes as the data set does.

    Args:
        specificity: of several kinds that claim a data set the one with the highest reads it.
    """

    specificity: int

    def __init__(self, dataset: Any, channels: int | None) -> None:  # noqa: ANN401
        """Look at the data set without reading its images; `channels` are the model's, where known."""
        ...

    @staticmethod
    def claims(dataset: Any) -> bool:  # noqa: ANN401
        """Whether this kind knows the data set; must not import a library that is not loaded."""
        ...

    @property
    def dataset(self) -> Any:  # noqa: ANN401
        """What the user passed, or its equal in another process."""
        ...

    @property
    def is_threaded(self) -> bool:
        """Whether several threads may read it at once, and gain by it."""
        ...

    def __len__(self) -> int: ...

    def ids(self) -> list[str]:
        """A name for each item, the same whenever and wherever the data set is opened."""
        ...

    def listed_labels(self) -> Iterable[Any] | None:
        """A label for each item without reading images; None where the data set keeps no such list."""
        ...

    def item(self, index: int) -> tuple[Any, Any]:
        """(image, label): a PIL picture, or an array or tensor `c h w`; the label may be None."""
        ...


KINDS: Registry[type[Items]] = Registry("fvhooks.datasets.kinds", "kind of data set")


def items_of(dataset: Any, channels: int | None = None) -> Items:  # noqa: ANN401 - any data set
    """A data set read by the most specific kind that claims it.

    Examples:
        >>> import numpy as np
        >>> items = items_of((np.zeros((5, 8, 8, 3), np.uint8), [0, 1, 0, 1, 0]))
        >>> len(items), items.item(1)[0].shape, int(items.item(1)[1])
        (5, torch.Size([3, 8, 8]), 1)

    Args:
        dataset: what the user passed.
        channels: how many image channels the model takes, where known.

    Raises:
        MissingInputError: a data set that cannot be read by index, or an empty one.
    """
    kinds = [kind for kind in KINDS.values() if kind.claims(dataset)]
    items = max(kinds, key=lambda kind: kind.specificity)(dataset, channels)
    if len(items) == 0:
        raise MissingInputError(f"The data set ({type(dataset).__name__}) is empty.")
    return items


def split_item(item: Any) -> tuple[Any, Any]:  # noqa: ANN401 - what a user's data set gives
    """Image and label of an item: an image, (image, label, …), or a mapping with names of the usual kind."""
    if isinstance(item, Mapping):
        image, label = first_of(IMAGE_NAMES, item), first_of(LABEL_NAMES, item)
        if image is None:
            expected = "image" if not item else f"image under one of the names {', '.join(IMAGE_NAMES)}"
            raise ImageError(f"Expected an {expected}, got an item with {', '.join(map(str, item))}.")
        return item[image], None if label is None else item[label]
    if isinstance(item, (tuple, list)):
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def first_of(names: Iterable[str], there: Iterable[str]) -> str | None:
    """The first of some names that is there."""
    found = set(there)
    return next((name for name in names if name in found), None)


__all__ = ["IMAGE_NAMES", "KINDS", "LABEL_NAMES", "Items", "first_of", "items_of", "split_item"]
