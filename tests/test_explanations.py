"""An explanation: units, places and pictures of one decision."""

from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import LayerGradientXActivation, LayerIntegratedGradients

import fvhooks as fv
from fvhooks.demo import load_network, photographs
from fvhooks.errors import LayerNotFoundError, MissingInputError
from fvhooks.relevance import FlowLRP, attribute


@pytest.fixture(scope="module")
def hooked() -> fv.HookedModel:
    return load_network()


@pytest.fixture(scope="module")
def store(hooked: fv.HookedModel, tmp_path_factory: pytest.TempPathFactory) -> fv.Store:
    where = tmp_path_factory.mktemp("explain") / "s.zarr"
    return fv.collect(
        hooked, photographs("held_out"), where, layers=["stage2", "stage3"], show_progress=False
    )


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    data = photographs("held_out")
    return torch.stack([data[place][0] for place in (0, len(data) // 2)])


def test_units_places_and_shares_are_those_of_the_attribution(hooked, store, images) -> None:
    found = fv.explain(hooked, LayerIntegratedGradients, images, [0, 6], store, k=3, pictures=None).data
    raw = attribute(hooked, images, ["stage3"], [0, 6], attributor=LayerIntegratedGradients)["stage3"]
    sums = raw.sum((2, 3))
    for image in range(2):
        order = sums[image].argsort(descending=True)[:3].tolist()
        one = found.isel(image=image)
        assert found["channel"].values[one["unit_of"].values].tolist() == order
        np.testing.assert_allclose(one["relevance"], sums[image][order], rtol=1e-5)
        np.testing.assert_allclose(
            one["share"], sums[image][order] / sums[image].clamp(min=0).sum(), rtol=1e-5
        )
        np.testing.assert_allclose(one["where"], raw[image, order], rtol=1e-5)
    logits = hooked.module(images).detach()
    np.testing.assert_allclose(found["value"], [logits[0, 0], logits[1, 6]], rtol=1e-5)
    np.testing.assert_array_equal(found["prediction"], logits.argmax(1))


def test_pictures_are_made_where_none_are_given(hooked, store, images, tmp_path: Path) -> None:
    made = fv.explain(hooked, FlowLRP, images[0], None, store, k=2, steps=2, show_progress=False)
    assert made.data["picture"].sizes == {"unit": 2, "rgb": 3, "py": 64, "px": 64}
    assert float(made.data["picture"].std()) > 1
    np.testing.assert_array_equal(made.data["target"], made.data["prediction"])
    again = fv.load(made.save(tmp_path / "e.zarr"))
    assert again.units == made.units
    given = fv.visualize(hooked, made.units, recipe="fourier", store=store, steps=2, show_progress=False)
    reused = fv.explain(hooked, FlowLRP, images[0], None, store, k=2, pictures=given)
    assert reused.data.attrs["recipe"] == "fourier"


def test_an_inner_unit_can_be_explained(hooked, store, images) -> None:
    found = fv.explain(hooked, None, images[:1], fv.Unit("stage3", 5), store, layer="stage2", pictures=None)
    assert found.data.attrs["target"] == "stage3:5"
    assert "What makes stage3:5 fire" in found._repr_html_()


def test_the_page_says_what_was_found(hooked, store, images) -> None:
    found = fv.explain(hooked, LayerGradientXActivation, images, [3, 6], store, k=2, pictures=None)
    shown = found._repr_html_()
    assert shown.count("where it mattered") == 4
    assert int(found.data["prediction"][1]) == 6
    assert shown.count("what the model predicts") == 1
    assert f"the model predicts {int(found.data['prediction'][0])} ·" in shown
    assert all(unit.id in shown for unit in found.units)
    assert "relevance at stage3 by LayerGradientXActivation" in shown
    assert "<script" not in shown
    assert len(found._repr_html_()) <= 1_000_000


def test_a_label_cannot_become_markup(hooked, store, images) -> None:
    found = fv.explain(hooked, None, images[:1], None, store, k=1, pictures=None)
    hostile = found.data.copy()
    hostile["top_label"] = hostile["top_label"].astype(object)
    hostile["top_label"][:] = "<img src=x onerror=alert(1)>"
    assert "<img src=x" not in fv.Explanation(hostile)._repr_html_()


def test_what_is_missing_is_named(hooked, store, images, tmp_path: Path) -> None:
    bare = fv.collect(hooked, photographs("held_out"), tmp_path / "b.zarr", layers=[], show_progress=False)
    with pytest.raises(MissingInputError, match="this store has the logits alone"):
        fv.explain(hooked, None, images, None, bare)
    with pytest.raises(LayerNotFoundError, match="has no layer 'stage1'"):
        fv.explain(hooked, None, images, None, store, layer="stage1")
    others = fv.as_visualizations([fv.Unit("stage3", 0)], np.zeros((1, 3, 8, 8), np.uint8))
    with pytest.raises(MissingInputError, match=r"The pictures lack stage3:\d+"):
        fv.explain(hooked, None, images, None, store, pictures=others)
