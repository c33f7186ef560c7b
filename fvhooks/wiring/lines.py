"""Lines: what each channel of each tensor of a forward pass is made of.

A line is one channel of one operation's output. Lines are numbered from 1; 0 is what comes from nothing that
is followed, such as a constant. A `Signal` is the run of lines that one operation made, with the lines that
each of them was made from.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

Kind = Literal["image", "weighted", "sum", "scaled", "bent", "kept", "mixed"]
_PASSES = ("scaled", "bent")
LineNumbers = Int[np.ndarray, " line"]
Places = Int[np.ndarray, " place"]


@dataclass(eq=False)
class Signal:
    """The lines that one operation made.

    Args:
        kind: "weighted": a convolution or linear map; "sum": an addition; "scaled": each line a multiple of
            another; "bent": each a function of another, as behind a ReLU or a pooling; "kept": a layer that
            was asked for; "mixed": something that mixes channels otherwise.
        first: number of its first line.
        size: how many lines.
        parents: what each line was made from, once for each operand; of "weighted" its input channels.
        gain: of "scaled" a factor a line, of "sum" one an operand.
        number: of "weighted" and "sum", which call or addition.
        name: the module's, the kept layer's, or the operation's that mixes.
        module: of "weighted", the module that it is, or "" where it is a function.
        groups: of "weighted".
        gate: of "bent", whether it is a product with something computed from the image.
        squashed: of "bent", whether it is a sigmoid.
    """

    kind: Kind
    first: int
    size: int
    parents: tuple[LineNumbers, ...] = ()
    gain: Float[np.ndarray, " factor"] | None = None
    number: int = 0
    name: str = ""
    module: str = ""
    groups: int = 1
    gate: bool = False
    squashed: bool = False

    @property
    def lines(self) -> LineNumbers:
        """The numbers of its lines."""
        return np.arange(self.first, self.first + self.size)


@dataclass(eq=False)
class Found:
    """Where lines come from, followed back through all that keeps channels apart.

    Args:
        stops: the line of an image, call, addition, kept layer or mixture that each comes from; 0 for none.
        inner: what that was multiplied by before anything bent it.
        outer: what it was multiplied by from there on.
        bent: whether anything bent it.
        gated: whether a gate was on the way.
    """

    stops: LineNumbers
    inner: Float[np.ndarray, " line"]
    outer: Float[np.ndarray, " line"]
    bent: Bool[np.ndarray, " line"]
    gated: Bool[np.ndarray, " line"]


@dataclass
class Lines:
    """Every line of a forward pass.

    Examples:
        >>> lines = Lines()
        >>> call = lines.add("weighted", 2, parents=(np.array([0, 0, 0]),), number=4)
        >>> scaled = lines.add("scaled", 2, parents=(call.lines,), gain=np.array([2.0, -1.0]))
        >>> relu = lines.add("bent", 2, parents=(scaled.lines,))
        >>> found = lines.follow(relu.lines[::-1])
        >>> found.stops.tolist(), found.inner.tolist(), found.bent.tolist()
        ([2, 1], [-1.0, 2.0], [True, True])
    """

    signals: list[Signal] = field(default_factory=list)
    _firsts: list[int] = field(default_factory=lambda: [0])
    _next: int = 1

    def add(
        self,
        kind: Kind,
        size: int,
        *,
        parents: tuple[LineNumbers, ...] = (),
        gain: Float[np.ndarray, " factor"] | None = None,
        number: int = 0,
        name: str = "",
    ) -> Signal:
        """New lines; see `Signal`."""
        signal = Signal(kind, self._next, size, parents, gain, number, name)
        self.signals.append(signal)
        self._firsts.append(self._next)
        self._next += size
        return signal

    def by_signal(self, lines: LineNumbers) -> Iterator[tuple[int, Bool[np.ndarray, " line"], Places]]:
        """For each signal among some lines its index, which lines are its, and their places in it."""
        owners = np.searchsorted(np.array(self._firsts), lines, side="right") - 2
        for index in np.unique(owners[lines > 0]):
            mine = owners == index
            yield int(index), mine, lines[mine] - self.signals[index].first

    def follow(self, lines: LineNumbers) -> Found:
        """Back through what only scales or bends."""
        found = Found(
            np.array(lines, dtype=np.int64),
            np.ones(len(lines)),
            np.ones(len(lines)),
            np.zeros(len(lines), dtype=bool),
            np.zeros(len(lines), dtype=bool),
        )
        moving = True
        while moving:
            moving = False
            for index, mine, places in list(self.by_signal(found.stops)):
                moving |= self._step(found, index, mine, places)
        return found

    def _step(self, found: Found, index: int, mine: Bool[np.ndarray, " line"], places: Places) -> bool:
        signal = self.signals[index]
        if signal.kind not in _PASSES:
            return False
        if signal.gain is not None:
            found.inner[mine] *= signal.gain[places]
        if signal.kind == "bent":
            found.outer[mine] *= found.inner[mine]
            found.inner[mine] = 1.0
            found.bent[mine] = True
            found.gated[mine] |= signal.gate
        found.stops[mine] = signal.parents[0][places]
        return True
