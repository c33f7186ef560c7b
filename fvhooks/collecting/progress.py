"""How far a collection is: images a second, time left, megabytes written, images that failed."""

import sys
import threading
from types import TracebackType
from typing import Any, Self

from tqdm.auto import tqdm


class Progress:
    """A bar that is told of batches by this process, or of whole shards by workers.

    Its numbers are kept where nothing is drawn too, and any thread may report.

    Examples:
        >>> with Progress(100, done=20, show=False) as progress:
        ...     progress.update(30, failed=1)             # a batch
        ...     progress.update(written=2_500_000)        # its shard is on disk
        ...     progress.done, progress.failed, progress.facts
        (50, 1, '2.5 MB written, 1 failed')

    Args:
        total: how many images there are.
        done: how many of them an earlier run has done; they do not count for the speed.
        show: whether to draw.
        file: where to draw; stderr where not given.
    """

    def __init__(self, total: int, done: int = 0, *, show: bool = True, file: Any | None = None) -> None:  # noqa: ANN401 - a text stream
        self.done, self.failed, self.written = done, 0, 0
        self._lock = threading.Lock()
        self._bar = tqdm(
            total=total,
            initial=done,
            unit="image",
            desc="collect",
            disable=not show,
            file=file or sys.stderr,
            dynamic_ncols=True,
            smoothing=0.1,  # a speed over the last dozen reports: machines are shared
        )

    @property
    def facts(self) -> str:
        """What is shown behind the speed and the time left."""
        failed = f", {self.failed:,} failed" if self.failed else ""
        return f"{self.written / 1e6:,.1f} MB written{failed}"

    def update(self, images: int = 0, *, failed: int = 0, written: int = 0) -> None:
        """Say what has been done since the last time.

        Args:
            images: how many went through the model, or could not be used.
            failed: how many of them could not be used.
            written: bytes that are in the store now.
        """
        with self._lock:
            self.done += images
            self.failed += failed
            self.written += written
            self._bar.set_postfix_str(self.facts, refresh=False)
            self._bar.update(images)

    def close(self) -> None:
        """Draw the last state, and nothing any more."""
        with self._lock:
            self._bar.refresh()
            self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
