"""Workers of a Dask client give the bits of one process, and one thread at a time runs a model."""

import threading

import pytest
import torch
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
            dashboard_address=None,
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


def test_the_users_thread_count_comes_back(hooked, data, collect, tmp_path) -> None:
    before = torch.get_num_threads()
    collect(hooked, data, tmp_path / "s.zarr", threads=before + 1)
    assert torch.get_num_threads() == before


def test_a_progress_bar_is_drawn_on_request(hooked, data, collect, tmp_path, capsys) -> None:
    collect(hooked, data, tmp_path / "s.zarr", show_progress=True)
    assert "90/90" in capsys.readouterr().err
    collect(hooked, data, tmp_path / "t.zarr")
    assert capsys.readouterr() == ("", "")
