"""Memory that a network frees and takes again with every batch, kept in the process meanwhile."""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TRIM, _MMAP = -1, -3  # glibc's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD
_KEPT, _LARGEST = 2**30, 2**25  # bytes: what may lie idle, and the largest block that glibc lets lie
_DEFAULT = 2**17
_ASKED = "MALLOC_TRIM_THRESHOLD_"


class _Users:
    """How many tasks of this process are inside."""

    def __init__(self) -> None:
        self.count, self.lock = 0, threading.Lock()


_USERS = _Users()


@contextmanager
def memory_kept() -> Iterator[None]:
    """Keep freed memory in the process inside the block, and give it back behind it.

    Dask tells glibc in its workers to hand all freed memory back at once. Each activation of each batch is
    then new memory, which the kernel fills with zeros first: on a CPU half of the time went there. Where
    nobody has told glibc so, or the C library is another one, nothing is done.
    """
    library = _glibc() if os.environ.get(_ASKED, "").isdecimal() else None
    if library is None:
        yield
        return
    with _USERS.lock:
        _USERS.count += 1
        library.mallopt(_TRIM, _KEPT)
        library.mallopt(_MMAP, _LARGEST)
    try:
        yield
    finally:
        with _USERS.lock:
            _USERS.count -= 1
            if _USERS.count == 0:
                library.mallopt(_TRIM, min(int(os.environ[_ASKED]), 2**31 - 1))
                library.mallopt(_MMAP, _DEFAULT)
                library.malloc_trim(0)


def _glibc() -> Any | None:  # noqa: ANN401 - ctypes
    try:
        library = ctypes.CDLL(None)
        return library if library.mallopt and library.malloc_trim else None
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return None
