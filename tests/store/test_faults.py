"""Processes that are killed: what is collected afterwards has the bits of a run that never was."""

import os
import random
import shutil
import signal
from pathlib import Path

import zarr

from fvhooks.store import schema
from fvhooks.store.ledgers import shards_to_do

PAUSE = 0.004  # seconds that a picture takes
KILLED = -signal.SIGKILL
POINTS = 10
TORN = [
    "layers/1/id/c/0",
    "ledger/0/checksum/zarr.json",
    "layers/1/position/c/2/0",  # between two arrays of a shard
    "partials/0/moments/c/3/0",
    "ledger/0/checksum/c/1/0",  # all of a shard but that it is done
    "layers/3/profile/c/0/0/0",  # while partial sums are folded
]


def stage(where: Path) -> str:
    """How far a store has come."""
    try:
        root = zarr.open_group(str(where), mode="r", use_consolidated=False)
        state = schema.state_of(root)
        return f"{state}, {len(shards_to_do(root))} to do" if state == schema.COLLECTING else state
    except (FileNotFoundError, KeyError):
        return "nothing"


def test_killed_at_ten_random_moments(nursery, undisturbed, check, tmp_path) -> None:
    """One moment in each tenth of what a run writes, a few milliseconds after an object is begun."""
    rng, stages, objects = random.Random(2), [], len(undisturbed.written)
    for point in range(POINTS):
        where = tmp_path / f"{point}.zarr"
        trap = {"what": "kill", "number": int((point + rng.random()) / POINTS * objects)}
        trap["delay"] = rng.uniform(0.0005, 0.02)
        while nursery.run(where, pause=PAUSE, trap=trap) != KILLED:
            shutil.rmtree(where)  # it was faster this time, and had ended
            nursery.reads(where).unlink()
            trap["delay"] /= 4
        stages.append(stage(where))
        nursery.finish(where)
        check(where)
        shutil.rmtree(where)
    assert len(set(stages)) >= 3


def test_killed_again_and_again(nursery, check, tmp_path) -> None:
    """Several processes in a row work at a store, each of which dies a shard or so later."""
    rng, where, stages = random.Random(3), tmp_path / "s.zarr", []
    for first, last in [(10, 60), (110, 150), (15, 40), (15, 40), (15, 40)]:
        assert nursery.run(where, trap={"what": "kill", "number": rng.randrange(first, last)}) == KILLED
        stages.append(stage(where))
    nursery.finish(where)
    assert len(set(stages)) >= 3
    check(where, shards=4)


def test_killed_while_it_writes_an_object(nursery, check, tmp_path) -> None:
    for number, match in enumerate(TORN):
        where = tmp_path / f"{number}.zarr"
        assert nursery.run(where, trap={"what": "tear", "match": match}) == KILLED
        nursery.finish(where)
        check(where)


def test_what_a_kill_leaves_half_written_is_removed_later(nursery, check, tmp_path) -> None:
    where = tmp_path / "s.zarr"
    assert nursery.run(where, trap={"what": "tear", "match": "layers/1/position/c/2/0"}) == KILLED
    (torn,) = where.rglob("*.partial")
    os.utime(torn, (torn.stat().st_atime, torn.stat().st_mtime - 3600))
    mine = where / "layers/1/peak/c/0.0123456789abcdef.partial"  # another process writes it just now
    mine.touch()
    nursery.finish(where)
    assert [*where.rglob("*.partial")] == [mine]
    mine.unlink()
    check(where)


def test_killed_while_it_says_that_all_is_done(nursery, undisturbed, check, tmp_path) -> None:
    """The last times that a store's own attributes are written."""
    times = sum(path.endswith("first.zarr/zarr.json") for path in undisturbed.written)
    for number in (times - 4, times - 3, times - 2, times - 1):
        where = tmp_path / f"{number}.zarr"
        trap = {"what": "kill", "match": f"{number}.zarr/zarr.json", "number": number}
        assert nursery.run(where, trap=trap) == KILLED
        nursery.finish(where)
        assert nursery.redone(where) == []
        check(where)
