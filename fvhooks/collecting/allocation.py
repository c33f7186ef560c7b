"""Memory that a network frees and takes again with every batch, kept in the process meanwhile."""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TRIM, _THRESHOLD, _MAPPED = -1, -3, -4  # glibc's M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_MMAP_MAX
_KEPT = 2**30  # bytes that may lie idle at the end of the heap
_USUAL = {_TRIM: 2**26, _THRESHOLD: 2**25, _MAPPED: 2**16}  # what glibc comes to where large blocks are freed
_ASKED = {_TRIM: "MALLOC_TRIM_THRESHOLD_", _THRESHOLD: "MALLOC_MMAP_THRESHOLD_", _MAPPED: "MALLOC_MMAP_MAX_"}


class _Users:
    """How many tasks of this process are inside."""

    def __init__(self) -> None:
        self.count, self.lock = 0, threading.Lock()


_USERS = _Users()


@contextmanager
def memory_kept() -> Iterator[None]:
    """Keep freed memory in the process inside the block, and give it back behind it.

    glibc hands a freed block of more than 32 MB back to the kernel, and in Dask's workers, where it is told
    so, every block. The activations of each batch are then new memory, which the kernel fills with zeros
    first: a tenth of the time of a network on a CPU, in a worker up to half. In threads that are not the
    first of their process it helps in full where that was started with `MALLOC_ARENA_MAX=1`. Where the C
    library is another one, or was tuned by `GLIBC_TUNABLES`, nothing is done. What a process has told glibc
    by `mallopt` itself cannot be read, and is not restored.
    """
    library = None if "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "") else _glibc()
    if library is None:
        yield
        return
    with _USERS.lock:
        _USERS.count += 1
        library.mallopt(_TRIM, _KEPT)
        library.mallopt(_MAPPED, 0)  # none on their own, all of them in the heap
    try:
        yield
    finally:
        with _USERS.lock:
            _USERS.count -= 1
            if _USERS.count == 0:
                for setting, usual in _USUAL.items():
                    library.mallopt(setting, _asked_for(_ASKED[setting], usual))
                library.malloc_trim(0)


def _asked_for(name: str, usual: int) -> int:
    said = os.environ.get(name, "")
    return min(int(said), 2**31 - 1) if said.isdecimal() else usual


def _glibc() -> Any | None:  # noqa: ANN401 - ctypes
    try:
        library = ctypes.CDLL(None)
        return library if library.mallopt and library.malloc_trim else None
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return None
