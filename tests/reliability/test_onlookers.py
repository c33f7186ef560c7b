"""Checks that ask another network: predictiveness and transfer, on the small network with a second one."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.errors import MissingInputError
from fvhooks.reliability.checks.transfer import log_odds, ranks
from fvhooks.reliability.pairs import Pairs, shares

CHECKS_HERE = ["predictiveness", "transfer"]
CLASSES, SIDE = 4, 12

Textures = Callable[[int, int], tuple[torch.Tensor, torch.Tensor]]


def classifier(textures: Textures, outputs: int = CLASSES, shift: int = 0) -> fv.HookedModel:
    """Another network of the same textures; `shift` puts its outputs in another order."""
    torch.manual_seed(5)
    net = nn.Sequential(
        nn.Conv2d(3, 24, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(24 * 16, outputs)
    )  # fmt: skip
    images, labels = textures(600, 4)
    with torch.no_grad():
        features = net[:-1]((images - 0.5) / 0.25)
        wanted = 10 * nn.functional.one_hot((labels + shift) % CLASSES, outputs).float()
        ridge = features.T @ features + 50 * torch.eye(features.shape[1])
        net[-1].weight.copy_(torch.linalg.solve(ridge, features.T @ wanted).T)
        net[-1].bias.zero_()
    return fv.attach(net.eval(), mean=[0.5] * 3, std=[0.25] * 3, input_shape=(3, SIDE, SIDE))


@pytest.fixture(scope="module")
def onlooker(textures: Textures) -> fv.HookedModel:
    return classifier(textures)


@pytest.fixture(scope="module")
def report(
    hooked: fv.HookedModel, store: fv.Store, real: torch.Tensor, onlooker: fv.HookedModel
) -> fv.AuditReport:
    units = [fv.Unit.logit(label) for label in range(CLASSES)]
    vis = fv.as_visualizations(units, real[:, :2])
    return fv.audit(hooked, vis, store, checks=CHECKS_HERE, judge=onlooker, show_progress=False)


def test_real_pictures_let_another_network_foresee_the_unit(report: fv.AuditReport) -> None:
    data = report.data.sel(check="predictiveness")
    assert "contradicted" not in data.verdict.values
    assert float(data.predict_accuracy.mean()) > 0.8
    assert float(data.predict_accuracy_real.min()) > 0.7
    assert data.value.values == pytest.approx(1 - data.predict_accuracy.median("seed").values)


def test_pictures_of_another_class_mislead_it(
    hooked: fv.HookedModel, store: fv.Store, real: torch.Tensor, onlooker: fv.HookedModel
) -> None:
    units = [fv.Unit.logit(label) for label in range(CLASSES)]
    vis = fv.as_visualizations(units, real[:, :2].roll(1, 0))
    report = fv.audit(hooked, vis, store, checks=["predictiveness"], judge=onlooker, show_progress=False)
    assert set(report.verdicts.values.ravel()) == {"contradicted"}
    assert float(report.data.predict_accuracy.mean()) < 0.5
    assert report.data.p_adjusted.max() <= 0.05


def test_what_all_units_say_together_stands_in_the_report(report: fv.AuditReport, tmp_path: Path) -> None:
    found = report.data.attrs["overall"]["predictiveness"]
    assert found["pictures"]["low"] <= found["pictures"]["value"] <= found["pictures"]["high"]
    assert found["lost"]["value"] == pytest.approx(found["real"]["value"] - found["pictures"]["value"])
    assert found["units"] == CLASSES
    assert found["fewest_pairs"] >= 40
    assert found["enough_for_a_claim"] is False
    assert "50 units × 40 pairs" in report.to_html(tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_picture_transfers_where_the_class_is_seen(report: fv.AuditReport) -> None:
    data = report.data.sel(check="transfer")
    assert set(data.verdict.values) == {"inconclusive"}
    assert all("a description, no verdict" in reason for reason in data.reason.values)
    assert (data.transfer_rank == 1).all()
    assert float(data.value.min()) > 0 > float(data.control_value.sel(control="grey").min())


@pytest.mark.parametrize("check", CHECKS_HERE)
def test_without_a_judge_it_says_what_to_pass(
    hooked: fv.HookedModel, store: fv.Store, real: torch.Tensor, check: str
) -> None:
    vis = fv.as_visualizations([fv.Unit.logit(0)], real[:1])
    said = {}
    for name, judge in {"none": None, "same": hooked}.items():
        data = fv.audit(hooked, vis, store, checks=[check], judge=judge, show_progress=False).data
        assert data.verdict.item() == "inconclusive"
        said[name] = data.reason.item()
    assert "pass one with audit(judge=fvhooks.attach(…))" in said["none"]
    assert "the judge is the audited network itself" in said["same"]


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        ({"outputs": 6}, "the judge has 6 outputs, the audited network 4; pass a judge whose outputs"),
        ({"shift": 1}, "output 0 of the judge seems to mean something else"),
    ],
)
def test_a_judge_of_other_classes_is_no_judge(
    hooked: fv.HookedModel, store: fv.Store, real: torch.Tensor, textures: Textures, judge: dict, words: str
) -> None:
    vis = fv.as_visualizations([fv.Unit.logit(0), fv.Unit("3", 2)], real[:2])
    other = classifier(textures, **judge)
    data = fv.audit(hooked, vis, store, checks=["transfer"], judge=other, show_progress=False).data
    assert words in data.reason.values[0, 0]
    assert "inner units have none" in data.reason.values[1, 0]


def test_without_labels_classes_have_no_counterpart(
    hooked: fv.HookedModel, onlooker: fv.HookedModel, textures: Textures, tmp_path: Path
) -> None:
    images, _ = textures(200, 6)
    bare = fv.collect(hooked, TensorDataset(images), tmp_path / "s.zarr", layers=["3"], show_progress=False)
    vis = fv.as_visualizations([fv.Unit.logit(0)], images[:1])
    data = fv.audit(hooked, vis, bare, checks=["transfer"], judge=onlooker, show_progress=False).data
    assert "without labels nothing says that the judge's outputs are the same classes" in data.reason.item()


def test_too_few_images_make_no_pairs(
    hooked: fv.HookedModel, onlooker: fv.HookedModel, data: TensorDataset, tmp_path: Path
) -> None:
    small = fv.collect(
        hooked, TensorDataset(*data[:120]), tmp_path / "s.zarr", layers=["3"], show_progress=False
    )
    vis = fv.as_visualizations([fv.Unit.logit(0)], data[0][0][None])
    found = fv.audit(hooked, vis, small, checks=["predictiveness"], judge=onlooker, show_progress=False).data
    assert "50 are needed for pairs; collect more images" in found.reason.item()


def test_pairs_are_hard_and_of_held_out_images(store: fv.Store) -> None:
    unit = fv.Unit.logit(1)
    pairs, table = Pairs.choose(store, unit), store.images_table
    peaks = store.of_images("logits").isel(channel=1).values
    row = {name: at for at, name in enumerate(table.id.values.astype(str))}
    of_split = np.sort(peaks[table.split.values == "report"])
    rank = {part: [np.searchsorted(of_split, peaks[row[name]]) / len(of_split) for name in ids]
            for part, ids in (("strong", pairs.strong), ("middling", pairs.middling))}  # fmt: skip
    assert {str(table.split.values[row[name]]) for name in pairs.strong + pairs.middling} == {"report"}
    assert min(rank["strong"]) >= 0.89
    assert 0.49 <= min(rank["middling"]) <= max(rank["middling"]) <= 0.71
    assert pairs.count == len(pairs.strong) * len(pairs.middling)


def test_a_unit_that_real_images_never_activate_makes_no_pairs(
    hooked: fv.HookedModel, data: TensorDataset, tmp_path: Path
) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with torch.no_grad():
        net[0].bias[0] = -1e4
    dead = fv.attach(net.eval(), input_shape=(3, SIDE, SIDE))
    quiet = fv.collect(
        dead, TensorDataset(*data[:400]), tmp_path / "d.zarr", layers=["1"], show_progress=False
    )
    with pytest.raises(MissingInputError, match="drives 0 pairs of .* apart, 40 are needed; it is silent"):
        Pairs.choose(quiet, fv.Unit("1", 0))
    with pytest.raises(MissingInputError, match="whole channel"):
        Pairs.choose(quiet, fv.Unit("1", 0, position=(0, 0)))


def test_ties_count_half_and_what_does_not_count_is_left_out() -> None:
    pairs = Pairs(("a", "b"), ("c", "d"), np.array([[1.0, 1.0], [1.0, 0.0]]))
    wrong = pairs.wrong(np.array([[2.0, 1.0]]), np.array([[1.0, 3.0]]))
    assert wrong[0] == pytest.approx(np.array([[0.0, 1.0], [0.5, np.nan]]), nan_ok=True)
    assert shares(wrong)[0, 0] == pytest.approx(1.5 / 3)
    twice = shares(wrong, (np.array([[2.0, 0.0]]), np.array([[1.0, 1.0]])))
    assert twice[0, 0] == pytest.approx(2 / 4)


def test_log_odds_and_ranks_of_an_output() -> None:
    logits = np.array([[2.0, 0.0, 1.0], [900.0, 0.0, 1000.0]])
    share = np.exp(2) / (np.exp(2) + 1 + np.e)
    assert log_odds(logits, 0) == pytest.approx([np.log(share / (1 - share)), -100.0])
    assert ranks(logits, 0).tolist() == [1, 2]


def test_the_json_holds_everything_but_pixels(report: fv.AuditReport, tmp_path: Path) -> None:
    found = json.loads(report.to_json(tmp_path / "r.json").read_text(encoding="utf-8"))
    first, data = found["units"][0], report.data.isel(unit=0)
    assert first["unit"] == "logits:0"
    assert first["verdicts"] == {"off_path": str(data.family_verdict.sel(kind="off_path").item()),
                                 "tampered": "inconclusive"}  # fmt: skip
    checked = first["checks"]["predictiveness"]
    for name in ("value", "low", "high", "limit", "p_value", "p_adjusted"):
        assert checked[name] == pytest.approx(data[name].sel(check="predictiveness").item())
    assert checked["null_count"] == data.null_count.sel(check="predictiveness").item() > 19
    assert set(checked["controls"]) == {"real", "grey", "noise", "mean"}
    assert first["checks"]["transfer"]["limit"] is None
    assert found["details"]["predict_accuracy"]["dims"] == ["unit", "seed"]
    assert found["correction"]["off_path"]["questions"] == CLASSES
    assert "picture" not in found["details"]
