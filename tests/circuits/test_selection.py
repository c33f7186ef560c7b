import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fvhooks.circuits.selection import Selection, by_mass
from fvhooks.errors import MissingInputError

ranks_ = st.lists(st.floats(0, 1), min_size=6, max_size=6).map(np.array)
ROWS = np.array([0, 0, 1, 1, 2, 2])
EVERY = np.array([(a, b) for a in range(4) for b in (range(2, 4) if a < 2 else range(4, 6))])


@given(ranks_, st.floats(0.01, 1), st.sampled_from(["per_layer", "unified"]))
def test_kept_are_a_prefix_and_layers_are_joined(ranks, mass, kind):
    kept = Selection(kind, mass)(ranks, ROWS, EVERY)
    for members in [np.arange(6)] if kind == "unified" else [row == ROWS for row in range(3)]:
        inside, own = kept[members], ranks[members]
        if inside.any() and not inside.all():
            assert own[inside].min() >= own[~inside].max()
    positive = ranks > 0
    for low, high in ((0, 1), (1, 2)):
        if positive[low == ROWS].any() and positive[high == ROWS].any():
            assert kept[high == ROWS].any()
            assert kept[low == ROWS].any()
    assert not kept[~positive].any()


@given(ranks_, st.floats(0.01, 0.9), st.floats(0, 0.1), st.sampled_from(["per_layer", "unified"]))
def test_more_mass_keeps_more(ranks, mass, more, kind):
    few = Selection(kind, mass)(ranks, ROWS, EVERY)
    many = Selection(kind, mass + more)(ranks, ROWS, EVERY)
    if kind == "per_layer":
        assert not (few & ~many).any()
    assert many.sum() >= few.sum() - (0 if kind == "per_layer" else 2)  # relaxed in steps, from elsewhere


def test_relaxation_takes_more_of_the_layers_that_are_apart_alone():
    ranks = np.array([0.6, 0.4, 0.7, 0.3, 0.6, 0.4])
    rows = np.array([0, 0, 1, 1, 2, 2])
    kept = Selection("per_layer", 0.3)(ranks, rows, np.array([[0, 3], [2, 4], [3, 5]]))
    assert kept.tolist() == [True, True, True, True, True, False]


def test_layers_that_have_no_edges_end_the_relaxation():
    assert Selection("unified", 0.5)(
        np.array([3.0, 1.0]), np.array([0, 1]), np.zeros((0, 2), int)
    ).tolist() == [
        True,
        False,
    ]


def test_head():
    assert by_mass(np.array([1.0, 3.0, 0.0, 2.0]), 0.5).tolist() == [1]
    assert by_mass(np.array([1.0, 3.0, 0.0, 2.0]), 0.51).tolist() == [1, 3]
    assert by_mass(np.array([1.0, 3.0, 0.0, 2.0]), 0.01, 9).tolist() == [1, 3, 0]
    assert by_mass(np.zeros(3), 1.0).tolist() == []


def test_bad_mass():
    with pytest.raises(MissingInputError, match="above 0 and at most 1, got 15"):
        Selection("per_layer", 15)(np.ones(2), np.array([0, 1]), np.array([[0, 1]]))
