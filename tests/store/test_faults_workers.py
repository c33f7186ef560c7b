"""Workers and schedulers that die while they collect."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import zarr

from fvhooks.errors import WorkerError
from fvhooks.store.ledgers import shards_to_do

distributed = pytest.importorskip("distributed")

SHARD = 20
PATIENCE = 60.0


@pytest.fixture
def watched(data, tmp_path):
    """The pictures, which a task that reads them writes down; the first to read a fatal one gets killed."""
    folder = tmp_path

    class Watched(type(data)):
        fatal = -1
        home = os.getpid()

        def __getitem__(self, index):
            if os.getpid() != self.home:
                with (folder / "reads").open("a") as file:
                    file.write(f"{index} {os.getpid()}\n")
                time.sleep(0.01)
                if index == self.fatal and not (folder / "dead").exists():
                    (folder / "dead").touch()
                    os.kill(os.getpid(), signal.SIGKILL)
            return super().__getitem__(index)

    return Watched(*data.tensors)


def reads(folder: Path) -> list[list[int]]:
    """(item, process) of each picture that a worker read."""
    file = folder / "reads"
    return (
        [[int(word) for word in line.split()] for line in file.read_text().splitlines()]
        if file.exists()
        else []
    )


def redone(folder: Path) -> int:
    return sum(count - 1 for count in Counter(item for item, _ in reads(folder)).values())


@pytest.mark.parametrize("workers", [1, 2], ids=["the only one", "one of two"])
def test_a_worker_that_dies_in_a_task_is_made_up_for(  # noqa: PLR0917 - fixtures
    hooked, watched, collect, path, values, same, tmp_path, workers
) -> None:
    watched.fatal = int(values(path)["images/index"][55])
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0", local_directory=str(tmp_path)
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        store = collect(hooked, watched, tmp_path / "s.zarr", client=client, threads=1)
    assert (tmp_path / "dead").exists()
    assert len({process for _, process in reads(tmp_path)}) >= 2
    same(values(path), values(store.path))
    store.verify()
    assert 0 < redone(tmp_path) <= SHARD  # of the task that it died in, however many answers it took along


def spawn(program: str, *words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{program}", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


@pytest.fixture
def processes(tmp_path):
    """A scheduler and a worker, as one starts them on two machines."""
    file = tmp_path / "scheduler.json"
    common = ["--scheduler-file", str(file), "--no-dashboard"]
    started = [spawn("dask_scheduler", "--host", "127.0.0.1", "--port", "0", *common)]
    started.append(
        spawn("dask_worker", "--no-nanny", "--nthreads", "1", "--local-directory", str(tmp_path), *common)
    )
    yield started
    for one in started:
        one.kill()
        one.wait(timeout=PATIENCE)


@pytest.fixture
def client(processes, tmp_path):
    file, end = tmp_path / "scheduler.json", time.monotonic() + PATIENCE
    while not file.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    with distributed.Client(scheduler_file=str(file), timeout=4) as client:
        client.wait_for_workers(1, timeout=PATIENCE)
        yield client


def test_a_scheduler_that_dies_is_an_error_that_says_so(  # noqa: PLR0917 - fixtures
    hooked, data, watched, collect, path, values, same, tmp_path, processes, client
) -> None:
    def kill() -> None:
        end = time.monotonic() + PATIENCE
        while len(reads(tmp_path)) < 50 and time.monotonic() < end:
            time.sleep(0.005)
        processes[0].kill()

    murderer = threading.Thread(target=kill)
    murderer.start()
    with pytest.raises(
        WorkerError, match="stopped before all was done.*lost the connection.*What is done is kept"
    ):
        collect(hooked, watched, tmp_path / "s.zarr", client=client, threads=1)
    murderer.join()
    to_do = shards_to_do(zarr.open_group(str(tmp_path / "s.zarr"), mode="r", use_consolidated=False))
    left = sum(min(SHARD, len(data) - shard * SHARD) for shard in to_do)
    begun = {item for item, _ in reads(tmp_path)}
    assert 0 <= len(begun) - (len(data) - left) <= SHARD  # the shard of the only worker
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as fresh,
    ):
        again = collect(hooked, watched, tmp_path / "s.zarr", client=fresh, threads=1)
    same(values(path), values(again.path))
    again.verify()


def test_a_scheduler_that_is_gone_before_it_begins(
    hooked, data, collect, tmp_path, processes, client
) -> None:
    processes[0].kill()
    processes[0].wait()
    with pytest.raises(WorkerError, match="stopped before all was done") as info:
        collect(hooked, data, tmp_path / "s.zarr", client=client)
    assert "\n" not in str(info.value)
