"""Portraits: neighbours, cells, patches, and the recipe that matches them."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.errors import LayerNotFoundError, MissingInputError
from fvhooks.synthesis.cells import by_cell, cells_of, in_cells
from fvhooks.synthesis.engine import Plan
from fvhooks.synthesis.objectives import Seen
from fvhooks.synthesis.objectives.nearest_matching import NearestMatching, in_units, places_of, thinned
from fvhooks.synthesis.objectives.patch_matching import PatchMatching, answers, random_filters
from fvhooks.synthesis.objectives.sort_matching import SortMatching
from fvhooks.synthesis.objectives.through import Through
from fvhooks.synthesis.recipes.portrait import Portrait
from fvhooks.synthesis.references.neighbours import neighbour_groups, pooled


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.integers(0, 5))
def test_cells_are_of_one_size_and_hold_every_position_of_the_picture(rows, columns, side, prefix) -> None:
    layout = fv.Layout("tokens", 4, (rows, columns), prefix)
    cells = cells_of(layout, side)
    assert len(cells) == (1 if min(rows, columns) <= side else side**2)
    assert set(cells.ravel().tolist()) == set(range(prefix, layout.positions))


def test_a_change_within_a_cell_is_not_seen_and_one_between_cells_is() -> None:
    layout = fv.Layout("map", 3, (4, 4))
    values = torch.rand(1, 3, 16, generator=torch.Generator().manual_seed(0))
    cells = cells_of(layout, 2)
    profiles = in_cells(values, cells).sort(-1).values
    matching = by_cell(SortMatching("a", profiles, torch.ones(1, 12)), cells)

    def loss(shown: torch.Tensor) -> float:
        return matching(Seen({"a": shown}, torch.zeros(1, 3, 1, 1), torch.tensor([0]))).item()

    within, between = values.clone(), values.clone()
    within[..., [0, 5]] = values[..., [5, 0]]
    between[..., [0, 15]] = values[..., [15, 0]]
    assert loss(values) == loss(within) == 0
    assert loss(between) > 1e-3


class TestNeighbours:
    def test_each_group_is_an_image_and_those_nearest_to_it(self) -> None:
        features = np.random.default_rng(1).normal(size=(20, 5))
        groups = neighbour_groups(features, 20, 4)
        scaled = (features - features.mean(0)) / features.std(0)
        distance = np.linalg.norm(scaled[:, None] - scaled, axis=2)
        assert sorted(groups[:, 0].tolist()) == list(range(20))
        for members in groups:
            assert set(members) == set(np.argsort(distance[members[0]])[:4])

    def test_the_first_pictures_have_the_same_references_however_many_follow(self) -> None:
        features = np.random.default_rng(2).normal(size=(9, 3))
        few, many = neighbour_groups(features, 3, 4), neighbour_groups(features, 25, 4)
        assert (few == many[:3]).all()
        assert (many[9:18] == many[:9]).all()  # with fewer images than pictures they come again
        assert neighbour_groups(features, 2, 50).shape == (2, 9)

    @settings(deadline=None)
    @given(st.integers(1, 6), st.integers(1, 9))
    def test_pooled_values_keep_the_mean_and_are_sorted(self, members, positions) -> None:
        generator = torch.Generator().manual_seed(members * 10 + positions)
        values = torch.randn(members, 2, positions, generator=generator)
        found = pooled(values, np.arange(members)[None])
        torch.testing.assert_close(found.mean(2)[0], values.mean((0, 2)), atol=1e-5, rtol=1e-4)
        assert (found.diff(dim=2) >= -1e-6).all()
        if members == 1:
            torch.testing.assert_close(found, values.sort(2).values)


def test_patches_of_the_reference_itself_cost_nothing_and_of_another_something() -> None:
    pictures = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    filters = random_filters(3)
    torch.testing.assert_close(filters.flatten(1).norm(dim=1), torch.ones(len(filters)))
    profiles = [answers(pictures[:1], filters, scale).sort(-1).values for scale in range(2)]
    term = PatchMatching(filters, profiles)
    loss = term(Seen({}, torch.cat([pictures, pictures[:1].flip(-1)]), torch.zeros(3, dtype=torch.int64)))
    assert loss[0].item() == pytest.approx(0, abs=1e-9)
    assert loss[1].item() > 1e-3
    assert term.layers == ()


class TestNearestPlaces:
    def term(self, images: torch.Tensor, side: int = 2) -> NearestMatching:
        cells = cells_of(fv.Layout("map", 3, (4, 4)), side)
        factors = in_units(images.square().mean((0, 2)), torch.ones(3))
        places = places_of(images, cells).transpose(0, 1).flatten(1, 2) * factors
        return NearestMatching("a", places[None], factors[None], cells)

    def loss(self, term: NearestMatching, shown: torch.Tensor) -> list[float]:
        return term(
            Seen({"a": shown}, torch.zeros(len(shown), 3, 4, 4), torch.zeros(len(shown), dtype=torch.int64))
        ).tolist()

    def test_places_of_any_reference_cost_nothing_and_their_average_does(self) -> None:
        images = torch.rand(2, 3, 16, generator=torch.Generator().manual_seed(7))
        mixed = images[:1].clone()
        mixed[..., 5:9] = images[1:, :, 5:9]  # some places of one image, some of the other
        found = self.loss(self.term(images), torch.cat([images, mixed, images.mean(0, keepdim=True)]))
        assert found[:3] == pytest.approx([0, 0, 0], abs=1e-9)
        assert found[3] > 1e-2

    def test_places_of_another_cell_cost_something(self) -> None:
        images = torch.rand(1, 3, 16, generator=torch.Generator().manual_seed(8))
        assert self.loss(self.term(images), images.flip(2))[0] > 1e-2
        assert self.loss(self.term(images, side=1), images.flip(2))[0] == pytest.approx(0, abs=1e-9)

    def test_units_of_channels(self) -> None:
        values = torch.randn(5, 3, 16, generator=torch.Generator().manual_seed(9))
        values *= torch.tensor([50.0, 1.0, 0.0])[None, :, None]
        factors = in_units(values.square().mean((0, 2)), torch.tensor([1.0, 3.0, 2.0]))
        sizes = (values * factors[:, None]).square().mean((0, 2))
        torch.testing.assert_close(sizes, torch.tensor([0.5, 1.5, 0.0]))  # what is always silent stays so

    def test_a_channel_that_hardly_fires_does_not_outweigh_all(self) -> None:
        factors = in_units(torch.tensor([1.0, 1e-12]), torch.ones(2))
        torch.testing.assert_close(factors, torch.tensor([1.0, 100.0]))


@pytest.fixture(scope="module")
def hooked() -> fv.HookedModel:
    torch.manual_seed(4)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 144, 3)
    )
    return fv.attach(net, mean=[0.5] * 3, std=[0.25] * 3, input_shape=(3, 16, 16))


@pytest.fixture(scope="module")
def store(hooked: fv.HookedModel, tmp_path_factory: pytest.TempPathFactory) -> fv.Store:
    images = torch.rand(60, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    images = nn.functional.avg_pool2d(images, 5, 1, 2)
    data = TensorDataset((images * 255).to(torch.uint8), torch.arange(60) % 3)
    path = tmp_path_factory.mktemp("portraits") / "s.zarr"
    return fv.collect(hooked, data, path, layers=["1", "3"], show_progress=False)


def made(
    hooked: fv.HookedModel, units: object, store: fv.Store | None, **options: object
) -> fv.Visualizations:
    return fv.visualize(
        hooked, units, store=store, **{"recipe": "portrait", "show_progress": False} | options
    )


class TestRecipe:
    def test_the_same_picture_however_many_are_asked_for(
        self, hooked: fv.HookedModel, store: fv.Store
    ) -> None:
        few = made(hooked, fv.Unit.logit(1), store, seeds=2, steps=8)
        many = made(hooked, [fv.Unit.logit(0), fv.Unit.logit(1)], store, seeds=5, steps=8)
        np.testing.assert_allclose(few.images.values[0], many.images.values[1, :2], atol=1e-4)

    def test_pictures_of_one_unit_follow_other_references(
        self, hooked: fv.HookedModel, store: fv.Store
    ) -> None:
        plan = Portrait().plan(_request(hooked, store, seeds=4))
        (_, first), *_ = plan.terms
        profiles = first.objective.profiles
        assert plan.owners == len(profiles) == 4
        assert len(torch.unique(profiles.flatten(1), dim=0)) == 4
        shared = Portrait().plan(_request(hooked, store, seeds=4, facets=2))
        assert shared.owners == 2

    @pytest.mark.parametrize(
        ("changed", "terms"),
        [({}, 4), ({"nearest": 0}, 2), ({"patches": 1.0}, 5)],
        ids=["default", "no nearest places", "patches"],
    )
    def test_each_part_can_be_had_or_left_out(
        self, hooked: fv.HookedModel, store: fv.Store, changed: dict[str, float], terms: int
    ) -> None:
        recipe = Portrait(**changed)
        assert len(recipe.plan(_request(hooked, store)).terms) == terms
        assert np.isfinite(made(hooked, fv.Unit.logit(1), store, recipe=recipe, steps=4).images.values).all()

    def test_a_unit_with_fewer_references_than_neighbours_is_warned_of(
        self, hooked: fv.HookedModel, store: fv.Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        known = np.sum((store.images_table.split == "reference") & (store.images_table.label == 1)).item()
        for more, said in ((0, []), (1, [f"logits:1 has {known} reference image(s) to choose from, fewer"])):
            caplog.clear()
            with caplog.at_level(logging.WARNING, "fvhooks"):
                Portrait(neighbours=known + more).plan(_request(hooked, store))
            assert [message.partition(" than")[0] for message in caplog.messages] == said

    def test_the_deepest_layer_is_sorted_as_a_whole(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        terms = [term for _, term in Portrait().plan(_request(hooked, store)).terms]
        early, deep, *places = terms
        assert early.objective.profiles.shape[1] == 6 * 16  # each channel in 4 by 4 cells
        assert deep.objective.profiles.shape[1] == 8
        assert [term.layers for term in places] == [early.layers, deep.layers] == [("1",), ("3",)]

    @pytest.mark.parametrize(
        "units",
        [fv.Unit("3", 2), fv.Direction("3", np.eye(8)[1] + np.eye(8)[4], "two"), fv.Unit("1", 0)],
        ids=["unit", "direction", "early unit"],
    )
    def test_inner_targets_count_channels_by_relevance(
        self, hooked: fv.HookedModel, store: fv.Store, units: object
    ) -> None:
        vis = made(hooked, units, store, seeds=2, steps=20)
        assert (vis.data.loss.values[..., -1] < vis.data.loss.values[..., 0]).all()
        plan = Portrait().plan(_request(hooked, store, units=units))
        weights = [term for _, term in plan.terms if isinstance(term, Through)][-1].objective.weights
        assert 0 <= weights.min() < 0.99 <= weights.max() <= 1

    @pytest.mark.parametrize("facets", [1, 2])
    def test_places_are_those_of_each_pictures_own_references(
        self, hooked: fv.HookedModel, store: fv.Store, facets: int
    ) -> None:
        images = torch.rand(2, 5, 3, 16, 16, generator=torch.Generator().manual_seed(8))
        sets = [fv.ImageSet("3", some, name=name) for some, name in zip(images, "ab", strict=True)]
        plan = Portrait(neighbours=1).plan(_request(hooked, store, units=sets, seeds=2, facets=facets))
        term = _deepest(plan)
        values = hooked.read(images.flatten(0, 1), ["3"])["3"].flatten(2)
        losses = torch.stack(  # [owner, image]
            [_loss(term, values, owner) for owner in range(2 * plan.owners)]
        )
        nothing = losses < 1e-9
        assert nothing.sum(1).tolist() == [1] * (2 * plan.owners)  # one image each, of its own set
        assert (nothing.to(torch.int64).argmax(1) // 5).tolist() == [0] * plan.owners + [1] * plan.owners

    def test_a_large_cell_keeps_places_of_every_neighbour(self) -> None:
        places = torch.arange(4 * 16 * 16).view(1, 1, -1, 1)  # four neighbours, a grid of 16 by 16
        kept = thinned(places.float(), 256).long().flatten()
        assert len(torch.unique(kept)) == 256
        assert torch.bincount(kept // 256).min() > 40  # of 64 on average
        assert len(torch.unique(kept % 16)) == len(torch.unique(kept // 16 % 16)) == 16
        torch.testing.assert_close(thinned(places.float(), 5_000), places.float())

    def test_channels_count_in_units_of_the_stores_images(
        self, hooked: fv.HookedModel, store: fv.Store
    ) -> None:
        factors = {}
        for known in (store, None):
            bright = fv.ImageSet("3", torch.ones(4, 3, 16, 16), name="bright")
            recipe = Portrait(nodes=("1", "3"))
            factors[known] = _deepest(recipe.plan(_request(hooked, known, units=[bright]))).factors[0]
        kept = store["3"]
        sizes = np.sqrt((kept.natural_mean**2 + kept.natural_variance).values)
        alive = sizes > 1e-2 * sizes.max()
        np.testing.assert_allclose(factors[store].numpy()[alive], 1 / sizes[alive], rtol=1e-5)
        assert not np.allclose(factors[store], factors[None], rtol=0.1)

    def test_sets_of_different_sizes_in_one_call(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        images = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(9))
        sets = [fv.ImageSet("3", images[:2], name="few"), fv.ImageSet("3", images, name="more")]
        together = made(hooked, sets, store, seeds=2, steps=6)
        alone = made(hooked, sets[:1], store, seeds=2, steps=6)
        np.testing.assert_allclose(together.images.values[0], alone.images.values[0], atol=1e-4)

    def test_layers_go_from_the_first_to_the_deepest(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        asked = _request(hooked, store)
        orders = [
            [term.layers for _, term in Portrait(nodes=nodes).plan(asked).terms]
            for nodes in (("1", "3"), ("3", "1"))
        ]
        assert orders[0] == orders[1]

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({"neighbours": 0}, "neighbours of at least 1, got 0"),
            ({"cells": 0}, "cells of at least 1"),
            ({"nearest": -1.0}, "nearest of at least 0, got -1.0"),
            ({"patches": 1.0, "scales": 0}, "scales of at least 1"),
        ],
    )
    def test_wrong_settings(
        self, hooked: fv.HookedModel, store: fv.Store, settings: dict[str, float], expected: str
    ) -> None:
        with pytest.raises(MissingInputError, match=f"Portrait needs {expected}"):
            made(hooked, fv.Unit.logit(1), store, recipe=Portrait(**settings))

    def test_no_layers(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        with pytest.raises(LayerNotFoundError, match="at least one layer to match"):
            made(hooked, fv.Unit.logit(1), store, recipe=Portrait(nodes=()))

    def test_the_users_images_need_no_store(self, hooked: fv.HookedModel) -> None:
        images = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(6))
        mine = fv.ImageSet("3", images, name="mine")
        vis = made(hooked, mine, None, recipe=Portrait(nodes=("1", "3")), seeds=2, steps=5)
        assert np.isfinite(vis.images.values).all()
        with pytest.raises(MissingInputError, match=r"'portrait' builds on real images"):
            made(hooked, mine, None, steps=5)

    def test_one_position_of_a_channel_is_refused(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        with pytest.raises(MissingInputError, match="'portrait' matches a whole channel"):
            made(hooked, fv.Unit("3", 1, (2, 2)), store, steps=5)


def _deepest(plan: Plan) -> NearestMatching:
    """The term of the deepest layer's places."""
    return [term for _, term in plan.terms if isinstance(term, NearestMatching)][-1]


def _loss(term: NearestMatching, values: torch.Tensor, owner: int) -> torch.Tensor:
    pictures = torch.zeros(len(values), 3, 16, 16)
    return term(Seen({"3": values}, pictures, torch.full((len(values),), owner)))


def _request(hooked: fv.HookedModel, store: fv.Store | None, units: object = None, **options: int):
    from fvhooks.synthesis.recipes import Request

    given = {"steps": 2, "seeds": 1, "facets": 1} | options
    wanted = units if isinstance(units, list) else [units or fv.Unit.logit(1)]
    return Request(hooked, wanted, store, size=(3, 16, 16), **given)
