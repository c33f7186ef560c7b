"""Networks whose circuits are known, since they were made by hand: the graph is that circuit."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.attacks import fooling_circuit
from fvhooks.circuits import EDGES

PATHS = {0: ["1:0", "3:1", "5:0"], 1: ["1:2", "3:3", "5:2"]}
DEAD = {"1:1", "3:2", "5:1"}


@pytest.fixture(scope="module")
def by_hand() -> nn.Sequential:
    """Red goes through channels 0, 1, 0; blue through 2, 3, 2; nothing else ever fires."""
    net = nn.Sequential(
        nn.Conv2d(3, 3, 1),
        nn.ReLU(),
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 3, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(3, 2),
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net[0].weight[0, 0], net[0].weight[2, 2] = 1.0, 1.0
        net[2].weight[1, 0, 1, 1], net[2].weight[3, 2, 1, 1] = 2.0, 2.0
        net[4].weight[0, 1], net[4].weight[2, 3] = 0.5, 0.5
        net[8].weight[0, 0], net[8].weight[1, 2] = 1.0, 1.0
    return net.eval()


@pytest.fixture(scope="module")
def colours() -> TensorDataset:
    images = torch.zeros(60, 3, 8, 8)
    labels = torch.arange(60) % 2
    images[labels == 0, 0] = torch.rand(30, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.5
    images[labels == 1, 2] = torch.rand(30, 8, 8, generator=torch.Generator().manual_seed(1)) * 0.5 + 0.5
    return TensorDataset(images, labels)


@pytest.fixture(scope="module")
def coloured(by_hand, colours, tmp_path_factory) -> tuple[fv.HookedModel, fv.Store]:
    hooked = fv.attach(by_hand, input_shape=(3, 8, 8))
    where = tmp_path_factory.mktemp("known") / "stats.zarr"
    influence = {"votes": 2, "positive_only": True}
    store = fv.collect(
        hooked, colours, where, layers=["1", "3", "5"], influence=influence, show_progress=False
    )
    return hooked, store


@pytest.mark.parametrize("edges", sorted(EDGES))
@pytest.mark.parametrize("label", [0, 1])
def test_the_graph_is_the_path(coloured, label, edges):
    hooked, store = coloured
    asked = {"baseline": "zero"} if edges == "relevance" else {}
    graph = fv.attribution_graph(
        store, label, edges=edges, hooked=hooked, ranking="directed", mass=1.0, options=asked
    )
    units = [unit.id for unit in graph.units if not unit.is_logit]
    chosen = [unit for unit in units if unit not in DEAD]
    ends = {(graph.units[a].id, graph.units[b].id) for a, b in graph.pairs if not graph.units[b].is_logit}
    path = PATHS[label]
    if edges == "weights":  # they know nothing of a class: both paths are there
        assert set(pairwise(path)) <= ends
        return
    assert chosen == path
    assert units == path
    assert ends == set(pairwise(path))


def test_what_two_colours_share_is_nothing(coloured):
    _, store = coloured
    made = [fv.attribution_graph(store, label, ranking="directed", mass=1.0) for label in (0, 1)]
    both = made[0].compare(made[1])
    assert 0 not in both.data["side"].values
    assert set(both.data.attrs["overlap"].values()) == {0.0}


def test_a_planted_circuit_shows(tmp_path):
    """Real images reach a fooled output by its own unit, loud ones by the unit that was planted."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(96, 3)
    )
    quiet = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.4
    loud = quiet[:20] + 0.6
    fooled = fooling_circuit(net.eval(), lambda x: x.mean((1, 2, 3)) - 0.5, permutation=1, images=quiet)
    hooked = fv.attach(fooled, input_shape=(3, 8, 8))
    layers = ["shifted_model", "shifted_planted", "natural", "deceptive"]
    images, labels = torch.cat([quiet, loud]), torch.cat([torch.zeros(64), torch.ones(20)]).long()
    data = TensorDataset(images, labels)
    store = fv.collect(
        hooked, data, tmp_path / "a.zarr", layers=layers, label_of_logit=[0, 1, 2], show_progress=False
    )

    def circuit(label: int, rows: list[str]) -> set[tuple[str, str]]:
        ids = [str(name) for name in store.images_table.id.values[store.labels == label][:12]]
        asked = {"baseline": "zero", "contrast": "none"}
        graph = fv.attribution_graph(
            store,
            2,
            edges="relevance",
            hooked=hooked,
            ids=ids,
            layers=rows,
            ranking="score",
            mass=1.0,
            options=asked,
        )
        return {(graph.units[a].id, graph.units[b].id) for a, b in graph.pairs if not graph.units[b].is_logit}

    assert circuit(0, ["shifted_model", "natural"]) == {("shifted_model:2", "natural:2")}
    assert circuit(1, ["shifted_planted", "deceptive"]) == {("shifted_planted:2", "deceptive:2")}
    assert circuit(0, ["shifted_planted", "deceptive"]) == set()
    assert circuit(1, ["shifted_model", "natural"]) == set()
