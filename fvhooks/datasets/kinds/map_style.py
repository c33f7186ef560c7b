"""Anything with `__getitem__` and `__len__`."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from fvhooks.datasets.kinds import KINDS, split_item
from fvhooks.errors import MissingInputError

_LISTS = ("targets", "labels", "_labels", "y")


@KINDS.register("map_style")
class MapStyleItems:
    """A data set whose items are an image, (image, label, …) or a mapping; named by their indices."""

    specificity = 0
    is_threaded = False

    def __init__(self, dataset: Any, channels: int | None) -> None:  # noqa: ANN401, ARG002 - see Items
        _check_map_style(dataset)
        self.dataset = dataset

    @staticmethod
    def claims(dataset: Any) -> bool:  # noqa: ANN401, ARG004 - see Items
        """Everything; what cannot be read by index is refused."""
        return True

    def __len__(self) -> int:
        return len(self.dataset)

    def ids(self) -> list[str]:
        """Indices."""
        return [str(index) for index in range(len(self))]

    def listed_labels(self) -> Iterable[Any] | None:
        """The second tensor of a `TensorDataset`, or the list that torchvision's data sets keep."""
        tensors = self.dataset.tensors if isinstance(self.dataset, torch.utils.data.TensorDataset) else ()
        found = [*tensors[1:2], *(getattr(self.dataset, name, None) for name in _LISTS)]
        return next((labels for labels in found if self._is_list_of_labels(labels)), None)

    def item(self, index: int) -> tuple[Any, Any]:
        """What the data set gives."""
        return split_item(self.dataset[index])

    def _is_list_of_labels(self, labels: Any) -> bool:  # noqa: ANN401
        there = labels is not None and not callable(labels) and hasattr(labels, "__len__")
        return there and len(labels) == len(self) and np.ndim(labels) == 1


def _check_map_style(dataset: Any) -> None:  # noqa: ANN401
    kind = type(dataset).__name__
    if isinstance(dataset, torch.utils.data.DataLoader):
        raise MissingInputError("Expected a data set, got a DataLoader; pass its data set: loader.dataset.")
    indexed = hasattr(dataset, "__getitem__") and not isinstance(
        dataset, torch.utils.data.IterableDataset | Mapping | str
    )
    if not indexed or not hasattr(dataset, "__len__"):
        reason = "rows are put in label order and read again by id"
        raise MissingInputError(
            f"Expected a map-style data set with __getitem__ and __len__ ({reason}), got {kind}. "
            "Copy an iterable one into a list or to files first."
        )
