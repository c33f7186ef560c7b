"""Processes that are killed: what is collected afterwards has the bits of a run that never was."""

import random
import shutil
import signal
import time
from pathlib import Path

import os
import numpy as np
import pytest
import zarr

import fvhooks as fv

SHARD = 20
KILLED = -signal.SIGKILL
POINTS = 10


@pytest.fixture(scope="module")
def undisturbed(nursery, tmp_path_factory) -> tuple[Path, float, list[str]]:
    """A store collected by a process that nothing happened to, its duration, and the objects that it wrote."""
    import json

    folder = tmp_path_factory.mktemp("undisturbed")
    nursery.finish(folder / "first.zarr")  # what is read from disk once is not counted
    began = time.monotonic()
    nursery.finish(folder / "s.zarr", facts=str(folder / "written.json"), pause=0.004)
    duration = time.monotonic() - began
    assert nursery.redone(folder / "s.zarr") == []
    print("DURATION", duration)
    return folder / "s.zarr", duration, json.loads((folder / "written.json").read_text())

def test_x(undisturbed):
    w=undisturbed[2]
    print(len(w)); 
    for i,x in enumerate(w): print(i, x.split("s.zarr/")[1])
