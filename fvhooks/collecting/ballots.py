"""The votes of one shard: cast while the model runs, counted and written segment by segment."""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import numpy as np
import torch
import zarr
from jaxtyping import Bool, Float, Int
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.errors import ContainsArrayError

from fvhooks.collecting.partials import DamagedPartError
from fvhooks.collecting.tallies import Counts, Tally
from fvhooks.datasets.batches import Batch
from fvhooks.statistics.reductions import Spread
from fvhooks.store.influence_arrays import wiring_attributes
from fvhooks.store.ledgers import array_of
from fvhooks.store.passes import Pass
from fvhooks.store.plans import Plan, Segment
from fvhooks.store.vote_space import PARTS, VoteSpace
from fvhooks.wiring.votes import InfluenceRule, Votes

_CHUNK = 2**18  # numbers of one object
_VOTING = 2  # splits, of the first ones: who is reported on does not vote
_WRITTEN = 1

Head = Int[np.ndarray, " value"]


def votes_path(one: Pass) -> str:
    """Where a pass keeps the votes of each segment."""
    return f"partials/{one.path}/influence"


def create_votes(root: zarr.Group, one: Pass, plan: Plan, space: VoteSpace) -> None:
    """The arrays that hold the votes of each segment: sparse, only as many objects as there are votes.

    Args:
        root: the store.
        one: the pass.
        plan: its segments.
        space: where votes are counted.
    """
    group = root.require_group(votes_path(one))
    group.update_attributes(wiring_attributes(space.wiring))
    largest = max((segment.stop - segment.start for segment in plan.segments), default=1)
    most = max(1, min(space.size, largest * space.of_an_image))
    chunk = min(most, _CHUNK)
    room, count = -(-most // chunk) * chunk, "uint16" if largest < 2**16 else "uint32"
    step = "uint32" if space.size < 2**32 else "uint64"
    arrays = {"step": (room, chunk, step), "count": (room, chunk, count)}
    for name, (length, size, kind) in (arrays | {"head": (3 + len(PARTS), 3 + len(PARTS), "int64")}).items():
        with suppress(ContainsArrayError):
            group.create_array(
                name,
                shape=(len(plan.segments), length),
                dtype=kind,
                chunks=(1, size),
                compressors=[ZstdCodec(level=3), Crc32cCodec()],
                fill_value=0,
            )


class Ballot:
    """Who votes for what in one shard.

    Args:
        one: the pass.
        plan: rows, splits and segments.
        space: where votes are counted.
        rule: how they are cast.
        halves: which half each row of the shard belongs to.
        shard: which one.
        root: the store.
    """

    def __init__(
        self,
        one: Pass,
        plan: Plan,
        space: VoteSpace,
        rule: InfluenceRule,
        halves: Int[np.ndarray, " image"],
        shard: int,
        root: zarr.Group,
    ) -> None:
        self._plan, self._space = plan, space
        self._votes = Votes(space.wiring, rule)
        self._group, self._root = votes_path(one), root
        rows = one.rows(plan, shard)
        self._halves, self._first = halves, rows.start
        self._segments = [s for s in plan.segments_of(shard) if rows.start <= s.start < rows.stop]
        self._tally, self._images = Tally(), np.zeros(len(PARTS), np.int64)
        self._winners: dict[int, Int[np.ndarray, "image vote _"]] = {}
        self._voters = np.zeros(0, np.int64)

    @contextmanager
    def open(self, batch: Batch, spread: Spread) -> Iterator[None]:
        """While it is open, a forward pass over a batch casts votes."""
        rows = slice(batch.start, batch.start + len(batch.images))
        here = (self._plan.split[rows] < _VOTING) & np.isin(self._plan.labels[rows], self._plan.groups)
        self._voters = np.flatnonzero(here)
        if not len(self._voters):
            yield
            return
        self._votes.begin(self._voters, spread)
        with self._votes:
            yield
        self._winners = self._votes.end()

    def take(
        self,
        batch: Batch,
        activations: Mapping[str, Float[torch.Tensor, "image ..."]],
        usable: Bool[np.ndarray, " image"],
        predictions: Int[np.ndarray, " image"],
    ) -> None:
        """Count the votes of a batch, writing each segment that ends in it.

        Args:
            batch: the number of its first row.
            activations: of each kept layer.
            usable: which images are; the votes of others are thrown away.
            predictions: the label that the model gives each.
        """
        stop = batch.start + len(usable)
        rows, numbers, parts = self._cast(batch, activations, usable, predictions)
        while self._segments and self._segments[0].start < stop:
            segment = self._segments[0]
            inside = (segment.start <= rows) & (rows < segment.stop)
            chosen = numbers[inside]
            self._tally.add(chosen[chosen >= 0])
            self._images += np.bincount(parts[inside], minlength=len(PARTS))
            if segment.stop > stop:
                break
            self._write(self._segments.pop(0))

    def _cast(
        self,
        batch: Batch,
        activations: Mapping[str, Float[torch.Tensor, "image ..."]],
        usable: Bool[np.ndarray, " image"],
        predictions: Int[np.ndarray, " image"],
    ) -> tuple[Int[np.ndarray, " voter"], Int[np.ndarray, "voter vote"], Int[np.ndarray, " voter"]]:
        """The rows that vote, for what, and the part of each."""
        counts = usable[self._voters]
        voters = self._voters[counts]
        rows = batch.start + voters
        wrong = predictions[voters] != self._plan.labels[rows]
        parts = 2 * self._halves[rows - self._first] + wrong
        if not len(voters):
            return rows, np.zeros((0, 0), np.int64), parts
        layers = [self._space.wiring.nodes[number].name for number in self._space.kept]
        peaks = {name: activations[name].amax(-1).cpu().numpy()[voters] for name in layers}
        winners = {number: names[counts] for number, names in self._winners.items()}
        return rows, self._space.numbers(winners, peaks, parts), parts

    def _write(self, segment: Segment) -> None:
        found = self._tally.counts()
        steps, counts = (
            array_of(self._root, f"{self._group}/step"),
            array_of(self._root, f"{self._group}/count"),
        )
        size, chunk = len(found.numbers), steps.chunks[1]
        room = -(-size // chunk) * chunk  # whole objects: what was there is not looked at
        numbers, values = np.zeros(room, steps.dtype), np.zeros(room, counts.dtype)
        numbers[:size] = np.diff(found.numbers, prepend=0)
        values[:size] = found.counts
        if room:
            steps[segment.number, :room], counts[segment.number, :room] = numbers, values
        total = zlib.crc32(values[:size].tobytes(), zlib.crc32(numbers[:size].tobytes()))
        array_of(self._root, f"{self._group}/head")[segment.number, :] = np.r_[
            _WRITTEN, size, total, self._images
        ]
        self._tally, self._images = Tally(), np.zeros(len(PARTS), np.int64)


def read_votes(
    root: zarr.Group, one: Pass, plan: Plan, segment: Segment
) -> tuple[Counts, Int[np.ndarray, " part"]]:
    """What a segment has counted, and how many images of each part voted.

    Raises:
        DamagedPartError: what is there is not what was written.
    """
    path, number = votes_path(one), segment.number
    try:
        head: Head = np.asarray(array_of(root, f"{path}/head")[number, :])
        size = int(head[1])
        steps = np.asarray(array_of(root, f"{path}/step")[number, :size])
        counts = np.asarray(array_of(root, f"{path}/count")[number, :size])
    except ValueError as error:  # a checksum that differs
        raise DamagedPartError("influence", segment.start // plan.shard_size) from error
    if head[0] != _WRITTEN or zlib.crc32(counts.tobytes(), zlib.crc32(steps.tobytes())) != head[2]:
        raise DamagedPartError("influence", segment.start // plan.shard_size)
    return Counts(np.cumsum(steps.astype(np.int64)), counts.astype(np.int64)), head[3:]
