"""What is read once for all checks."""

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.metrics.paths import standardized_ranks
from fvhooks.reliability.evidence import Evidence
from fvhooks.reliability.variants import vary

UNITS = [fv.Unit.logit(1), fv.Unit("3", 2), fv.Unit("3", 2, position=(1, 3))]


@pytest.fixture
def evidence(hooked: fv.HookedModel, store: fv.Store, real: torch.Tensor) -> Evidence:
    return Evidence(hooked, store, units=UNITS, pictures=real[:3, :2], layers=["1", "3"])


def test_an_outputs_path_is_compared_place_by_place(
    evidence: Evidence, hooked: fv.HookedModel, store: fv.Store, real: torch.Tensor
) -> None:
    ranks = evidence.ranks(UNITS[0], "1")
    seen = hooked.read(store.images(evidence.cohort(UNITS[0]).own[:3]), ["1"])["1"].flatten(1).numpy()
    assert ranks["own"][:3] == pytest.approx(standardized_ranks(seen), abs=1e-6)
    made = hooked.read(real[0, :2], ["1"])["1"].flatten(1).numpy()
    assert ranks["cast"][:2] == pytest.approx(standardized_ranks(made), abs=1e-6)


def test_an_inner_units_path_is_compared_by_peaks(
    evidence: Evidence, hooked: fv.HookedModel, store: fv.Store, real: torch.Tensor
) -> None:
    ranks = evidence.ranks(UNITS[1], "3")
    peaks = hooked.read(real[1, :2], ["3"])["3"].amax((2, 3)).numpy()
    assert ranks["cast"].shape == (2 + 3, 16)
    assert ranks["cast"][:2] == pytest.approx(standardized_ranks(peaks), abs=1e-6)


def test_peaks_are_the_units_own_in_every_variant(
    evidence: Evidence, hooked: fv.HookedModel, real: torch.Tensor
) -> None:
    peaks = evidence.peaks(UNITS[1])
    assert peaks.shape == (5, 5)
    seen = hooked.read(real[1, :2], ["3"])["3"][:, 2]
    assert peaks[0, :2] == pytest.approx(seen.amax((1, 2)).numpy())
    cropped = hooked.read(vary(real[1, :2])["crop"], ["3"])["3"][:, 2].amax((1, 2)).numpy()
    assert peaks[-1, :2] == pytest.approx(cropped, rel=1e-5)


def test_a_unit_at_a_position_answers_there(
    evidence: Evidence, hooked: fv.HookedModel, real: torch.Tensor
) -> None:
    seen = hooked.read(real[2, :2], ["3"])["3"][:, 2, 1, 3].numpy()
    assert evidence.peaks(UNITS[2])[0, :2] == pytest.approx(seen)


def test_a_path_ends_at_its_unit(evidence: Evidence) -> None:
    assert evidence.depths(fv.Unit("1", 0)) == ["1"]
    assert evidence.depths(fv.Unit.logit(0)) == ["1", "3"]


def test_the_mean_control_is_of_reference_images(
    evidence: Evidence, store: fv.Store, hooked: fv.HookedModel
) -> None:
    mean = store.images(evidence.cohort(UNITS[0]).reference).mean(0, keepdim=True)
    logit = float(hooked.module(mean)[0, 1])
    assert evidence.peaks(UNITS[0])[0, -1] == pytest.approx(logit, rel=1e-5)


def test_each_real_image_is_read_once(
    hooked: fv.HookedModel,
    store: fv.Store,
    real: torch.Tensor,
    data: TensorDataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fresh = fv.open_store(store.path, data)  # of which nothing has been read
    evidence = Evidence(hooked, fresh, units=UNITS, pictures=real[:3, :2], layers=["1", "3"])
    _ = evidence.readings  # the one image by which the network is known again
    read: list[str] = []
    images = fv.Store.images
    monkeypatch.setattr(fv.Store, "images", lambda self, ids: read.extend(ids) or images(self, ids))
    for unit in UNITS:
        for layer in ("1", "3"):
            evidence.ranks(unit, layer)
    used = {name for unit in UNITS for name in evidence.cohort(unit).everything}
    assert sorted(name for name in read if name in used) == sorted(used)


def test_fewer_coordinates_are_compared_where_memory_would_run_out(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fvhooks.reliability.evidence._MEMORY", 1)
    assert evidence.ranks(UNITS[0], "1")["own"].shape[1] == 1000
    assert np.isfinite(evidence.ranks(UNITS[0], "1")["own"]).all()
