"""What a person sees of pictures while they form, and how they are ended early."""

import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, Self

import torch
from jaxtyping import Float
from tqdm.auto import tqdm

from fvhooks.dependencies import require
from fvhooks.results import VIEWERS
from fvhooks.synthesis.engine import Watch

_EVERY = 16  # steps between two looks at the loss, each of which a GPU has to wait for


@dataclass(frozen=True)
class Forming:
    """Pictures that are being made.

    Args:
        units: the id of each picture's unit.
        seeds: of each picture.
        images: as they are, in [0, 1], on the model's device.
        step: how many steps are done.
        steps: how many there will be.
        batch: which batch this is, from 1.
        batches: how many there are.
        stopping: whether the work ends with this step, since somebody interrupted it.
    """

    units: Sequence[str]
    seeds: Sequence[int]
    images: Float[torch.Tensor, "picture rgb y x"]
    step: int
    steps: int
    batch: int
    batches: int
    stopping: bool = False


Watcher = Callable[[Forming], bool | None]
"""Is told of every step; True ends the work and keeps the pictures as they are."""


class Progress:
    """A bar, a live view, and the wish to stop, for the time of a `with` block.

    With a live view the first interrupt (Ctrl-C, or the stop button of a notebook) ends the step and keeps
    the pictures; the second one interrupts as ever.

    Args:
        shown: whether to show the bar.
        live: is told of every step; None for nobody.
    """

    def __init__(self, shown: bool, live: Watcher | None) -> None:
        self.stopped, self._live, self._batch = False, live, 0
        self._bar: tqdm[Any] = tqdm(desc="visualize", unit="step", disable=not shown)
        self._before: Any = None

    def __enter__(self) -> Self:
        if self._live is not None and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        self._bar.close()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True

    def watch(
        self, units: Sequence[str], seeds: Sequence[int], *, steps: int, batches: int, more: int
    ) -> Watch:
        """What the engine shall tell of a batch.

        Args:
            units: the id of each picture's unit; pictures beyond them only fill the batch up.
            seeds: of each picture.
            steps: of a picture.
            batches: still to be made of this layer, this one included.
            more: steps still to be made of other layers.
        """
        number, last = self._batch + 1, self._batch + batches
        self._bar.total = self._bar.n + steps * batches + more

        def watch(step: int, images: torch.Tensor, loss: torch.Tensor) -> bool:
            self._bar.update()
            if step % _EVERY == 1 and not self._bar.disable:
                mean = float(loss[: len(units)].nanmean())  # without those that were given up
                self._bar.set_postfix({"batch": f"{number}/{last}", "loss": f"{mean:.3g}"}, refresh=False)
            if self._live is not None:
                forming = Forming(units, seeds, images[: len(units)], step, steps, number, last, self.stopped)
                if self._live(forming):  # not `|=`, which would forget an interrupt that came meanwhile
                    self.stopped = True
            return self.stopped

        return watch

    def count(self) -> None:
        """A batch is done; until then another attempt at it, with less memory, is the same batch."""
        self._batch += 1


def notebook_view() -> Watcher:
    """Shows pictures as they form in the output of the running cell."""
    display = require("IPython.display", feature="the live view", extra="jupyter").display
    shown: list[Any] = []

    def watch(forming: Forming) -> None:
        if not shown:
            shown.append(VIEWERS["forming"].widget(forming))
            display(shown[0])
        shown[0].follow(forming)

    return watch
