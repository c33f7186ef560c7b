import numpy as np
import pytest

import fvhooks as fv
from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.errors import MissingInputError


def made(activations) -> tuple[AttributionGraph, fv.Visualizations]:
    graph = AttributionGraph.of(["1:0", "3:1"], [(0, 1)], weight=[1.0], layers=["1", "3"])
    pictures = np.full((2, 2, 3, 8, 8), 128, np.uint8)
    vis = fv.as_visualizations(graph.units, pictures)
    return graph, fv.Visualizations(vis.data.assign(activation=(("unit", "seed"), np.array(activations))))


def test_a_picture_that_leaves_its_unit_silent_is_not_shown():
    graph, vis = made([[0.0, 0.0], [0.0, 2.0]])
    assert graph.illustrated(vis).data["pictured"].values.tolist() == [False, True]


def test_pictures_that_all_are_silent_are_refused_as_none():
    graph, vis = made([[0.0, 0.0], [0.0, 0.0]])
    with pytest.raises(MissingInputError, match="Expected pictures of the graph's units"):
        graph.illustrated(vis)


def test_real_images_come_from_the_store(store):
    graph = AttributionGraph.of(["1:0", "3:1", "gone:2"], [(0, 1)], weight=[1.0], layers=["1", "3", "gone"])
    shown = graph.illustrated(store=store, examples=3).data
    top = store.top_images(fv.Unit("3", 1), k=3)
    assert shown["top_id"].values[1].tolist() == [str(name) for name in top["id"].values]
    assert shown["top_image"].sizes["top"] == 3
