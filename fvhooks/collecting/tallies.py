"""Votes counted sparsely: which numbers came how often."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

_PENDING = 2**22  # numbers that may wait to be counted


@dataclass(frozen=True, eq=False)
class Counts:
    """Numbers in ascending order, and how often each came.

    Args:
        numbers: that came.
        counts: how often.
    """

    numbers: Int[np.ndarray, " number"]
    counts: Int[np.ndarray, " number"]

    @classmethod
    def none(cls) -> "Counts":
        """Nothing was counted."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))

    @classmethod
    def of(cls, numbers: Int[np.ndarray, " _"]) -> "Counts":
        """How often each number came.

        Examples:
            >>> found = Counts.of(np.array([4, 1, 4]))
            >>> found.numbers.tolist(), found.counts.tolist()
            ([1, 4], [1, 2])
        """
        ordered = np.sort(numbers)
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])
        return cls(ordered[starts].astype(np.int64), np.diff(np.r_[starts, len(ordered)]))

    def merge(self, other: "Counts") -> "Counts":
        """What both have counted."""
        numbers = np.concatenate([self.numbers, other.numbers])
        counts = np.concatenate([self.counts, other.counts])
        order = np.argsort(numbers, kind="stable")
        numbers, counts = numbers[order], counts[order]
        starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]][: len(numbers)])
        return Counts(numbers[starts], np.add.reduceat(counts, starts) if len(starts) else counts)


@dataclass(eq=False)
class Tally:
    """Counts that grow, in memory that does not grow with the number of votes."""

    _done: Counts = field(default_factory=Counts.none)
    _pending: list[Int[np.ndarray, " _"]] = field(default_factory=list)
    _waiting: int = 0

    def add(self, numbers: Int[np.ndarray, " _"]) -> None:
        """Count more of them."""
        self._pending.append(numbers)
        self._waiting += len(numbers)
        if self._waiting > _PENDING:
            self._settle()

    def counts(self) -> Counts:
        """Everything so far."""
        self._settle()
        return self._done

    def _settle(self) -> None:
        if self._pending:
            self._done = self._done.merge(Counts.of(np.concatenate(self._pending)))
            self._pending, self._waiting = [], 0
