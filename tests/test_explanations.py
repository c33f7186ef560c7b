"""An explanation: units, places and pictures of one decision."""

from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import LayerGradientXActivation, LayerIntegratedGradients
from torch import nn

import fvhooks as fv
from fvhooks.demo import load_network, photographs
from fvhooks.errors import ImageError, LayerNotFoundError, MissingInputError, UnsupportedModelError
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


def _giving(values: torch.Tensor):
    """An attributor that gives each image the relevance of its channels, evenly over the positions."""

    def constant(model, layers, images, target):
        whole = torch.zeros(len(images), 96, 8, 8)
        whole[:, : values.shape[1]] = values[: len(images), :, None, None] / 64
        return whole

    return constant


def test_only_what_speaks_for_it_is_listed(hooked, store, images, tmp_path: Path) -> None:
    relevance = torch.tensor([[-1.0, 3.0, 1.0, -9.0], [-2.0, -1.0, -1.0, 1e-20]])
    found = fv.explain(hooked, _giving(relevance), images, None, store, k=3, pictures=None)
    data = fv.load(found.save(tmp_path / "e.zarr")).data
    assert [unit.channel for unit in found.units] == [1, 2, 3]
    assert data["unit_of"].values.tolist() == [[0, 1, -1], [2, -1, -1]]
    np.testing.assert_allclose(data["share"], [[0.75, 0.25, np.nan], [1, np.nan, np.nan]], rtol=1e-5)
    assert data["relevance"].isnull().values.tolist() == data["share"].isnull().values.tolist()
    assert found._repr_html_().count("where it mattered") == 3


@pytest.mark.parametrize("value", [0.0, -0.3])
@pytest.mark.parametrize("pictures", ["vital", None])
def test_a_layer_where_nothing_speaks_for_it(value, pictures, hooked, store, images, tmp_path: Path) -> None:
    against = _giving(torch.full((2, 96), value))
    found = fv.explain(hooked, against, images, None, store, pictures=pictures)
    found = fv.load(found.save(tmp_path / "e.zarr"))
    assert found.units == []
    assert bool(found.data["share"].isnull().all())
    shown = found._repr_html_()
    assert shown.count("nothing at this layer speaks for it") == 2
    assert "nan" not in shown.split("</style>")[-1]


class Tokens(nn.Module):
    """Four patches behind one token that lies outside the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.tokens, self.head = nn.Conv2d(3, 2, 4, 4), nn.Identity(), nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.tokens(torch.cat([patches[:, :1] * 0, patches], 1)).mean(1))


def test_what_lies_outside_the_picture_is_a_share(tmp_path: Path) -> None:
    hooked = fv.attach(Tokens(), input_shape=(3, 8, 8))
    data = torch.utils.data.TensorDataset(torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8))
    store = fv.collect(hooked, data, tmp_path / "s.zarr", layers=["tokens"], show_progress=False)

    def mixed(model, layers, images, target):
        channels = torch.tensor([[3.0, 2.0, -4.0, 0.0, 0.0], [-5.0, 6.0, 0.0, 0.0, 0.0]])
        return channels.T[None]

    found = fv.explain(hooked, mixed, torch.rand(1, 3, 8, 8), None, store, pictures=None).data
    np.testing.assert_allclose(found["relevance"], [[1, 1]])
    np.testing.assert_allclose(found["outside"], [[0.6, 0.0]], rtol=1e-6)


def test_options_of_the_attributor_and_batches(hooked, store, images) -> None:
    options = {"attribution": {"n_steps": 3}, "pictures": None}
    found = fv.explain(hooked, LayerIntegratedGradients, images, [0, 6], store, **options, batch_size=1).data
    coarse = {"attributor": LayerIntegratedGradients, "options": {"n_steps": 3}}
    sums = attribute(hooked, images, "stage3", [0, 6], **coarse)["stage3"].sum((2, 3))
    np.testing.assert_allclose(found["relevance"], sums.topk(4, 1).values, rtol=1e-4)
    fine = fv.explain(hooked, LayerIntegratedGradients, images, [0, 6], store, pictures=None).data
    assert abs(fine["relevance"].values - found["relevance"].values).max() > 1e-4


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
def test_targets_of_any_whole_type(dtype, hooked, store, images) -> None:
    found = fv.explain(hooked, None, images, torch.tensor([0, 6], dtype=dtype), store, pictures=None)
    assert found.data["target"].values.tolist() == [0, 6]


def test_explaining_in_inference_mode(hooked, store, images) -> None:
    expected = fv.explain(hooked, None, images, None, store, pictures=None).data
    with torch.inference_mode():
        found = fv.explain(hooked, None, images, None, store, pictures=None).data
    np.testing.assert_allclose(found["relevance"], expected["relevance"], rtol=1e-5)


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"topk": 1}, TypeError, "topk"),
        ({"k": 0}, ValueError, "k=0"),
        ({"k": -1}, ValueError, "k=-1"),
        ({"layer": "logits"}, UnsupportedModelError, "Attribute to a layer before them"),
        ({"batch_size": 0}, MissingInputError, "batch_size=0"),
        ({"images": torch.rand(0, 3, 64, 64)}, ImageError, "empty batch"),
        ({"target": torch.tensor([True, False])}, MissingInputError, "torch.bool"),
        ({"target": fv.Unit("stage2", 1)}, MissingInputError, "'stage3', which comes after the target's"),
        ({"attributor": "LayerLRP"}, UnsupportedModelError, "Pass the class itself"),
    ],
)
def test_what_cannot_be_explained(asked, error, said, hooked, store, images) -> None:
    given = {"attributor": None, "images": images, "target": None, "pictures": None} | asked
    with pytest.raises(error, match=said):
        fv.explain(hooked, store=store, **given)
