"""What cannot be compared fairly is refused, with what to do."""

import numpy as np
import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.errors import ImageError, MissingInputError, NonFiniteError, ShapeError, UnsupportedModelError
from fvhooks.metrics import check_entry, check_judge, check_splits

ASKED = {"units": 2, "seeds": 3, "size": (8, 8)}


def network(seed: int) -> fv.HookedModel:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    return fv.attach(model, mean=[0.0], std=[1.0], input_shape=(3, 8, 8))


def test_pictures_are_taken_in_any_of_their_forms() -> None:
    whole = np.full((2, 4, 3, 8, 8), 51, np.uint8)
    for given in (whole, torch.from_numpy(whole), [list(unit) for unit in whole], whole / np.float32(255)):
        found = check_entry(given, **ASKED)
        assert found.shape == (2, 3, 3, 8, 8)
        torch.testing.assert_close(found, torch.full_like(found, 0.2))


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (np.zeros((2, 3, 3, 9, 8)), ImageError, "Expected images of 8 × 8 pixels, got 9 × 8"),
        (np.full((2, 3, 3, 8, 8), 255.0), ImageError, r"\[0, 1\]"),
        (np.zeros((2, 3, 1, 8, 8)), ImageError, "Expected 3 image channels"),
        (np.full((2, 3, 3, 8, 8), np.nan), NonFiniteError, "NaN"),
        (np.zeros((3, 3, 3, 8, 8)), ShapeError, "Expected pictures of 2 units, got 3"),
        (np.zeros((2, 2, 3, 8, 8)), MissingInputError, "Expected 3 pictures of each unit, got 2 of unit 0"),
        ([np.zeros((3, 3, 8, 8)), np.zeros((1, 3, 8, 8))], MissingInputError, "got 1 of unit 1"),
        ([[np.zeros((3, 8, 8))] * 2 + [np.zeros((3, 9, 9))]] * 2, ImageError, "pictures of one size"),
    ],
)
def test_pictures_that_cannot_be_judged_are_named(given, error, said: str) -> None:
    with pytest.raises(error, match=said):
        check_entry(given, **ASKED)


def test_a_network_is_no_judge_of_its_own_pictures() -> None:
    ours = network(0)
    for judge in (ours, network(0)):  # itself, and another copy of it
        with pytest.raises(UnsupportedModelError, match="resnet has the weights of the pictured network"):
            check_judge(ours, judge, name="resnet")
    check_judge(ours, network(1))
    with torch.no_grad():
        other = network(0)
        next(other.model.parameters()).view(-1)[0] += 1
    check_judge(ours, other)


def test_references_do_not_judge_themselves() -> None:
    check_splits(["a", "b"], ["c"])
    with pytest.raises(MissingInputError, match="got 2 in both, such as 'b'"):
        check_splits(["a", "b", "c"], ["c", "b", "d"])
    with pytest.raises(MissingInputError, match="got 0 references and 1 to report on"):
        check_splits([], ["c"])
