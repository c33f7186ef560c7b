"""Ablation on held-out images: a network whose answer is known, and a trained one."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.circuits import margin_change
from fvhooks.circuits.ablations import Stage, masks
from fvhooks.circuits.edge_effects import effects
from fvhooks.circuits.edges import EDGES, Question
from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.circuits.rivals import head, matched
from fvhooks.circuits.verification import verify
from fvhooks.errors import LayerNotFoundError, MissingInputError, StoreError

TINY = ["1", "3"]


@pytest.fixture(scope="module")
def paths() -> fv.HookedModel:
    """Three colours, three paths: unit c is of colour c in both layers, and so is output c."""
    net = nn.Sequential(
        nn.Conv2d(3, 6, 1, bias=False), nn.ReLU(), nn.Conv2d(6, 6, 1, bias=False), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3, bias=False),
    )  # fmt: skip
    with torch.no_grad():
        for index in (0, 2, 6):
            net[index].weight.zero_()
        for c in range(3):
            net[0].weight[c, c], net[2].weight[(c + 1) % 3, c], net[6].weight[c, (c + 1) % 3] = 1, 2, 3
    return fv.attach(net, input_shape=(3, 4, 4))


@pytest.fixture(scope="module")
def store(paths, tmp_path_factory) -> fv.Store:
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(150) % 3
    images = torch.randint(0, 60, (150, 3, 4, 4), generator=generator, dtype=torch.uint8)
    images[torch.arange(150), labels] += 150
    where = tmp_path_factory.mktemp("paths") / "stats.zarr"
    return fv.collect(paths, TensorDataset(images, labels), where, layers=TINY, show_progress=False)


@pytest.fixture
def graph() -> AttributionGraph:
    """The path of class 1, and an edge that is none."""
    return AttributionGraph.of(
        ["1:1", "1:0", "3:2"], [(0, 2), (1, 2)], weight=[2.0, 0.1], layers=TINY, label=1, target=1
    )


def _report(store, label) -> tuple[np.ndarray, torch.Tensor]:
    table = store.images_table
    rows = np.flatnonzero((table.split.values == "report") & (table.label.values == label))
    return rows, store.images(table.id.values[rows])


def test_the_margin_changes_by_what_the_unit_gives(paths, store) -> None:
    _, images = _report(store, 1)
    mean = float(store["3"].natural_mean[2])
    expected = -3 * (2 * images[:, 1].mean((1, 2)) - mean).mean()
    found = margin_change(paths, store, [fv.Unit("3", 2), fv.Unit.logit(1)], 1)
    assert found.value == pytest.approx(float(expected), rel=1e-4)
    assert found.low <= found.value <= found.high < 0
    others = margin_change(paths, store, [fv.Unit("3", 2)], 1, keep=True)
    rest = torch.from_numpy(store["3"].natural_mean.values)[:2] - 2 * images[:, [2, 0]].mean((0, 2, 3))
    assert others.value == pytest.approx(-3 / 2 * float(rest.sum()), rel=1e-4)
    resampled = margin_change(paths, store, [fv.Unit("3", 2)], 1, how="resample")
    assert resampled.value < found.value  # other classes have less of it than the mean, which this one is in


def test_nothing_is_measured_on_images_that_made_the_graph(paths, store) -> None:
    stage = Stage.of(paths, store, 1)
    rows, _ = _report(store, 1)
    split = dict(zip(store.images_table.id.values, store.images_table.split.values, strict=True))
    label = dict(zip(store.images_table.id.values, store.images_table.label.values, strict=True))
    assert sorted(stage.ids[: stage.own]) == sorted(map(str, store.images_table.id.values[rows]))
    assert {split[name] for name in (*stage.ids, *stage.donors)} == {"report"}
    assert all(label[a] != label[b] for a, b in zip(stage.ids, stage.donors, strict=True))
    assert len(stage.ids) == 2 * stage.own
    assert Stage.of(paths, store, 1, images=2).own == 2


def test_a_graph_of_the_path_is_verified(paths, store, graph, untouched) -> None:
    with untouched(paths.model):
        found = graph.verify(paths, store)
    assert found.data.sizes["layer"] == 2
    assert found.data["units"].values.tolist() == [2, 1]
    own, random = found.change(), found.change("random")
    assert (own.values < 0).all()
    assert own.sel(layer="3") < random.sel(layer="3") - 0.5
    assert found.change("gradient × activation").sel(layer="3") == pytest.approx(float(own.sel(layer="3")))
    np.testing.assert_allclose(own.sel(layer="3"), margin_change(paths, store, [fv.Unit("3", 2)], 1).value)
    lead = found.data.sel(layer="3", chosen_by="random", action="ablated", how="mean", images="own class")
    assert lead["lead_high"] < 0
    kept = found.change(action="kept alone").sel(layer="3")
    assert kept > own.sel(layer="3")
    assert "3: 1 of 6 ablated by mean: graph -" in repr(found)


def test_an_edge_that_is_there_has_an_effect(paths, store, graph) -> None:
    stage = Stage.of(paths, store, 1)
    there, none = effects(graph, stage)
    assert none == pytest.approx(0, abs=1e-6)
    assert 0.5 < there < 1


def test_a_verification_shows_and_keeps_itself(paths, store, graph, tmp_path) -> None:
    found = graph.verify(paths, store, images=4, draws=1)
    page = found._repr_html_()
    assert page.count("<table") == 4
    assert f"{float(found.change().sel(layer='3')):.2f} [" in page
    again = fv.load(found.save(tmp_path / "verification"))
    assert again.data.identical(found.data)
    assert repr(again) == repr(found)


def test_random_sets_have_the_size_and_nearly_the_mass() -> None:
    generator = np.random.default_rng(0)
    mass = np.exp(generator.normal(size=64) * 2)
    kept = head(mass, 6)
    drawn = [matched(kept, mass, generator) for _ in range(50)]
    assert all(mask.sum() == 6 and not (mask & kept).any() for mask in drawn)
    unmatched = [generator.permutation(mass)[:6].sum() for _ in range(50)]
    assert np.mean([mass[mask].sum() for mask in drawn]) > 1.5 * np.mean(unmatched)
    assert matched(~kept, mass, generator).sum() == 58  # more than there are others


def test_what_cannot_be_is_told_with_a_way_out(paths, store, graph, tmp_path) -> None:
    with pytest.raises(MissingInputError, match="does not say which class it is of; pass label="):
        verify(AttributionGraph.of(["1:0"], [], weight=[], layers=TINY), paths, store)
    with pytest.raises(MissingInputError, match="no readable image of label 9 in its report split"):
        graph.verify(paths, store, label=9)
    with pytest.raises(MissingInputError, match="got none"):
        margin_change(paths, store, [fv.Unit.logit(1)], 1)
    with pytest.raises(MissingInputError, match="Expected how to be one of .*, got 'zero'"):
        margin_change(paths, store, graph.units, 1, how="zero")
    with pytest.raises(LayerNotFoundError, match="no layer '5'"):
        margin_change(paths, store, [fv.Unit("5", 0)], 1)
    with pytest.raises(MissingInputError, match="has 6 channels, counted from 0; got '1:6'"):
        masks(store, [fv.Unit("1", 6)])
    with pytest.raises(MissingInputError, match="Expected one random set or more, got draws=0"):
        graph.verify(paths, store, draws=0)
    other = fv.attach(
        nn.Sequential(*[type(m)(3, 6, 1) if i == 0 else m for i, m in enumerate(paths.model)]),
        input_shape=(3, 4, 4),
    )
    with pytest.raises(StoreError):
        graph.verify(other, store)
    images = torch.randint(0, 256, (20, 3, 4, 4), dtype=torch.uint8)
    bare = fv.collect(paths, TensorDataset(images), tmp_path / "bare.zarr", layers=TINY, show_progress=False)
    with pytest.raises(MissingInputError, match="the store has no labels"):
        graph.verify(paths, bare)


@pytest.mark.real
def test_on_a_trained_network_relevance_ablates_harder_and_says_what_happens(shared, tmp_path) -> None:
    model, mean, std = shared.load("cifar10_resnet20")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    images, labels = (x[:600] for x in shared.cifar10("train"))
    layers = ["layer3.0", "layer3.1"]
    store = fv.collect(
        hooked, TensorDataset(images, labels), tmp_path / "r.zarr", layers=layers, show_progress=False
    )
    table = store.images_table
    rows = np.flatnonzero((table.label.values == 3) & (table.split.values != "report"))
    question = Question(store, 3, 3, layers, rows, np.arange(len(rows)) % 2, "all", hooked, {"width": 8})
    found = EDGES["relevance"](question)
    kept = {layer: np.flatnonzero(head(found.scores[layer], 8)) for layer in layers}
    ids = [f"{layer}:{channel}" for layer in layers for channel in kept[layer]]
    pair = found.pairs[0]
    edges, weights = [], []
    for source, target, weight in zip(pair.sources, pair.targets, pair.weights, strict=True):
        if f"{layers[0]}:{source}" in ids and f"{layers[1]}:{target}" in ids:
            edges.append((ids.index(f"{layers[0]}:{source}"), ids.index(f"{layers[1]}:{target}")))
            weights.append(weight)
    graph = AttributionGraph.of(ids, edges, weight=weights, layers=layers, label=3)
    checked = graph.verify(hooked, store, images=12, draws=2)
    assert (checked.change() < 3 * checked.change("random")).all()
    assert (checked.change() < checked.change("top activation")).all()
    assert float(checked.data["agreement"][0]) > 0.5
    assert float(checked.data["agreement"][0]) > float(checked.data["control"][0]) + 0.2


def test_images_that_made_the_graph_do_not_verify_it(paths, tmp_path) -> None:
    images = torch.rand(60, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(images, torch.arange(60) % 3)
    store = fv.collect(paths, data, tmp_path / "a.zarr", layers=TINY, show_progress=False)
    report = store.images_table.id.values[store.in_split("report") & (store.labels == 1)]
    named = str(report[0])
    stage = Stage.of(paths, store, 1, without=(named,))
    assert named not in (*stage.ids, *stage.donors)
    assert named in Stage.of(paths, store, 1, images=None).ids
