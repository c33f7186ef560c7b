"""A sign of life of whoever collects into a store, so that another one can say that it is not alone."""

import logging
import os
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

import numpy as np
import zarr

from fvhooks.store.schema import array_for
from fvhooks.threads import wait_for

_EVERY = 10.0  # seconds between two signs
_RECENT = 60.0
_PATH = "ledger/heartbeat"
_log = logging.getLogger("fvhooks")


class Heart:
    """Beats while a collection runs; several at one store do no harm, but do work twice.

    Args:
        root: the store, open for writing.
    """

    def __init__(self, root: zarr.Group) -> None:
        self._root, self._end = root, threading.Event()
        self._owner = float(int.from_bytes(os.urandom(6), "big"))

    def listen(self) -> None:
        """Warn where somebody else gave a sign a short while ago."""
        with suppress(KeyError, FileNotFoundError):
            when, owner = np.asarray(self._root[_PATH][:])  # type: ignore[index]
            ago = time.time() - float(when)
            if owner != self._owner and 0 <= ago < _RECENT:
                _log.warning(
                    "Another process gave a sign of collecting into this store %.0f s ago. If it was stopped "
                    "since, all is well; if it runs, both end with the same store, and do work twice.",
                    ago,
                )

    def beat(self) -> None:
        """Give a sign."""
        array = array_for(self._root, _PATH, (2,), "float64", chunks=(2,), dimensions=("fact",))
        array[:] = np.array([time.time(), self._owner])

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._live, name="fvhooks-heart", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        try:
            self._end.set()
        finally:
            self._end.set()  # an interrupt may have come before it was told
            wait_for(self._thread)

    def _live(self) -> None:
        while True:
            with suppress(Exception):  # a sign that cannot be given must not end the work
                self.beat()
            if self._end.wait(_EVERY):
                return


def forget_signs(root: zarr.Group) -> None:
    """Nobody collects any more."""
    with suppress(KeyError, FileNotFoundError):  # another process does so at the same time
        del root[_PATH]
