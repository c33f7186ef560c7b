"""Units ranked by relevance, from what Captum returns."""

import pytest
import torch
from captum.attr import LayerGradientXActivation
from torch import nn

import fvhooks as fv
from fvhooks.errors import NonFiniteError, ShapeError
from fvhooks.relevance.ranking import strongest
from fvhooks.units import Layout


def test_the_strongest_over_a_batch_and_for_each_image() -> None:
    attributions = torch.zeros(2, 4, 3, 3)
    attributions[0, 1], attributions[1, 2], attributions[:, 3] = 3.0, 1.0, 1.5
    assert [unit.channel for unit in fv.top_units(attributions, "x", k=3)] == [1, 3, 2]
    each = fv.top_units(attributions, "x", k=2, per_image=True)
    assert [[unit.channel for unit in units] for units in each] == [[1, 3], [3, 2]]


def test_what_speaks_against_the_target_comes_last() -> None:
    attributions = torch.tensor([[0.5, -9.0, 0.1]])
    assert [unit.channel for unit in fv.top_units(attributions, "fc", k=3)] == [0, 2, 1]


def test_a_layout_says_where_the_channel_is() -> None:
    last = torch.zeros(1, 5, 5, 3)
    last[..., 2] = 1
    assert fv.top_units(last, "x", k=1, layout=Layout("channels_last", 3, (5, 5)))[0].channel == 2
    tokens = torch.zeros(1, 17, 8)
    tokens[..., 6] = 1
    assert fv.top_units(tokens, "x", k=1)[0].channel == 6


def test_a_captum_result_as_it_comes() -> None:
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 2))
    hooked = fv.attach(net, input_shape=(3, 8, 8))
    attributions = LayerGradientXActivation(hooked.module, net[1]).attribute(torch.rand(4, 3, 8, 8), target=1)
    (best,) = fv.top_units(attributions, "1", k=1, layout=hooked.layout("1"))
    assert best.channel == int(attributions.sum((0, 2, 3)).argmax())
    assert fv.top_units((attributions,), "1", k=1) == [best]


def test_wrong_attributions_are_refused() -> None:
    with pytest.raises(ShapeError, match="attributions of one layer, got 2 tensors"):
        fv.top_units([torch.zeros(1, 2), torch.zeros(1, 3)], "x")
    with pytest.raises(ShapeError, match=r"got shape \(2, 3, 4, 5, 6\)"):
        fv.top_units(torch.zeros(2, 3, 4, 5, 6), "x")
    broken = torch.zeros(3, 2)
    broken[1, 0] = float("nan")
    with pytest.raises(NonFiniteError, match=r"images \[1\]"):
        fv.top_units(broken, "x")
    with pytest.raises(ShapeError, match=r"one image or more, got shape \(0, 3\)"):
        fv.top_units(torch.zeros(0, 3), "x")
    with pytest.raises(ValueError, match="k=0"):
        fv.top_units(torch.zeros(1, 2), "x", k=0)


def test_of_equal_units_the_first_comes_first() -> None:
    equal = torch.tensor([[0.0, 2.0, 2.0, 2.0, 1.0]])
    assert strongest(equal, 2).tolist() == [[1, 2]]
    assert [unit.channel for unit in fv.top_units(equal, "fc", k=9)] == [1, 2, 3, 4, 0]


@pytest.mark.parametrize("k", [0, -3])
def test_no_unit_cannot_be_chosen_for_an_image_either(k: int) -> None:
    with pytest.raises(ValueError, match=f"one unit or more, got k={k}"):
        fv.top_units(torch.zeros(1, 2), "x", k=k, per_image=True)
