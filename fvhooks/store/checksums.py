"""Checksums that tell what is damaged.

They are over values, not over bytes on disk: they survive a change of compression, and whatever they miss
cannot be read differently either.
"""

import zlib
from typing import Any

import numpy as np
import zarr
from jaxtyping import Shaped

Values = Shaped[np.ndarray, "..."]


def checksum(values: Values, start: int = 0) -> int:
    """A number that changes with any of the values; strings count as UTF-8.

    Examples:
        >>> checksum(np.zeros(3)) == checksum(np.zeros(3)), checksum(np.zeros(3)) == checksum(np.ones(3))
        (True, False)
    """
    if values.dtype.kind in "OUT":
        return zlib.crc32("\0".join(map(str, values.ravel())).encode(), start)
    return zlib.crc32(np.ascontiguousarray(values).tobytes(), start)


def checksum_of(array: "zarr.Array[Any] | Values", step: int | None = None) -> int:
    """The checksum of a whole array, chunk by chunk along its first dimension.

    Args:
        array: in a store or in memory.
        step: how long a chunk is; an array in a store knows it.
    """
    step = step or (array.chunks[0] if isinstance(array, zarr.Array) else len(array))
    total = 0
    for start in range(0, array.shape[0], step):
        total = checksum(np.asarray(array[start : start + step]), total)
    return total
