"""Recipes on a store that keeps the strongest images alone: as on one that keeps everything."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.synthesis.recipes import RECIPES
from fvhooks.synthesis.recipes.vital_faithful import VitalFaithful

OTHERWISE = {"minds_eye"}  # compares channels with what is usual over all images, where that is kept


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[fv.HookedModel, dict[str, fv.Store]]:
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(800, 3)
    ).eval()
    hooked = fv.attach(net, mean=[0.4] * 3, std=[0.25] * 3, input_shape=(3, 12, 12))
    images = torch.rand(60, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    data = TensorDataset((images * 255).to(torch.uint8), torch.arange(60) % 3)
    folder: Path = tmp_path_factory.mktemp("stores")
    stores = {
        keep: fv.collect(hooked, data, folder / keep, layers=["2"], keep=keep, show_progress=False)
        for keep in ("all", "top")
    }
    return hooked, stores


@pytest.mark.parametrize("name", list(RECIPES))
def test_pictures_are_those_of_a_store_with_everything(world, name: str) -> None:
    hooked, stores = world
    recipe = VitalFaithful(nodes=("2",), candidates=6) if name == "vital_faithful" else name
    units = [fv.Unit.logit(1), fv.Unit("2", 3)]
    given = {"seeds": 1, "steps": 2, "batch_size": 1, "show_progress": False}
    made = [fv.visualize(hooked, units, recipe, stores[keep], **given) for keep in ("all", "top")]
    full, top = (one.data.images.values for one in made)
    assert np.isfinite(top).all()
    assert np.array_equal(full, top) != (name in OTHERWISE)
