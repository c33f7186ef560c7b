"""A small network, and 90 small labelled pictures."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv

LAYERS = ["1", "0", "3"]


@pytest.fixture(scope="session")
def net() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 20, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 6, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(54, 4),
    )


@pytest.fixture(scope="session")
def hooked(net: nn.Module) -> fv.HookedModel:
    return fv.attach(net, mean=[0.5] * 3, std=[0.25] * 3, input_shape=(3, 12, 12))


@pytest.fixture(scope="session")
def data() -> TensorDataset:
    generator = torch.Generator().manual_seed(5)
    images = torch.randint(0, 256, (90, 3, 12, 12), generator=generator, dtype=torch.uint8)
    return TensorDataset(images, torch.randint(0, 4, (90,), generator=generator))


@pytest.fixture(scope="session")
def path(hooked: fv.HookedModel, data: TensorDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished store, for reading only."""
    where = tmp_path_factory.mktemp("store") / "stats.zarr"
    collect(hooked, data, where)
    return where


@pytest.fixture
def store(path: Path, data: TensorDataset) -> fv.Store:
    return fv.open_store(path, data)


def collect(hooked, data, where, **options) -> fv.Store:
    given = {"layers": LAYERS, "shard_size": 20, "batch_size": 8, "references": 9, "show_progress": False}
    return fv.collect(hooked, data, where, **(given | options))


@pytest.fixture(scope="session", name="collect")
def collect_fixture():
    """`fvhooks.collect` with small shards and batches."""
    return collect


@pytest.fixture(scope="session")
def values():
    """path -> every array of a store, by its path."""
    import numpy as np
    import zarr

    def read(where) -> dict[str, np.ndarray]:
        root = zarr.open_group(str(where), mode="r", use_consolidated=False)
        return {
            name: np.asarray(array[...])
            for name, array in root.members(max_depth=None)
            if isinstance(array, zarr.Array)
        }

    return read
