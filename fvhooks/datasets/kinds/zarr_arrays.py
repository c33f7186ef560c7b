"""All images in one Zarr array."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped

from fvhooks.datasets.axes import channel_axis, channels_first
from fvhooks.datasets.kinds import KINDS

_CACHED = 2**28  # bytes: rows come in label order, so that those of one chunk may lie far apart
_log = logging.getLogger("fvhooks")


@KINDS.register("zarr_arrays")
class ZarrItems:
    """`(n, c, h, w)` or `(n, h, w, c)` in chunks; the last chunks that were read stay in memory.

    Another process gets the path and reads for itself. An array in chunks of one image needs no cache; for
    others it should hold what one label's images are spread over.
    """

    specificity = 2
    is_threaded = False

    def __init__(self, dataset: Any, channels: int | None) -> None:  # noqa: ANN401 - see Items
        self.dataset = dataset
        self._axis = channel_axis(dataset.shape, channels)
        self._rows = int(dataset.chunks[0])
        self._empty_cache()
        image = int(np.prod(dataset.shape[1:])) * dataset.dtype.itemsize
        self._fitting = max(1, _CACHED // (image * self._rows))
        if self._rows * self._fitting < len(self):
            _log.info(
                "Chunks of %d images, of which %d stay in memory: rows are read in label order, so each is "
                "read again unless the images are sorted by label or stored in smaller chunks.",
                self._rows,
                self._fitting,
            )

    @staticmethod
    def claims(dataset: Any) -> bool:  # noqa: ANN401
        """A `zarr.Array`."""
        kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(dataset).__mro__}
        return ("zarr", "Array") in kinds

    def __len__(self) -> int:
        return int(self.dataset.shape[0])

    def ids(self) -> list[str]:
        """Indices."""
        return [str(index) for index in range(len(self))]

    def listed_labels(self) -> Iterable[Any] | None:
        """None: images alone."""
        return None

    def item(self, index: int) -> tuple[Any, Any]:
        """A copy of one image."""
        block, row = divmod(index, self._rows)
        image = torch.from_numpy(np.array(self._block(block)[row]))
        return channels_first(image, self._axis), None

    def _block(self, number: int) -> Shaped[np.ndarray, "image ..."]:
        with self._lock:
            if number not in self._blocks:
                start = number * self._rows
                self._blocks[number] = np.asarray(self.dataset[start : start + self._rows])
                while len(self._blocks) > self._fitting:
                    self._blocks.popitem(last=False)
            self._blocks.move_to_end(number)
            return self._blocks[number]

    def _empty_cache(self) -> None:
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, Shaped[np.ndarray, "image ..."]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_blocks")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._empty_cache()
