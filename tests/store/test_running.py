"""Workers of a Dask client give the bits of one process, and one thread at a time runs a model."""

import os
import re
import threading
import time

import dask
import numpy as np
import pytest
import torch
import zarr
from torch import nn

import fvhooks as fv

distributed = pytest.importorskip("distributed")


@pytest.fixture(params=[True, False], ids=["processes", "threads"])
def client(request, tmp_path):
    workers = 2 if request.param else 1
    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1 if request.param else 2,
            processes=request.param,
            dashboard_address=":0",
            local_directory=str(tmp_path),
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_workers_give_the_bits_of_one_process(client, hooked, data, collect, path, values, tmp_path) -> None:
    store = collect(hooked, data, tmp_path / "s.zarr", client=client, threads=1)
    found, expected = values(store.path), values(path)
    assert found.keys() == expected.keys()
    different = [
        name
        for name in expected
        if (
            found[name].tolist() != expected[name].tolist()
            if expected[name].dtype.kind in "OT"
            else found[name].tobytes() != expected[name].tobytes()
        )
    ]
    assert different == []
    store.verify()


def test_one_thread_at_a_time_runs_a_model(client, data, collect, tmp_path) -> None:
    if client.cluster.processes:
        pytest.skip("processes have models of their own")

    class Alone(nn.Module):
        inside = 0
        most = 0
        lock = threading.Lock()

        def forward(self, x):
            with Alone.lock:
                Alone.inside += 1
                Alone.most = max(Alone.most, Alone.inside)
            threading.Event().wait(0.005)
            with Alone.lock:
                Alone.inside -= 1
            return x.mean((2, 3))

    net = nn.Sequential(nn.Identity(), Alone())
    collect(fv.attach(net, input_shape=(3, 12, 12)), data, tmp_path / "s.zarr", layers=["0"], client=client)
    assert Alone.most == 1


def test_a_factory_builds_the_model_where_it_runs(client, net, hooked, data, collect, path, tmp_path) -> None:
    def build() -> fv.HookedModel:
        (tmp_path / f"built-{os.getpid()}-{time.monotonic_ns()}").touch()
        return fv.attach(net, mean=[0.5] * 3, std=[0.25] * 3, input_shape=(3, 12, 12))

    store = collect(hooked, data, tmp_path / "s.zarr", client=client, threads=1, factory=build)
    built = list(tmp_path.glob("built-*"))
    assert 1 <= len(built) <= 2  # once a process
    expected = fv.open_store(path)["1"].peak.values
    np.testing.assert_array_equal(store["1"].peak.values, expected)

    def other() -> fv.HookedModel:
        return fv.attach(net, mean=[0.4] * 3, std=[0.25] * 3, input_shape=(3, 12, 12))

    with pytest.raises(fv.errors.StoreError, match="another model .preprocessing"):
        collect(hooked, data, tmp_path / "t.zarr", client=client, threads=1, factory=other)


def test_on_a_device_of_the_workers(client, hooked, data, collect, tmp_path) -> None:
    with pytest.raises(NotImplementedError, match="meta"):  # nothing computes there, which shows that it went
        collect(hooked, data, tmp_path / "s.zarr", client=client, threads=1, device="meta")
    assert hooked.device.type == "cpu"


def test_workers_that_die_are_named(data, collect, hooked, tmp_path) -> None:
    class Deadly(type(data)):
        home = os.getpid()

        def __getitem__(self, index):
            if os.getpid() != self.home:
                os._exit(1)
            return super().__getitem__(index)

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=":0", local_directory=str(tmp_path)
        ) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(fv.errors.WorkerError, match="stopped before all was done.*What is done is kept"),
    ):
        collect(hooked, Deadly(*data.tensors), tmp_path / "s.zarr", client=client)
    store = collect(hooked, data, tmp_path / "s.zarr")
    assert store.size == 90


def test_another_collector_is_told_of(hooked, data, collect, tmp_path, caplog) -> None:
    from fvhooks.collecting.heartbeats import Heart
    from fvhooks.store.schema import open_root

    store = collect(hooked, data, tmp_path / "s.zarr", layers=["1"])
    assert "heartbeat" not in zarr.open_group(str(tmp_path / "s.zarr"))["ledger"]
    other = Heart(open_root(store.path, "r+"))
    other.beat()
    other.listen()
    assert caplog.text == ""
    collect(hooked, data, store.path, layers=["3"])
    assert re.search(r"gave a sign of collecting into this store \d s ago", caplog.text)


def test_an_interrupt_while_the_sign_of_life_begins_ends_it(
    hooked, data, collect, tmp_path, monkeypatch
) -> None:
    whole = threading.Thread.start

    def interrupted(thread):
        whole(thread)
        if thread.name == "fvhooks-heart":
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        collect(hooked, data, tmp_path / "s.zarr", layers=["1"])
    assert not [one for one in threading.enumerate() if one.name.startswith("fvhooks")]


def test_the_users_thread_count_comes_back(hooked, data, collect, tmp_path) -> None:
    before = torch.get_num_threads()
    collect(hooked, data, tmp_path / "s.zarr", threads=before + 1)
    assert torch.get_num_threads() == before


def test_a_progress_bar_is_drawn_on_request(hooked, data, collect, tmp_path, capsys) -> None:
    collect(hooked, data, tmp_path / "s.zarr", show_progress=True)
    assert "90/90" in capsys.readouterr().err
    collect(hooked, data, tmp_path / "t.zarr")
    assert capsys.readouterr() == ("", "")
