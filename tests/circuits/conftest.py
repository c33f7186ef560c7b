"""A small network with labelled pictures in a store, and graphs made by hand."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.circuits.edges import EDGES, Evidence, PairEdges


@pytest.fixture(scope="package")
def hooked() -> fv.HookedModel:
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 16, 3)
    )
    return fv.attach(net, mean=[0.5] * 3, std=[0.25] * 3, input_shape=(3, 8, 8))


@pytest.fixture(scope="package")
def store(hooked, tmp_path_factory) -> fv.Store:
    generator = torch.Generator().manual_seed(5)
    images = torch.randint(0, 256, (120, 3, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 3, (120,), generator=generator)
    where = tmp_path_factory.mktemp("circuits") / "stats.zarr"
    data = TensorDataset(images, labels)
    return fv.collect(hooked, data, where, layers=["1", "3"], shard_size=50, show_progress=False)


@pytest.fixture
def given(monkeypatch):
    """Registers edges that are given; returns what they were asked."""

    def register(pairs, scores=None, images=10):
        asked = []

        def source(question):
            asked.append(question)
            return Evidence(pairs, scores, images)

        EDGES._load()
        monkeypatch.setitem(EDGES._entries, "given", source)
        monkeypatch.setitem(EDGES._owners, "given", __name__)
        return asked

    return register


def _dense(source: str, target: str, weights, halves=None) -> PairEdges:
    """Edges of a matrix (target channel, source channel), without its zeros."""
    matrix = np.asarray(weights, dtype=float)
    targets, sources = np.nonzero(matrix)
    parts = None if halves is None else np.stack([np.asarray(h, float)[targets, sources] for h in halves])
    return PairEdges(source, target, sources, targets, matrix[targets, sources], parts)


@pytest.fixture
def dense():
    """Edges of a matrix."""
    return _dense
