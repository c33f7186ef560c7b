"""Two processes at one store, and a process that is interrupted."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import zarr

from fvhooks.store.ledgers import shards_to_do

PAUSE = 0.004  # seconds that a picture takes
PATIENCE = 60.0


@pytest.mark.parametrize("behind", [0.0, 0.1, 0.5])
def test_two_collectors_at_one_store(nursery, undisturbed, values, same, tmp_path, behind) -> None:
    """Both end well, whether they begin together or one in the other's first or second half."""
    where = tmp_path / "s.zarr"
    first, _ = nursery.start(where, pause=PAUSE)
    time.sleep(behind * undisturbed.seconds)
    second, _ = nursery.start(where, pause=PAUSE)
    codes = [nursery.wait(first), nursery.wait(second)]
    assert codes == [0, 0], nursery.said(first) + nursery.said(second)
    same(undisturbed.values, values(where))
    nursery.finish(where, options={"repair": True})  # reads all
    same(undisturbed.values, values(where))


def done(where: Path) -> int:
    """How many shards are."""
    try:
        return 5 - len(shards_to_do(zarr.open_group(str(where), mode="r", use_consolidated=False)))
    except (FileNotFoundError, KeyError):
        return 0


@pytest.mark.parametrize("processes", [0, 2])
def test_an_interrupt_leaves_nothing_behind(nursery, check, tmp_path, processes) -> None:
    """Ctrl-C goes to all processes of a group."""
    where, facts = tmp_path / "s.zarr", tmp_path / "facts.json"
    options = {"decode_processes": processes}
    name, process = nursery.start(where, pause=3 * PAUSE, facts=str(facts), options=options)
    end = time.monotonic() + PATIENCE
    while not done(where):
        assert time.monotonic() < end
        time.sleep(0.005)
    os.killpg(process, signal.SIGINT)
    assert nursery.wait(name) == 130, nursery.said(name)
    assert json.loads(facts.read_text()) == {"threads": [], "hooks": 0, "children": []}
    assert done(where) < 5
    nursery.finish(where)
    check(where)
