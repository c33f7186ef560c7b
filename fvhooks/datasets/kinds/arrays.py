"""All images in one NumPy array or tensor."""

import mmap
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from fvhooks.datasets.axes import channel_axis, channels_first
from fvhooks.datasets.kinds import KINDS


@KINDS.register("arrays")
class ArrayItems:
    """`(n, c, h, w)` or `(n, h, w, c)`, told apart by which axis has as many places as channels."""

    specificity = 2
    is_threaded = False

    def __init__(self, dataset: Any, channels: int | None) -> None:  # noqa: ANN401 - see Items
        self.dataset = dataset
        self._axis = channel_axis(dataset.shape, channels)

    @staticmethod
    def claims(dataset: Any) -> bool:  # noqa: ANN401
        """Numbers with three or four axes."""
        return isinstance(dataset, np.ndarray | torch.Tensor) and dataset.ndim in (3, 4)

    def __len__(self) -> int:
        return len(self.dataset)

    def ids(self) -> list[str]:
        """Indices."""
        return [str(index) for index in range(len(self))]

    def listed_labels(self) -> Iterable[Any] | None:
        """None: images alone."""
        return None

    def item(self, index: int) -> tuple[Any, Any]:
        """A copy of one image: a tensor of a memory-mapped file could be written to."""
        image = self.dataset[index]
        tensor = image if isinstance(image, torch.Tensor) else torch.from_numpy(np.array(image))
        return channels_first(tensor, self._axis), None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"dataset": _as_file(self.dataset)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(self.dataset, dict):
            self.dataset = np.memmap(mode="r", **self.dataset)


def _as_file(array: Any) -> Any:  # noqa: ANN401
    """Where a memory-mapped file is, since NumPy would send all that is in it; anything else as it is."""
    base = getattr(array, "base", None)  # of a view it is the array
    if not isinstance(array, np.memmap) or not isinstance(base, mmap.mmap):
        return array
    order = "C" if array.flags.c_contiguous else "F"
    place = {"filename": str(array.filename), "offset": array.offset}
    return place | {"dtype": array.dtype, "shape": array.shape, "order": order}
