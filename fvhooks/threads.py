"""Threads that are over when a block is left, however it is left."""

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

_PATIENCE = 1.0  # seconds in which a thread that was asked for begins
_NUMBERS = itertools.count()


@contextmanager
def thread_pool(size: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads, none of which outlives the block.

    An interrupt may come while the pool starts a thread: then it runs, and the pool does not know it. So
    they are found by their names.

    Args:
        size: how many threads.
        name: what their names begin with.
    """
    own = f"{name}-{next(_NUMBERS)}"
    pool = ThreadPoolExecutor(size, thread_name_prefix=own)
    try:
        yield pool
    finally:
        try:
            pool.shutdown(wait=True, cancel_futures=True)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # an interrupt may have come before it told them
            for thread in threading.enumerate():
                if thread.name.startswith(f"{own}_"):  # the executor puts a number behind
                    wait_for(thread)


def wait_for(thread: threading.Thread) -> None:
    """Until a thread that was told to end has ended, also one whose start or end was interrupted.

    Not by `join`: where that is interrupted, Python before 3.13 takes a thread that runs for an ended one.
    """
    begins = time.monotonic() + _PATIENCE
    while thread in threading.enumerate() and (thread.ident is not None or time.monotonic() < begins):
        time.sleep(0.001)
