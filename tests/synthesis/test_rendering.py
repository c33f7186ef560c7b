"""`visualize` end to end on a small network: every recipe, every kind of wrong call."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.errors import (
    ImageError,
    LayerNotFoundError,
    MissingInputError,
    NonFiniteError,
    NotRegisteredError,
    StoreError,
)
from fvhooks.synthesis.recipes import RECIPES
from fvhooks.synthesis.recipes.vital import Vital
from fvhooks.synthesis.recipes.vital_faithful import VitalFaithful
from fvhooks.synthesis.references import profiles, weights
from fvhooks.synthesis.references.crops import best_crops, reference_crops
from fvhooks.synthesis.references.profiles import ReferenceSettings, unit_references

CLASSES = 3


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(8, 12, 3, stride=2), nn.BatchNorm2d(12)),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(300, CLASSES),
    )


def attached(model: nn.Module) -> fv.HookedModel:
    return fv.attach(model, mean=[0.4] * 3, std=[0.25] * 3, input_shape=(3, 12, 12))


@pytest.fixture(scope="module")
def hooked() -> fv.HookedModel:
    return attached(network())


@pytest.fixture(scope="module")
def dataset() -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(90, 3, 12, 12, generator=generator)
    return TensorDataset((images * 255).to(torch.uint8), torch.arange(90) % CLASSES)


@pytest.fixture(scope="module")
def store(
    hooked: fv.HookedModel, dataset: TensorDataset, tmp_path_factory: pytest.TempPathFactory
) -> fv.Store:
    path = tmp_path_factory.mktemp("store") / "stats.zarr"
    return fv.collect(hooked, dataset, path, layers=["1", "3"], show_progress=False)


UNITS = [fv.Unit.logit(1), fv.Unit("3", 4), fv.Unit("3", 0), fv.Unit("1", 2)]


RECIPE = {"vital_faithful": VitalFaithful(nodes=("1", "3"), candidates=6)}
"""What a recipe must be told of this network; others know by their name."""

STORELESS = ("fourier", "deep_inversion", "prototype")


def visualize(hooked: fv.HookedModel, units: Any, **kwargs: Any) -> fv.Visualizations:
    return fv.visualize(hooked, units, **{"seeds": 2, "steps": 6, "show_progress": False} | kwargs)


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_every_recipe_makes_pictures_of_classes_and_inner_units(
    recipe: str, hooked: fv.HookedModel, store: fv.Store
) -> None:
    vis = visualize(hooked, UNITS, recipe=RECIPE.get(recipe, recipe), store=store)
    assert vis.recipe == recipe
    assert vis.images.shape == (4, 2, 3, 12, 12)
    assert vis.images.min() >= 0
    assert vis.images.max() <= 1
    assert vis.images.std(("y", "x")).min() > 0  # no flat square among them
    assert vis.data.unit.values.tolist() == ["logits:1", "3:4", "3:0", "1:2"]
    assert vis.data.alpha.shape == (4, 2, 12, 12)
    assert np.isfinite(vis.data.activation).all()
    assert (vis.data.flag == "").all()


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_every_recipe_lowers_its_loss(recipe: str, hooked: fv.HookedModel, store: fv.Store) -> None:
    chosen = RECIPE.get(recipe, recipe)
    if isinstance(chosen, VitalFaithful):  # masks move with the picture, and so does what they are matched to
        chosen = replace(chosen, relevance="none")
    loss = visualize(hooked, UNITS, recipe=chosen, store=store, steps=60).data.loss
    assert (loss[..., -5:].mean("step") < loss[..., :5].mean("step")).all()


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_a_picture_is_the_same_whoever_is_beside_it(
    recipe: str, hooked: fv.HookedModel, store: fv.Store
) -> None:
    together = visualize(hooked, UNITS, recipe=RECIPE.get(recipe, recipe), store=store)
    alone = visualize(hooked, UNITS[1], recipe=RECIPE.get(recipe, recipe), store=store, seeds=[0])
    np.testing.assert_allclose(alone.images[0, 0], together.images[1, 0], atol=2e-3)


def test_activation_is_the_units_own_peak(hooked: fv.HookedModel, store: fv.Store) -> None:
    vis = visualize(hooked, UNITS[:2], store=store)
    pictures = torch.from_numpy(vis.images.values)
    logits = hooked.read(pictures[0], ["logits"])["logits"][:, 1]
    peaks = hooked.read(pictures[1], ["3"])["3"][:, UNITS[1].channel].amax((1, 2))
    np.testing.assert_allclose(vis.data.activation[0], logits.detach(), rtol=1e-4)
    np.testing.assert_allclose(vis.data.activation[1], peaks.detach(), rtol=1e-4)


def test_references_are_computed_once_and_kept(
    hooked: fv.HookedModel, store: fv.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ReferenceSettings(("1", "3"), 4, 1, None)
    first = unit_references(hooked, store, fv.Unit("3", 7), settings)

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError("relevance was computed again")

    monkeypatch.setattr(weights, "channel_relevance", fail)
    again = unit_references(hooked, store, fv.Unit("3", 7), settings)
    for node in settings.nodes:
        np.testing.assert_array_equal(first[0][node].profile, again[0][node].profile)
        np.testing.assert_array_equal(first[0][node].weights, again[0][node].weights)
    with pytest.raises(AssertionError, match="again"):
        unit_references(hooked, store, fv.Unit("3", 7), ReferenceSettings(("1", "3"), 3, 1, None))


def test_weights_single_out_the_unit_in_its_own_layer(hooked: fv.HookedModel, store: fv.Store) -> None:
    (found,) = unit_references(hooked, store, fv.Unit("3", 5), ReferenceSettings(("1", "3"), 5, 1, None))
    expected = np.zeros(12)
    expected[5] = 1
    np.testing.assert_allclose(found["3"].weights, expected, atol=1e-6)
    assert found["1"].weights.min() >= 0
    assert found["1"].weights.max() <= 1


def test_reference_crops_come_from_the_reference_split_and_fire(
    hooked: fv.HookedModel, store: fv.Store
) -> None:
    crops = reference_crops(hooked, store, fv.Unit("3", 5), 6)
    assert crops.shape == (6, 3, 12, 12)
    mean = hooked.read(crops, ["3"])["3"][:, 5].mean((1, 2))
    top = store.top_images(fv.Unit("3", 5), k=6, split="reference")
    whole = hooked.read(store.images(top.id.values), ["3"])["3"][:, 5].mean((1, 2))
    assert (mean >= whole - 1e-5).all()
    given = best_crops(hooked, fv.Unit("3", 5), store.images(top.id.values), top.position.values.tolist())
    assert torch.equal(given, crops)


def test_facets_follow_different_references(hooked: fv.HookedModel, store: fv.Store) -> None:
    one = visualize(hooked, UNITS[:2], store=store, seeds=[0, 0])
    two = visualize(hooked, UNITS[:2], store=store, seeds=[0, 0], facets=2)
    assert np.abs(one.images[:, 0] - one.images[:, 1]).max() == 0
    assert (np.abs(two.images[:, 0] - two.images[:, 1]).max(("rgb", "y", "x")) > 1e-3).all()


def test_a_custom_recipe_and_attributor(hooked: fv.HookedModel, store: fv.Store) -> None:
    from captum.attr import InternalInfluence

    recipe = Vital(nodes=("1",), steps=3, references=4, attributor=InternalInfluence)
    vis = visualize(hooked, UNITS[1], recipe=RECIPE.get(recipe, recipe), store=store, steps=None)
    assert vis.data.sizes["step"] == 3


def test_it_leaves_the_model_alone(hooked: fv.HookedModel, store: fv.Store, untouched: Any) -> None:
    model = network().train()
    with untouched(model):
        visualize(attached(model), UNITS, recipe="fourier")
    with untouched(hooked.model):
        visualize(hooked, UNITS, store=store)


def test_save_and_load(hooked: fv.HookedModel, store: fv.Store, tmp_path: Path) -> None:
    vis = visualize(hooked, UNITS[:2], store=store)
    vis.save(tmp_path / "vis")
    again = fv.load(tmp_path / "vis")
    np.testing.assert_array_equal(again.data.images, vis.images)
    assert again.data.unit.values.tolist() == vis.data.unit.values.tolist()


class TestWrongCalls:
    """Each says what was expected, what came, and what to do."""

    @pytest.mark.parametrize("recipe", [name for name in RECIPES if name not in STORELESS])
    def test_a_recipe_without_the_store_that_it_needs(self, recipe: str, hooked: fv.HookedModel) -> None:
        with pytest.raises(
            MissingInputError, match=rf"'{recipe}'.*needs store=.*fvhooks\.collect.*'fourier' needs none"
        ):
            visualize(hooked, UNITS[0], recipe=RECIPE.get(recipe, recipe))

    @pytest.mark.parametrize("recipe", STORELESS)
    def test_a_recipe_that_needs_no_store(self, recipe: str, hooked: fv.HookedModel) -> None:
        assert visualize(hooked, UNITS[0], recipe=recipe).images.shape == (1, 2, 3, 12, 12)

    def test_a_store_without_the_layer(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        with pytest.raises(LayerNotFoundError, match=r"no layer '2'.*layers=\["):
            visualize(hooked, fv.Unit("2", 1), store=store)

    def test_a_store_without_the_data_set(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        bare = fv.open_store(store.path)
        with pytest.raises(MissingInputError, match=r"open_store\(.*dataset="):
            visualize(hooked, fv.Unit("3", 11), store=bare)
        assert visualize(hooked, UNITS[0], store=bare).images.shape[0] == 1  # class profiles are in the store

    def test_a_store_without_the_label(self, dataset: TensorDataset, tmp_path: Path) -> None:
        wide = network()
        wide[5] = nn.Linear(300, 7)
        hooked = attached(wide)
        store = fv.collect(hooked, dataset, tmp_path / "s.zarr", layers=["3"], show_progress=False)
        with pytest.raises(MissingInputError, match="no label 6"):
            visualize(hooked, fv.Unit.logit(6), store=store)

    def test_a_store_of_another_model(self, store: fv.Store) -> None:
        other = network()
        with torch.no_grad():
            other[0][0].weight += 0.1
        with pytest.raises(StoreError, match="another model"):
            visualize(attached(other), UNITS[0], store=store)

    def test_an_unknown_recipe(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        with pytest.raises(
            NotRegisteredError, match="No recipe is registered as 'vitl'. Did you mean 'vital'"
        ):
            visualize(hooked, UNITS[0], recipe="vitl", store=store)

    def test_an_unknown_layer_or_channel(self, hooked: fv.HookedModel) -> None:
        with pytest.raises(LayerNotFoundError, match="no layer '9'"):
            visualize(hooked, fv.Unit("9", 0), recipe="fourier")
        with pytest.raises(LayerNotFoundError, match="has 12 channels; there is no unit '3:12'"):
            visualize(hooked, fv.Unit("3", 12), recipe="fourier")

    def test_no_units(self, hooked: fv.HookedModel) -> None:
        with pytest.raises(LayerNotFoundError, match="units is empty"):
            visualize(hooked, [], recipe="fourier")

    def test_no_input_shape(self) -> None:
        with pytest.raises(ImageError, match="input_shape"):
            visualize(fv.attach(nn.Conv2d(3, 4, 3)), fv.Unit.logit(0), recipe="fourier")

    def test_facets_without_references(self, hooked: fv.HookedModel) -> None:
        with pytest.raises(MissingInputError, match="no references to split into 2 facets"):
            visualize(hooked, UNITS[0], recipe="fourier", facets=2)

    def test_a_model_that_gives_nan_names_the_units(self) -> None:
        model = network()
        with torch.no_grad():
            model[2][0].bias[5] = float("nan")
        with pytest.raises(NonFiniteError, match="While visualizing 3:5"):
            visualize(attached(model), fv.Unit("3", 5), recipe="fourier")

    def test_a_unit_that_never_fires_is_flagged(self) -> None:
        model = network()
        with torch.no_grad():
            model[2][0].bias[5] = -1000
        vis = visualize(attached(model), fv.Unit("3", 5), recipe="fourier")
        (said,) = set(vis.data.flag.values.ravel())
        assert said.startswith("no gradient reached the picture, since the unit is silent")
        assert "look at the same channel of '2'" in said

    @pytest.mark.parametrize(
        "wrong", [{"seeds": 0}, {"steps": 0}, {"facets": 0}, {"batch_size": 0}, {"seeds": []}]
    )
    def test_none_of_something(self, wrong: dict[str, Any], hooked: fv.HookedModel) -> None:
        with pytest.raises(MissingInputError, match="at least one of each"):
            visualize(hooked, UNITS[0], recipe="fourier", **wrong)

    def test_more_facets_than_pictures(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        with pytest.raises(MissingInputError, match="3 facets need as many seeds, got 2"):
            visualize(hooked, UNITS[0], store=store, facets=3)

    def test_vital_for_one_position_whatever_is_in_the_store(
        self, hooked: fv.HookedModel, store: fv.Store
    ) -> None:
        visualize(hooked, fv.Unit("3", 4), store=store)
        with pytest.raises(MissingInputError, match="matches a whole channel"):
            visualize(hooked, fv.Unit("3", 4, position=(1, 1)), store=store)


def test_a_probe_at_another_size_changes_no_layout() -> None:
    hooked = fv.attach(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), input_shape=(3, 12, 12))
    hooked.probe(torch.rand(1, 3, 30, 30))
    assert hooked.layout("1").grid == (10, 10)


def test_attributors_without_a_lasting_name_are_not_mistaken_for_one_another(
    hooked: fv.HookedModel, store: fv.Store
) -> None:
    from captum.attr import InternalInfluence, LayerGradientXActivation

    first, second = (
        lambda model, layer, kind=kind: kind(model, layer)
        for kind in (LayerGradientXActivation, InternalInfluence)
    )
    weights = [
        unit_references(hooked, store, fv.Unit("3", 4), ReferenceSettings(("1",), 5, 1, attributor))[0][
            "1"
        ].weights
        for attributor in (first, second)
    ]
    assert np.abs(weights[0] - weights[1]).max() > 1e-3


def test_class_facets_are_kept(
    hooked: fv.HookedModel, store: fv.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ReferenceSettings(("1", "3"), 10, 2, None)
    first = profiles.class_references(hooked, store, fv.Unit.logit(2), settings)
    monkeypatch.setattr(profiles, "look", None)
    again = profiles.class_references(hooked, store, fv.Unit.logit(2), settings)
    np.testing.assert_array_equal(first[1]["3"].profile, again[1]["3"].profile)
    assert np.abs(first[0]["3"].profile - first[1]["3"].profile).max() > 0


def test_the_size_comes_from_the_store_where_the_model_does_not_say(
    dataset: TensorDataset, tmp_path: Path
) -> None:
    hooked = fv.attach(network(), mean=[0.4] * 3, std=[0.25] * 3)
    store = fv.collect(hooked, dataset, tmp_path / "s.zarr", layers=["3"], show_progress=False)
    fresh = fv.attach(network(), mean=[0.4] * 3, std=[0.25] * 3)
    assert visualize(fresh, UNITS[0], store=store).images.shape[2:] == (3, 12, 12)
