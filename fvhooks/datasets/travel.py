"""Whether a data set can be sent to other processes."""

from typing import Any

import cloudpickle  # type: ignore[import-untyped]

from fvhooks.datasets.inspection import describe
from fvhooks.datasets.sources import Source
from fvhooks.errors import MissingInputError


class _Scale:
    """A file that keeps nothing but its length."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: Any) -> int:  # noqa: ANN401 - bytes or a buffer
        length = memoryview(data).nbytes
        self.size += length
        return length


def bytes_to_send(source: Source) -> int:
    """How many bytes a data set is on its way to another process; nothing is copied for it.

    Examples:
        >>> from fvhooks.hooks import Preprocessing
        >>> import torch
        >>> bytes_to_send(Source(torch.zeros(10, 3, 8, 8), Preprocessing())) > 10 * 3 * 8 * 8 * 4
        True

    Raises:
        MissingInputError: it holds what cannot be sent, such as an open file.
    """
    scale = _Scale()
    try:
        cloudpickle.Pickler(scale, protocol=5).dump(source)
    except Exception as error:
        kind = type(source.dataset).__name__
        raise MissingInputError(
            f"Expected a data set that can be sent to worker processes, got a {kind} that cannot: "
            f"{describe(error)}. Open files, connections and locks stay with the process that made them: "
            "keep their path or address, and open them in __getitem__ at the first read; or collect "
            "without a client."
        ) from error
    return scale.size
