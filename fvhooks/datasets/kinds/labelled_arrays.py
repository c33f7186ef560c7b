"""A tuple (images, labels)."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fvhooks.datasets.kinds import KINDS, items_of
from fvhooks.errors import MissingInputError


@KINDS.register("labelled_arrays")
class LabelledArrayItems:
    """Images in one array of any library, and a label for each."""

    specificity = 2

    def __init__(self, dataset: Any, channels: int | None) -> None:  # noqa: ANN401 - see Items
        images, labels = dataset
        self._images = items_of(images, channels)
        self._labels = np.asarray(labels[:])
        if self._labels.shape != (len(self._images),):
            raise MissingInputError(
                f"Expected (images, labels) with one label for each of {len(self._images)} images, got "
                f"labels of shape {self._labels.shape}."
            )
        self.is_threaded = self._images.is_threaded

    @property
    def dataset(self) -> Any:  # noqa: ANN401
        """What the user passed, or its equal in another process."""
        return self._images.dataset, self._labels

    @staticmethod
    def claims(dataset: Any) -> bool:  # noqa: ANN401
        """A pair whose first has the axes of many images, and whose second has not."""
        if not isinstance(dataset, tuple) or len(dataset) != 2:
            return False
        images, labels = dataset
        listed = hasattr(labels, "__getitem__") and getattr(labels, "ndim", 1) == 1
        return getattr(images, "ndim", 0) in (3, 4) and listed

    def __len__(self) -> int:
        return len(self._images)

    def ids(self) -> list[str]:
        """Indices."""
        return self._images.ids()

    def listed_labels(self) -> Iterable[Any] | None:
        """The second of the pair."""
        return self._labels

    def item(self, index: int) -> tuple[Any, Any]:
        """Image and label."""
        return self._images.item(index)[0], self._labels[index]
