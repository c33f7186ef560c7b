"""Photographs that stand beside the pictures of a survey."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.errors import MissingInputError
from fvhooks.surveys.questions import real_pictures


@pytest.fixture
def store(tmp_path: Path) -> fv.Store:
    """Images whose red tells their label and whose green tells their number."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    hooked = fv.attach(model, mean=[0.0], std=[1.0], input_shape=(3, 8, 8))
    labels = torch.arange(2).repeat_interleave(60)
    images = torch.zeros(120, 3, 8, 8, dtype=torch.uint8)
    images[:, 0] = (100 * labels)[:, None, None]
    images[:, 1] = torch.arange(120)[:, None, None]
    data = TensorDataset(images, labels)
    return fv.collect(hooked, data, tmp_path / "stats.zarr", layers=["0"], show_progress=False)


def test_photographs_are_of_their_label_and_made_no_picture(store: fv.Store) -> None:
    units = [fv.Unit.logit(1), fv.Unit.logit(0)]
    found = real_pictures(store, units, 3).images.values
    np.testing.assert_allclose(found[:, :, 0].mean((2, 3)), [[100 / 255] * 3, [0] * 3], atol=1e-6)
    table = store.images_table
    report = table["index"].values[table.split.values == "report"]
    shown = (255 * found[:, :, 1, 0, 0]).round().astype(int).ravel()
    assert set(shown.tolist()) <= set(report.tolist())
    assert len(set(shown.tolist())) == 6
    np.testing.assert_array_equal(real_pictures(store, units, 3).images.values, found)


def test_of_an_inner_unit_they_are_those_that_move_it_most(store: fv.Store) -> None:
    unit = fv.Unit("0", 2)
    top = store.top_images(unit, k=2, split="report").id.values
    found = real_pictures(store, [unit], 2).images.values[0]
    np.testing.assert_array_equal(found, store.images(top).numpy())


def test_more_than_there_are_is_named(store: fv.Store) -> None:
    with pytest.raises(MissingInputError, match="Expected 60 images of .* in the report split, got"):
        real_pictures(store, [fv.Unit.logit(0)], 60)
