"""Which image is which row, and what each task owns: settled before the work starts."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, Int, Int8, UInt64

from fvhooks.datasets.sources import NO_LABEL

SPLITS = ("reference", "calibration", "report")
"""Pictures are made from the first, thresholds set on the second, claims made on the third."""

_UPPER_ENDS = (0.6, 0.8)  # shares of the first, and of the first two


@dataclass(frozen=True, slots=True)
class Segment:
    """The run of one group inside one shard.

    Args:
        number: which one, counting over all shards.
        group: index of its label among the plan's groups.
        start: first row.
        stop: the row behind its last.
    """

    number: int
    group: int
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Plan:
    """Rows in label order, cut into shards and segments; images that were added later are in blocks behind.

    Args:
        index: the data set's own index of each row.
        labels: label of each row.
        split: index into `SPLITS` of each row.
        is_reference: which rows make the reference profiles.
        groups: the labels that have profiles; −1 alone where there are no labels.
        shard_size: rows of a shard.
        starts: the first row of each block.
    """

    index: Int[np.ndarray, " image"]
    labels: Int[np.ndarray, " image"]
    split: Int8[np.ndarray, " image"]
    is_reference: Bool[np.ndarray, " image"]
    groups: Int[np.ndarray, " group"]
    shard_size: int
    starts: tuple[int, ...] = (0,)

    @property
    def images(self) -> int:
        """How many rows there are."""
        return len(self.index)

    @property
    def shards(self) -> int:
        """How many tasks there are."""
        return -(-self.images // self.shard_size)

    def rows(self, shard: int) -> slice:
        """The rows that a shard owns."""
        return slice(shard * self.shard_size, min((shard + 1) * self.shard_size, self.images))

    @cached_property
    def segments(self) -> list[Segment]:
        """Every segment, in row order; rows of no group have none."""
        starts = np.flatnonzero(np.r_[True, self.labels[1:] != self.labels[:-1]])
        cuts = np.union1d(np.r_[starts, self.starts], np.arange(0, self.images, self.shard_size))
        found: list[Segment] = []
        position = {int(label): group for group, label in enumerate(self.groups)}
        for start, stop in zip(cuts, np.r_[cuts[1:], self.images], strict=True):
            group = position.get(int(self.labels[start]))
            if group is not None:
                found.append(Segment(len(found), group, int(start), int(stop)))
        return found

    def segments_of(self, shard: int) -> Iterator[Segment]:
        """The segments inside a shard."""
        rows = self.rows(shard)
        return (segment for segment in self.segments if rows.start <= segment.start < rows.stop)


def make_plan(
    ids: Sequence[str],
    labels: Int[np.ndarray, " item"],
    *,
    references: int,
    shard_size: int | None,
    blocks: Sequence[Int[np.ndarray, " _"]] | None = None,
) -> Plan:
    """Settle rows, splits, references and shards.

    Examples:
        >>> plan = make_plan(["a", "b", "c", "d"], np.array([1, 0, 1, 0]), references=50, shard_size=3)
        >>> plan.index.tolist(), [(s.group, s.start, s.stop) for s in plan.segments]
        ([1, 3, 0, 2], [(0, 0, 2), (1, 2, 3), (1, 3, 4)])

    Args:
        ids: one an item of the data set.
        labels: one an item, −1 where there is none.
        references: how many images of a group make its reference profile, at most.
        shard_size: rows of a shard; None chooses by the number of images.
        blocks: the items of each block, where images were added; an image that once is a reference stays one.
    """
    blocks = [np.arange(len(labels))] if blocks is None else blocks
    index = np.concatenate([items[np.argsort(labels[items], kind="stable")] for items in blocks])
    names = [ids[item] for item in index]
    split = split_of(names)
    ordered = labels[index]
    groups = np.unique(ordered)
    groups = groups[groups != NO_LABEL] if len(groups) > 1 else groups
    eligible = (split == 0) & np.isin(ordered, groups)
    hashes, chosen = _hashes(names, "reference"), np.zeros(len(index), bool)
    starts = np.cumsum([0, *map(len, blocks)])
    for start, stop in pairwise(starts.tolist()):
        rows = slice(start, stop)
        taken = np.bincount(np.searchsorted(groups, ordered[:start][chosen[:start]]), minlength=len(groups))
        room = references - taken[np.searchsorted(groups, ordered[rows]).clip(max=len(groups) - 1)]
        chosen[rows] = _first_of_each(ordered[rows], eligible[rows], hashes[rows], room)
    size = shard_size or _shard_size(len(index))
    return Plan(index, ordered, split, chosen, groups, size, tuple(starts[:-1].tolist()))


def split_of(ids: Sequence[str]) -> Int8[np.ndarray, " image"]:
    """Which of `SPLITS` each image belongs to: 60, 20 and 20 %, by a hash of its id alone.

    Examples:
        >>> np.bincount(split_of([str(n) for n in range(1000)])).tolist()
        [605, 207, 188]
    """
    return np.searchsorted(_UPPER_ENDS, draws(ids, "split"), side="right").astype(np.int8)


def halves_of(ids: Sequence[str]) -> Int8[np.ndarray, " image"]:
    """Which of two random halves each image belongs to, 0 or 1, by a hash of its id alone.

    Examples:
        >>> np.bincount(halves_of([str(n) for n in range(1000)])).tolist()
        [490, 510]
    """
    return (draws(ids, "half") >= 0.5).astype(np.int8)


def draws(ids: Sequence[str], salt: str) -> Float64[np.ndarray, " image"]:
    """A number in [0, 1) for each image, which its id alone decides.

    Args:
        ids: of the images.
        salt: numbers for different purposes are independent.
    """
    return np.minimum(_hashes(ids, salt) / 2.0**64, np.nextafter(1.0, 0.0))


def _hashes(ids: Sequence[str], salt: str) -> UInt64[np.ndarray, " image"]:
    raw = b"".join(hashlib.blake2b(f"{salt}:{name}".encode(), digest_size=8).digest() for name in ids)
    return np.frombuffer(raw, dtype="<u8").astype(np.uint64)


def _first_of_each(
    labels: Int[np.ndarray, " image"],
    eligible: Bool[np.ndarray, " image"],
    hashes: UInt64[np.ndarray, " image"],
    room: Int[np.ndarray, " image"],
) -> Bool[np.ndarray, " image"]:
    """In each label the eligible rows of the smallest hashes, which do not depend on the other images."""
    order = np.lexsort((hashes, ~eligible, labels))
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])  # rows are in label order already
    place = np.arange(len(labels)) - np.repeat(starts, np.diff(np.r_[starts, len(labels)]))
    chosen = np.zeros(len(labels), bool)
    chosen[order] = place < room[order]
    return np.asarray(chosen & eligible)


def _shard_size(images: int) -> int:
    """Sixty-four shards, within 256 to 4,096 rows: what a crash loses against how many objects there are."""
    return int(np.clip(-(-images // 64 // 256) * 256, 256, 4096))
