import numpy as np
import pytest

from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.errors import MissingInputError


def graph(units, edges, weights, **about) -> AttributionGraph:
    scores = {"score": np.linspace(0.1, 1, len(units))}
    return AttributionGraph.of(
        units, edges, weight=weights, layers=["a", "b"], nodes=scores, edges="given", **about
    )


BLACK = (["a:0", "a:1", "b:1"], [(0, 2), (1, 2)], [1.0, 3.0])
BROWN = (["a:0", "b:1", "b:2"], [(0, 1), (0, 2)], [-2.0, 4.0])


def test_sides_and_values():
    both = graph(*BLACK, name="black").compare(graph(*BROWN, name="brown"))
    sides = dict(zip(both.data["unit"].values, both.data["side"].values, strict=True))
    assert sides == {"a:0": 0, "a:1": -1, "b:1": 0, "b:2": 1}
    units = both.units
    edges = {
        (units[a].id, units[b].id): (int(side), float(weight))
        for (a, b), side, weight in zip(
            both.pairs, both.data["edge_side"].values, both.data["weight"].values, strict=True
        )
    }
    assert edges == {("a:0", "b:1"): (0, -2.0), ("a:1", "b:1"): (-1, 3.0), ("a:0", "b:2"): (1, 4.0)}
    assert both.data.attrs["overlap"] == {"a": 0.5, "b": 0.5}
    assert both.data.attrs["name"] == "black and brown"
    assert both.data.attrs["sides"] == ["black", "brown"]
    assert both.data["score"].sel(node=0) == 0.1
    assert np.isnan(both.data["score_second"].values[1])


def test_with_itself_everything_is_shared():
    both = graph(*BLACK).compare(graph(*BLACK))
    assert not both.data["side"].values.any()
    assert not both.data["edge_side"].values.any()
    assert both.data["weight"].values.tolist() == [1.0, 3.0]


def test_other_layers_and_kinds_are_refused():
    one = graph(*BLACK)
    other = AttributionGraph.of(["c:0"], [], weight=[], layers=["c"], edges="given")
    with pytest.raises(MissingInputError, match="over the same layers"):
        one.compare(other)
    with pytest.raises(MissingInputError, match="the same kind of edges, got 'given' and 'relevance'"):
        one.compare(AttributionGraph(one.data.assign_attrs(edges="relevance")))


def test_of_what_both_are_sure_of_the_less_stable_counts():
    one, other = (
        AttributionGraph(graph(*parts).data.assign(stability=("edge", stable)))
        for parts, stable in ((BLACK, [0.9, 0.5]), (BROWN, [0.4, 0.7]))
    )
    both = one.compare(other)
    ends = {
        (both.units[a].id, both.units[b].id): s
        for (a, b), s in zip(both.pairs, both.data["stability"].values, strict=True)
    }
    assert ends == {("a:0", "b:1"): 0.4, ("a:1", "b:1"): 0.5, ("a:0", "b:2"): 0.7}
