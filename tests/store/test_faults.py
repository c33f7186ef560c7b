"""Processes that are killed: what is collected afterwards has the bits of a run that never was."""

import json
import os
import random
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import zarr

import fvhooks as fv
from fvhooks.store import schema
from fvhooks.store.ledgers import shards_to_do

SHARD = 20
PAUSE = 0.004  # seconds that a picture takes
KILLED = -signal.SIGKILL
POINTS = 10
WRITES = 12


@dataclass(frozen=True)
class Undisturbed:
    """A store that nothing happened to.

    Args:
        values: its arrays.
        seconds: that it took.
        written: the paths of the objects that were written, in order.
    """

    values: dict[str, np.ndarray]
    seconds: float
    written: list[str]


@pytest.fixture(scope="module")
def undisturbed(nursery, values, tmp_path_factory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    nursery.finish(folder / "first.zarr", facts=str(folder / "written.json"))  # loads what is loaded once
    began = time.monotonic()
    nursery.finish(folder / "s.zarr", pause=PAUSE)
    seconds = time.monotonic() - began
    assert nursery.redone(folder / "s.zarr") == []
    written = json.loads((folder / "written.json").read_text())
    return Undisturbed(values(folder / "s.zarr"), seconds, written)


@pytest.fixture
def check(nursery, undisturbed, values, same):
    """Asserts that a store is as if nothing had happened, and that one shard at most was done again."""

    def compare(where: Path, *, shards: int = 1) -> None:
        same(undisturbed.values, values(where))
        fv.open_store(where).verify()
        redone = nursery.redone(where)
        rows = {int(item): row for row, item in enumerate(undisturbed.values["images/index"])}
        assert len(redone) <= shards * SHARD
        assert len({rows[item] // SHARD for item in redone}) <= shards

    return compare


def stage(where: Path) -> str:
    """How far a store has come."""
    try:
        root = zarr.open_group(str(where), mode="r", use_consolidated=False)
        state = schema.state_of(root)
        return f"{state}, {len(shards_to_do(root))} to do" if state == schema.COLLECTING else state
    except (FileNotFoundError, KeyError):
        return "nothing"


def test_killed_at_ten_random_moments(nursery, undisturbed, check, tmp_path) -> None:
    """One moment in each tenth of the time that a run takes."""
    rng, stages = random.Random(2), []
    for point in range(POINTS):
        where = tmp_path / f"{point}.zarr"
        name, process = nursery.start(where, pause=PAUSE)
        time.sleep((point + rng.random()) / POINTS * undisturbed.seconds)
        os.kill(process, signal.SIGKILL)
        ended = nursery.wait(name)
        stages.append((ended, stage(where)))
        nursery.finish(where)
        check(where)
        shutil.rmtree(where)
    print(stages)
    assert [ended for ended, _ in stages].count(KILLED) >= POINTS - 1  # the last may have been a bit faster
    assert len({found for _, found in stages}) >= 3


def test_killed_again_and_again(nursery, undisturbed, check, tmp_path) -> None:
    """A store that ten processes in a row work at, each of which dies."""
    rng, where = random.Random(3), tmp_path / "s.zarr"
    left = []
    for _ in range(POINTS):
        trap = {"what": "kill", "number": rng.randrange(12, 40)}
        left.append((nursery.run(where, trap=trap), stage(where)))
    print(left)
    nursery.finish(where)


def test_killed_at_any_object(nursery, undisturbed, check, tmp_path) -> None:
    rng, count = random.Random(4), len(undisturbed.written)
    for point in range(WRITES):
        where = tmp_path / f"{point}.zarr"
        number = int((point + rng.random()) / WRITES * count)
        what = "tear" if point % 2 else "kill"
        assert nursery.run(where, trap={"what": what, "number": number}) == KILLED
        print(point, number, undisturbed.written[number][-40:], stage(where))
        nursery.finish(where)
        check(where)
        shutil.rmtree(where)
