"""What `vital` can be asked for beside channels and outputs: directions, latents, the user's own images."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Subset, TensorDataset

import fvhooks as fv
from fvhooks.demo import load_autoencoder, load_network, photographs
from fvhooks.demo.autoencoders import SITE
from fvhooks.errors import MissingInputError
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.recipes.vital import Vital
from fvhooks.synthesis.recipes.vital_faithful import VitalFaithful
from fvhooks.synthesis.references import profiles as references
from fvhooks.synthesis.references import strongest_images as module
from fvhooks.synthesis.references.profiles import ReferenceSettings, class_references, unit_references
from fvhooks.synthesis.references.strongest_images import strongest_images

SIZE = (3, 12, 12)


@pytest.fixture(scope="module")
def hooked() -> fv.HookedModel:
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(384, 3)
    )
    return fv.attach(net, mean=[0.4] * 3, std=[0.25] * 3, input_shape=SIZE)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(120, *SIZE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def store(hooked: fv.HookedModel, images: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> fv.Store:
    dataset = TensorDataset((images * 255).to(torch.uint8), torch.arange(120) % 3)
    path = tmp_path_factory.mktemp("targets") / "s.zarr"
    return fv.collect(hooked, dataset, path, layers=["1", "3"], show_progress=False)


def direction(layer: str = "3", channels: int = 6, seed: int = 0) -> fv.Direction:
    vector = np.random.default_rng(seed).normal(size=channels).astype(np.float32)
    return fv.Direction(layer, vector, name=f"random {seed}")


def peaks(hooked: fv.HookedModel, store: fv.Store, target: fv.Direction) -> dict[str, tuple[float, int]]:
    """By id, the largest projection of each reference image, and where it is.

    In a layer of the store: of the 40 reference images where its mean is largest.
    """
    table = store.images_table
    ids = table.id.values[table.split.values == "reference"].astype(str)
    values = hooked.read(store.images(ids), [target.layer])[target.layer].detach().flatten(2).numpy()
    projected = np.einsum("ncp,c->np", values, target.vector)
    tried = np.argsort(-projected.mean(1))[: 40 if target.layer in store.layers else None]
    return {str(ids[row]): (float(projected[row].max()), int(projected[row].argmax())) for row in tried}


@pytest.mark.parametrize("layer", ["3", "2"])
def test_the_images_of_a_direction_show_it_most(
    layer: str, hooked: fv.HookedModel, store: fv.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a layer of the store, and in one that it lacks."""
    target = direction(layer)
    found = strongest_images(hooked, store, target, 5)
    slow = peaks(hooked, store, target)
    best = sorted(slow, key=lambda name: -slow[name][0])[:5]
    assert list(found.ids) == best
    np.testing.assert_allclose(found.values, [slow[name][0] for name in best], rtol=1e-5)
    assert found.positions.tolist() == [slow[name][1] for name in best]

    def fail(*_args: Any) -> None:
        raise AssertionError("the images were looked at again")

    monkeypatch.setattr(module, "_peaks", fail)
    again = strongest_images(hooked, store, target, 5)
    assert list(again.ids) == best
    with pytest.raises(AssertionError, match="looked at again"):
        strongest_images(hooked, store, direction(layer, seed=1), 5)


def test_targets_outside_the_store_are_looked_for_together(
    hooked: fv.HookedModel, store: fv.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = [direction("2", seed=seed) for seed in (7, 8, 9)]
    looked: list[int] = []

    def counted(model: fv.HookedModel, pictures: torch.Tensor, layers: Any) -> Any:
        looked.append(len(pictures))
        return look(model, pictures, layers)

    monkeypatch.setattr(module, "look", counted)
    recipe = VitalFaithful(nodes=("1",), count=2, candidates=3)
    for chosen in (Vital(references=4), recipe):
        fv.visualize(hooked, targets, chosen, store, seeds=1, steps=2, show_progress=False)
    assert sum(looked) == int((store.images_table.split.values == "reference").sum())
    for target in targets:
        slow = peaks(hooked, store, target)
        found = strongest_images(hooked, store, target, 5)
        assert list(found.ids) == sorted(slow, key=lambda name: -slow[name][0])[:5]


def test_a_store_of_outputs_alone_has_no_place(hooked: fv.HookedModel, tmp_path: Path) -> None:
    dataset = TensorDataset(torch.randint(0, 255, (20, *SIZE), dtype=torch.uint8), torch.arange(20) % 3)
    bare = fv.collect(hooked, dataset, tmp_path / "s.zarr", layers=["logits"], show_progress=False)
    with pytest.raises(MissingInputError, match=r"it has the outputs alone.*layers=\['2'\]"):
        strongest_images(hooked, bare, direction("2"), 5)


def test_facets_of_a_class_are_kept_for_the_layer_that_splits_them(
    hooked: fv.HookedModel, store: fv.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    logit = fv.Unit.logit(1)
    class_references(hooked, store, logit, ReferenceSettings(("1", "3"), 4, 2, None))

    def fail(*_args: Any) -> None:
        raise AssertionError("the images were split again")

    monkeypatch.setattr(references, "_class_facets", fail)
    assert len(class_references(hooked, store, logit, ReferenceSettings(("3",), 4, 2, None))) == 2
    with pytest.raises(AssertionError, match="split again"):
        class_references(hooked, store, logit, ReferenceSettings(("1",), 4, 2, None))


def test_a_direction_along_a_channel_is_matched_like_the_channel(
    hooked: fv.HookedModel, store: fv.Store
) -> None:
    along = fv.Direction("3", 2 * np.eye(6, dtype=np.float32)[4], name="twice channel 4")
    settings = ReferenceSettings(("1", "3"), 4, 1, None)
    (of_unit,) = unit_references(hooked, store, fv.Unit("3", 4), settings)
    (of_direction,) = unit_references(hooked, store, along, settings)
    for node in settings.nodes:
        np.testing.assert_allclose(of_direction[node].profile, of_unit[node].profile, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(of_direction[node].weights, of_unit[node].weights, rtol=1e-3, atol=1e-5)


def test_a_direction_that_no_image_shows(hooked: fv.HookedModel, store: fv.Store) -> None:
    against = fv.Direction("3", -np.ones(6, np.float32), name="against all")  # behind a ReLU
    with pytest.raises(MissingInputError, match="'3:against all' fires for none of the reference images"):
        fv.visualize(hooked, against, "vital", store, seeds=1, steps=2, show_progress=False)


@pytest.mark.parametrize(
    "recipe", [Vital(), VitalFaithful(nodes=("1",), count=3, candidates=4, relevance="guided_bp")]
)
def test_pictures_of_directions_and_sets(
    recipe: Any, hooked: fv.HookedModel, store: fv.Store, images: torch.Tensor
) -> None:
    often = int(np.argmax(store["3"].natural_mean.values))
    directions = [direction(), direction("2", seed=1), fv.Unit("3", often)]
    vis = fv.visualize(hooked, directions, recipe, store, seeds=2, steps=5, show_progress=False)
    assert (vis.data.flag == "").all()
    assert vis.data.unit.values.tolist() == ["3:random 0", "2:random 1", f"3:{often}"]
    sets = [fv.ImageSet("3", images[start : start + 6], name=str(start)) for start in (0, 6)]
    vis = fv.visualize(hooked, sets, recipe, store, seeds=2, steps=5, show_progress=False)
    assert ((vis.data.activation > 0) & (vis.data.activation <= 1.0001)).all()  # a cosine


def test_own_images_need_no_store(hooked: fv.HookedModel, images: torch.Tensor) -> None:
    recipe = Vital(nodes=("1", "3"), images=images[:8])
    vis = fv.visualize(
        hooked,
        [fv.Unit.logit(0), fv.Unit("3", 4), direction()],
        recipe,
        seeds=2,
        facets=2,
        steps=30,
        show_progress=False,
    )
    assert (vis.data.loss[..., -3:].mean("step") < vis.data.loss[..., :3].mean("step")).all()
    with pytest.raises(MissingInputError, match=r"Expected images of shape \(3, 12, 12\)"):
        fv.visualize(
            hooked, fv.Unit.logit(0), Vital(("1",), images=torch.rand(2, 3, 8, 8)), show_progress=False
        )
    with pytest.raises(MissingInputError, match="needs store="):
        fv.visualize(hooked, fv.Unit.logit(0), Vital(images=images[:8]), show_progress=False)
    with pytest.raises(MissingInputError, match="matches a whole channel"):
        fv.visualize(hooked, fv.Unit("3", 4, position=(0, 0)), recipe, show_progress=False)


def test_sets_and_units_are_two_calls(hooked: fv.HookedModel, images: torch.Tensor) -> None:
    both = [fv.ImageSet("3", images[:2]), fv.Unit("3", 1)]
    with pytest.raises(MissingInputError, match="make two calls"):
        fv.visualize(hooked, both, Vital(("1",), images=images[:2]), show_progress=False)


def test_a_latent_that_the_store_lacks(tmp_path: Path) -> None:
    hooked = load_network().with_sae(SITE, load_autoencoder())
    crops = photographs("held_out")
    some = Subset(crops, range(0, len(crops), 16))
    bare = load_network()
    store = fv.collect(bare, some, tmp_path / "s.zarr", layers=["stage1", SITE], show_progress=False)
    layer = f"{SITE}/sae"
    latents = hooked.read(store.images(store.images_table.id.values.astype(str)), [layer])[layer].flatten(2)
    unit = fv.Unit(layer, int(latents.amax(-1).mean(0).argmax()))
    vis = fv.visualize(hooked, unit, "vital", store, seeds=1, steps=24, show_progress=False)
    grey = hooked.read(torch.full((1, 3, 64, 64), 0.5), [layer])[layer][0, unit.channel].max()
    assert vis.data.flag.values.item() == ""
    assert vis.data.activation.values.item() > 1.5 * float(grey)


@pytest.mark.real
def test_a_concept_of_real_images_comes_out(shared: ModuleType) -> None:
    """Pictures of frogs are taken for frogs, without a label or a store."""
    model, mean, std = shared.load("cifar10_resnet20")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    images, labels = shared.cifar10("train")
    frogs = fv.ImageSet("layer3", images[labels == 6][:40], name="frogs")
    recipe = Vital(nodes=("bn1", "layer1", "layer2", "layer3"), steps=80)
    vis = fv.visualize(hooked, frogs, recipe, seeds=2, show_progress=False)
    assert (vis.data.activation > 0.9).all()
    shown = torch.from_numpy(vis.images.values[0])
    assert hooked.read(shown, ["logits"])["logits"].argmax(1).tolist() == [6, 6]
