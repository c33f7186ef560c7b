"""The attribution graph without a browser: rows, state, drawings, the widget's traits."""

import json
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest

import fvhooks as fv
from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.circuits.illustrations import illustrated
from fvhooks.errors import MissingInputError
from fvhooks.synthesis.visualizations import as_visualizations
from fvhooks.units import Unit
from fvhooks.widgets.attribution_graph import live_graph
from fvhooks.widgets.graph_rows import centres_of, rows_of, sides_of
from fvhooks.widgets.graph_states import MOST_EDGES, drawable, state_of

SVG = "{http://www.w3.org/2000/svg}"


def random_graph(nodes: int, edges: int, rows: int = 5, pictures: bool = True) -> AttributionGraph:
    rng = np.random.default_rng(0)
    each = nodes // rows
    units = [f"layer{row}:{channel}" for row in range(rows) for channel in range(each)]
    source = rng.integers(0, each * (rows - 1), edges)
    target = (source // each + 1) * each + rng.integers(0, each, edges)
    pairs = list(zip(source.tolist(), target.tolist(), strict=True))
    weight, score = rng.normal(size=edges), rng.random(len(units))
    layers = [f"layer{row}" for row in range(rows)]
    graph = AttributionGraph.of(units, pairs, weight=weight, layers=layers, nodes={"score": score})
    if not pictures:
        return graph
    seen = rng.integers(0, 255, (len(units), 2, 3, 32, 32)).astype(np.uint8)
    return graph.illustrated(as_visualizations([Unit.parse(unit) for unit in units], seen))


def crossings(graph: AttributionGraph, rank: np.ndarray) -> int:
    (a, b), row = graph.pairs.T, rows_of(graph).row
    same = row[a][:, None] == row[a][None, :]
    turned = (rank[a][:, None] - rank[a][None, :]) * (rank[b][:, None] - rank[b][None, :]) < 0
    return int((same & turned).sum()) // 2


def test_barycentres_untangle_what_can_be_and_are_the_same_each_time() -> None:
    """Eight chains that never meet, their units in random order: an order without a crossing exists."""
    rng = np.random.default_rng(1)
    at = np.stack([rng.permutation(8) for _ in range(4)])
    units = [f"{row}:{channel}" for row in "abcd" for channel in range(8)]
    pairs = [
        (8 * row + int(at[row, k]), 8 * row + 8 + int(at[row + 1, k])) for row in range(3) for k in range(8)
    ]
    graph = AttributionGraph.of(units, pairs, weight=np.ones(len(pairs)), layers=list("abcd"))
    rows = rows_of(graph)
    for row in range(4):
        assert sorted(rows.rank[rows.row == row]) == list(range(8))
    assert crossings(graph, graph.data["channel"].values) > 20
    assert crossings(graph, rows.rank) == 0
    assert rows_of(graph).rank.tolist() == rows.rank.tolist()


def test_rows_are_centred_and_hiding_keeps_the_order() -> None:
    graph = random_graph(30, 40, pictures=False)
    rows, sides = rows_of(graph), sides_of(graph.data["score"].values)
    shown = graph.data["score"].values > 0.4
    centres = centres_of(rows, sides, shown)
    assert np.isnan(centres[~shown]).all()
    for row in range(5):
        members = np.flatnonzero((rows.row == row) & shown)
        members = members[np.argsort(centres[members, 0])]
        assert (np.diff(rows.rank[members]) > 0).all()
        ends = (
            centres[members[0], 0] - sides[members[0]] / 2,
            centres[members[-1], 0] + sides[members[-1]] / 2,
        )
        assert sum(ends) == pytest.approx(0)


def test_state_and_pictures_stay_within_a_megabyte() -> None:
    state = state_of(random_graph(1000, 5000, 10), 1_000_000)
    rest = {name: value for name, value in state.items() if name != "blobs"}
    assert len(state["blobs"]) + len(json.dumps(rest)) <= 1_000_000
    assert state["graph"]["atlas"]["tile"] < 32  # noise cannot be packed at its own size
    assert min(state["graph"]["nodes"]["thumb"]) >= 0


def test_of_a_graph_too_large_to_draw_the_strongest_part_is_drawn_and_told() -> None:
    graph, notes = drawable(random_graph(100, MOST_EDGES + 5, pictures=False))
    assert graph.data.sizes["edge"] == MOST_EDGES
    assert "10,000 strongest of 10,005 edges" in notes[0]


def test_the_widget_knows_its_units_and_what_ablates() -> None:
    traitlets = pytest.importorskip("traitlets")
    widget = live_graph(random_graph(10, 12))
    widget.selected = ["layer0:0", "layer1:1"]
    assert widget.selected == ["layer0:0", "layer1:1"]
    with pytest.raises(traitlets.TraitError, match=r"units of this graph .* got 'nobody'"):
        widget.selected = ["nobody"]
    assert not widget.can_ablate
    sent: list[dict[str, object]] = []
    widget.send = lambda content, buffers=None: sent.append(content)
    widget.on_ablate(lambda units: float(len(units)))
    assert widget.can_ablate
    widget._answer(widget, {"type": "ablate", "units": ["layer0:0"]}, [])
    assert sent[0]["text"] == "The margin changes by +1."
    widget.close()


def test_drawings_hold_every_unit_and_edge(tmp_path) -> None:
    graph = random_graph(25, 30)
    tree = ElementTree.parse(graph.to_svg(tmp_path / "graph.svg"))
    assert len(tree.findall(f".//{SVG}path")) == 30
    assert len(tree.findall(f".//{SVG}image")) == 25
    assert graph.to_png(tmp_path / "graph.png").stat().st_size > 10_000


def test_labels_stay_text_in_every_picture(tmp_path) -> None:
    hostile = "<script>alert(1)</script>&"
    graph = AttributionGraph.of([f"{hostile}:0"], [], weight=[], layers=[hostile], target=hostile)
    for text in (graph._repr_html_(), graph.to_html(tmp_path / "a.html").read_text()):
        assert "<script>alert" not in text
    ElementTree.parse(graph.to_svg(tmp_path / "a.svg"))


def test_what_a_notebook_shows_without_a_kernel_has_no_script_and_keeps_its_budget() -> None:
    graph = random_graph(300, 400)
    shown = graph._repr_html_()
    assert "<script" not in shown
    assert len(shown) < 1_000_000
    assert shown.count('scope="row"') == 300


def test_a_graph_is_the_same_after_saving(tmp_path) -> None:
    graph = random_graph(10, 12)
    graph.save(tmp_path / "g.zarr")
    again = fv.load(tmp_path / "g.zarr")
    assert again.data.equals(graph.data)


def test_pictures_of_other_units_are_refused() -> None:
    graph = random_graph(10, 12, pictures=False)
    vis = as_visualizations([Unit("elsewhere", 1)], np.zeros((1, 3, 8, 8), np.uint8))
    with pytest.raises(
        MissingInputError, match=r"pictures of the graph's units .* got pictures of elsewhere:1"
    ):
        illustrated(graph, vis)


@pytest.mark.real
def test_a_graph_of_a_real_network_is_illustrated(shared: ModuleType, tmp_path) -> None:
    model, mean, std = shared.load("cifar10_resnet20")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    images, labels = shared.cifar10("test")
    dataset = [(image, int(label)) for image, label in zip(images[:60], labels[:60], strict=True)]
    layers = ["layer1.2", "layer3.2"]
    store = fv.collect(hooked, dataset, tmp_path / "s.zarr", layers=layers, show_progress=False)
    units = ["layer1.2:3", "layer3.2:5", "logits:3"]
    graph = AttributionGraph.of(units, [(0, 1), (1, 2)], weight=[1, 2], layers=[*layers, "logits"])
    seen = graph.illustrated(store=store, hooked=hooked, examples=5).data
    whole = graph.illustrated(store=store, examples=5).data
    assert seen["top_image"].sizes["top"] == 5
    assert (
        seen["top_value"].values[0].tolist()
        == store.top_images(Unit("layer1.2", 3), k=5)["value"].values.tolist()
    )
    best = store.images(store.top_images(Unit("layer1.2", 3), k=1)["id"].values)[0]
    assert np.abs(whole["top_image"].values[0, 0] / 255 - best.numpy()).max() < 0.01
    cut = seen["top_image"].values[0, 0]
    assert len(np.unique(cut.reshape(3, -1).T, axis=0)) <= 7 * 7  # what a position of this layer sees
    state_of(AttributionGraph(seen.assign_attrs(graph.data.attrs)), 1_000_000)
