import numpy as np
import pytest
import torch

import fvhooks as fv
from fvhooks.circuits.attribution import attribution_graph
from fvhooks.circuits.class_maps import class_map, cosines, embeddings
from fvhooks.circuits.voting import choose_rule, class_votes
from fvhooks.errors import MissingInputError


def test_similarities_are_cosines_of_votes(store):
    found = class_map(store)
    shares = class_votes(store, "3", choose_rule(store, "3")).share.values
    expected = shares @ shares.T / np.outer(*[np.linalg.norm(shares, axis=1)] * 2)
    assert found.data["similarity"].sel(layer="3").values == pytest.approx(expected, abs=1e-6)
    (label, alike), *rest = found.similar(0, "3")
    assert alike == pytest.approx(np.delete(expected[0], 0).max(), abs=1e-6)
    assert len(rest) == 1
    assert label != 0


def test_what_is_said_of_each_class(store):
    data = class_map(store, names={0: "tench"}).data
    assert data["name"].values.tolist() == ["tench", "1", "2"]
    assert data["images"].values.tolist() == np.bincount(store.labels).tolist()
    assert data["histogram"].sum("bin").values.tolist() == np.bincount(store.labels).tolist()
    table = store.images_table
    judged = (table.split.values == "report") & (store.labels == 2)
    assert data["accuracy"].sel(label=2).item() == pytest.approx(
        (table.prediction.values == 2)[judged].mean()
    )


def test_maps_keep_distances_and_lie_near_each_other():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(9, 2))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    alike = cosines(points)
    turned = np.array([[0.0, -1.0], [1.0, 0.0]])
    one, other = embeddings(np.stack([alike, cosines(points @ turned)]))
    assert one == pytest.approx(other, abs=1e-8)
    apart = np.linalg.norm(one[:, None] - one[None], axis=-1)
    wanted = 1 - alike
    upper = np.triu_indices(9, 1)
    assert np.corrcoef(apart[upper], wanted[upper])[0, 1] > 0.9


def test_beside_a_graph(store, given, dense):
    given([dense("1", "3", np.full((5, 6), 0.5))])
    graph = attribution_graph(store, 1, edges="given", mass=1.0)
    found = class_map(store)
    both = found.beside(graph).data
    place = both["unit"].values.tolist().index("3:0")
    votes = class_votes(store, "3", choose_rule(store, "3")).share.values[:, 0]
    assert both["classes"].values[place] == (votes >= 0.5).sum()
    assert both["class_similarity"].sel(map_layer="3").sel({"class": 1}).item() == pytest.approx(1, abs=1e-6)
    assert found.beside(graph).layers == graph.layers


def test_saved(store, tmp_path):
    found = class_map(store)
    assert fv.load(found.save(tmp_path / "map.zarr")).data.equals(found.data)


def test_bad_input(store, hooked, tmp_path):
    with pytest.raises(MissingInputError, match="no label 7 on this map"):
        class_map(store).similar(7)
    pictures = torch.utils.data.TensorDataset(torch.rand(12, 3, 8, 8), torch.zeros(12, dtype=torch.int64))
    bare = fv.collect(hooked, pictures, tmp_path / "a.zarr", layers=["1"], show_progress=False)
    with pytest.raises(MissingInputError, match="two labels or more, got 1"):
        class_map(bare)


def test_as_a_page_it_names_the_nearest_classes(store, tmp_path):
    page = class_map(store, names={1: "<b>trout</b>"}).to_html(tmp_path / "map.html").read_text()
    assert page.count("<tr>") == 1 + 3
    assert "&lt;b&gt;trout&lt;/b&gt;" in page
