"""Cards of units, from a real store and from made-up results."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import fvhooks as fv
from fvhooks.errors import LayerNotFoundError, ShapeError
from fvhooks.results import Result
from fvhooks.synthesis.visualizations import Visualizations, as_visualizations

LAYER = "1"


class Images:
    """Twenty images of 16 × 16 in two labels, each with one bright square."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = torch.full((3, 16, 16), 0.1)
        row, column = 4 * (index % 4), 4 * (index // 4 % 4)
        image[:, row : row + 2, column : column + 2] = 0.3 + index / 40
        return image, index % 2


class Report(Result):
    """An audit's result, as `cards` reads it."""

    kind = "report_of_a_test"


@pytest.fixture(scope="module")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2)
    ).eval()
    path = tmp_path_factory.mktemp("cards") / "stats.zarr"
    hooked = fv.attach(net, input_shape=(3, 16, 16))
    fv.collect(hooked, Images(), path, layers=[LAYER], show_progress=False)
    return path


@pytest.fixture(scope="module")
def store(store_path: Path) -> fv.Store:
    return fv.open_store(store_path, dataset=Images())


def made(units: list[fv.Unit | fv.Direction], activation: float | None = None) -> Visualizations:
    vis = as_visualizations(units, np.random.default_rng(0).random((len(units), 2, 3, 16, 16)))
    if activation is None:
        return vis
    own = np.full((len(units), 2), activation, np.float32)
    return Visualizations(vis.data.assign(activation=(("unit", "seed"), own)))


def report(units: list[str], **more: xr.DataArray) -> Report:
    pairs = ("unit", "check")
    data = {
        "verdict": (pairs, np.array([["contradicted", "inconclusive"]] * len(units), dtype=object)),
        **{name: (pairs, np.full((len(units), 2), 0.5)) for name in ("value", "low", "high")},
        "family": ("check", np.array(["off_path", "off_path"], dtype=object)),
    }
    return Report(xr.Dataset({**data, **more}, coords={"unit": units, "check": ["a", "b"]}))


def busiest(store: fv.Store) -> fv.Unit:
    return fv.Unit(LAYER, int(np.argmax(store[LAYER]["peak"].values.mean(0))))


def test_pictures_and_opacity_become_bytes() -> None:
    vis = made([fv.Unit(LAYER, 0)])
    alpha = (("unit", "seed", "y", "x"), np.full((1, 2, 16, 16), 0.5))
    data = fv.cards(Visualizations(vis.data.assign(alpha=alpha))).data
    assert data["picture"].dtype == data["alpha"].dtype == np.uint8
    assert np.abs(data["picture"].values / 255 - vis.images.values).max() <= 0.5 / 255 + 1e-6
    assert set(np.unique(data["alpha"])) == {128}


def test_the_histogram_counts_every_image_once(store: fv.Store) -> None:
    unit = busiest(store)
    data = fv.cards(made([unit]), store).data
    peaks = store[LAYER]["peak"].values[:, unit.channel]
    expected, edges = np.histogram(peaks.astype(float), 40)
    np.testing.assert_array_equal(data["histogram"].values[0], expected)
    np.testing.assert_allclose(data["edge"].values[0], edges)
    assert data["natural_images"].item() == len(Images())


@pytest.mark.parametrize(("rank", "expected"), [(0.0, 0.0), (1.0, 1.0)])
def test_exceeds_is_the_share_of_real_images_below(store: fv.Store, rank: float, expected: float) -> None:
    unit = busiest(store)
    peaks = store[LAYER]["peak"].values[:, unit.channel]
    own = float(peaks.min()) - 1 if rank == 0 else float(peaks.max()) + 1
    data = fv.cards(made([unit], own), store).data
    assert (data["exceeds"].values == expected).all()


def test_the_top_images_lie_where_the_unit_fired(store: fv.Store) -> None:
    unit = busiest(store)
    data = fv.cards(made([unit]), store, top=3).data
    best = store.top_images(unit, k=3)
    assert list(data["top_id"].values[0]) == list(best["id"].values)
    row, column = divmod(int(best["position"][0]), 8)
    assert (data["top_y"].values[0, 0], data["top_x"].values[0, 0]) == ((row + 0.5) / 8, (column + 0.5) / 8)
    assert (data["cell_y"].item(), data["cell_x"].item()) == (1 / 8, 1 / 8)
    shown = store.images(best["id"].values)
    np.testing.assert_array_equal(data["top_image"].values[0], (shown * 255).round().byte().numpy())


def test_large_top_images_are_shrunk_to_thumbnails(store: fv.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "images", lambda ids: torch.zeros(len(ids), 3, 100, 200))
    data = fv.cards(made([busiest(store)]), store, top=2).data
    assert (data.sizes["ty"], data.sizes["tx"]) == (48, 96)


def test_fewer_images_than_asked_for_leave_blanks(store: fv.Store) -> None:
    data = fv.cards(made([busiest(store)]), store, top=25).data
    assert np.isfinite(data["top_value"].values[0]).sum() == len(Images())
    assert data["top_id"].values[0, -1] == ""


def test_without_a_data_set_the_card_names_the_images_and_says_why(store_path: Path) -> None:
    alone = fv.open_store(store_path)
    data = fv.cards(made([busiest(alone)]), alone).data
    assert "top_image" not in data
    assert np.isfinite(data["top_value"].values).all()
    assert "No data set is attached" in data["note"].item()


def test_without_a_store_the_card_says_so() -> None:
    data = fv.cards(made([fv.Unit(LAYER, 0)])).data
    assert "No store was given" in data["note"].item()
    assert "histogram" not in data


def test_a_logit_and_a_direction_stand_beside_a_unit(store: fv.Store) -> None:
    stripes = fv.Direction(LAYER, np.ones(4, np.float32), name="stripes")
    data = fv.cards(made([fv.Unit.logit(1), stripes, busiest(store)]), store).data
    assert list(data["natural_images"].values) == [20, 0, 20]
    assert "directions" in data["note"].values[1]
    assert not data["note"].values[2]
    assert np.isnan(data["edge"].values[1]).all()


def test_a_unit_at_one_position_says_what_it_is_compared_with(store: fv.Store) -> None:
    unit = fv.Unit(LAYER, busiest(store).channel, position=(1, 2))
    data = fv.cards(made([unit]), store).data
    assert "at any position" in data["note"].item()
    assert np.isfinite(data["top_value"].values).all()


def test_a_layer_that_the_store_lacks_is_an_error(store: fv.Store) -> None:
    with pytest.raises(LayerNotFoundError):
        fv.cards(made([fv.Unit("layer9", 0)]), store)


def test_verdicts_are_joined_by_unit() -> None:
    units = [fv.Unit(LAYER, 0), fv.Unit(LAYER, 1)]
    data = fv.cards(made(units), None, report(["1:1"])).data
    assert [list(row) for row in data["verdict"].values] == [["", ""], ["contradicted", "inconclusive"]]
    assert np.isnan(data["value"].values[0]).all()
    assert list(data["family"].values) == ["off_path", "off_path"]


def test_a_report_of_other_units_is_refused_with_both() -> None:
    with pytest.raises(ShapeError, match=r"\['1:0'\].*\['2:5'\]"):
        fv.cards(made([fv.Unit(LAYER, 0)]), None, report(["2:5"]))


def audit_of(vis: Visualizations) -> Report:
    sums = xr.DataArray(vis.checksums.values, dims=("unit", "seed"))
    said = report([str(name) for name in vis.data["unit"].values], picture_checksum=sums)
    return Report(said.data.assign_attrs(recipe=vis.recipe))


def brighter(vis: Visualizations) -> Visualizations:
    images = vis.images.copy()
    images[1, 0] = 1 - images[1, 0]
    return Visualizations(vis.data.assign(images=images))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (brighter, r"the same pixels\), .*other pixels for \['1:1'\]\); audit what you show"),
        (lambda vis: Visualizations(vis.data.isel(seed=[1])), r"\(1 of each unit.*\(2 of each unit"),
        (
            lambda vis: Visualizations(vis.data.assign_attrs(recipe="vital")),
            "recipe 'vital'.*recipe 'given'",
        ),
    ],
)
def test_a_report_on_other_pictures_of_the_same_units_is_refused(
    change: Callable[[Visualizations], Visualizations], message: str
) -> None:
    vis = made([fv.Unit(LAYER, 0), fv.Unit(LAYER, 1)])
    with pytest.raises(ShapeError, match=message):
        fv.cards(change(vis), None, audit_of(vis))


def test_a_report_on_more_units_in_another_order_is_taken() -> None:
    vis = made([fv.Unit(LAYER, 0), fv.Unit(LAYER, 1)])
    shown = Visualizations(vis.data.isel(unit=[1]))
    assert list(fv.cards(shown, None, audit_of(vis)).data["verdict"].values[0]) == [
        "contradicted",
        "inconclusive",
    ]


def test_the_recipes_own_activation_goes_before_the_audits() -> None:
    said = xr.DataArray(np.full((1, 2), 7.0), dims=("unit", "seed"))
    audited = report(["1:0"], activation=said)
    assert (fv.cards(made([fv.Unit(LAYER, 0)]), None, audited).data["own"].values == 7).all()
    assert (fv.cards(made([fv.Unit(LAYER, 0)], 3.0), None, audited).data["own"].values == 3).all()


def test_pictures_of_no_numbers_are_flagged() -> None:
    vis = made([fv.Unit(LAYER, 0), fv.Unit(LAYER, 1)])
    images = vis.images.values.copy()
    images[1, 0, 0, 0, 0] = np.nan
    data = fv.cards(Visualizations(vis.data.assign(images=(vis.images.dims, images)))).data
    assert "shown in black" in data["note"].values[1]
    assert "shown in black" not in data["note"].values[0]


def test_cards_come_back_from_disk_as_they_were(store: fv.Store, tmp_path: Path) -> None:
    unit = busiest(store)
    cards = fv.cards(made([unit], 1.0), store, report([unit.id]))
    again = fv.load(cards.save(tmp_path / "cards.zarr"))
    assert isinstance(again, fv.UnitCards)
    xr.testing.assert_identical(again.data.astype(cards.data.dtypes), cards.data)
