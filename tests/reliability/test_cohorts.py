"""Which real images judge a unit."""

import numpy as np
import pytest

import fvhooks as fv
from fvhooks.reliability.cohorts import Cohort, choose_cohort


@pytest.fixture
def splits(store: fv.Store) -> dict[str, str]:
    table = store.images_table
    return dict(zip(map(str, table.id.values), map(str, table.split.values), strict=True))


@pytest.mark.parametrize("unit", [fv.Unit.logit(2), fv.Unit("3", 5), fv.Unit("1", 0, position=(2, 2))])
def test_no_image_judges_what_it_made(store: fv.Store, splits: dict[str, str], unit: fv.Unit) -> None:
    cohort = choose_cohort(store, unit)
    wanted = {"own": "calibration", "other": "calibration", "held": "report", "reference": "reference"}
    for part, split in wanted.items():
        assert {splits[name] for name in getattr(cohort, part)} == {split}
    assert not set(cohort.own) & set(cohort.other)


def test_an_outputs_kind_is_its_label(store: fv.Store) -> None:
    table = store.images_table
    labels = dict(zip(map(str, table.id.values), table.label.values.tolist(), strict=True))
    cohort = choose_cohort(store, fv.Unit.logit(1))
    assert {labels[name] for name in cohort.own + cohort.held + cohort.reference} == {1}
    assert {labels[name] for name in cohort.other} == {0, 2, 3}


def test_an_inner_units_kind_is_what_it_answers_to(store: fv.Store) -> None:
    peaks = store["3"].peak.isel(channel=4)
    values = dict(zip(map(str, peaks.id.values), peaks.values.tolist(), strict=True))
    cohort = choose_cohort(store, fv.Unit("3", 4))
    calibration = [
        v for v, split in zip(peaks.values, peaks.split.values, strict=True) if split == "calibration"
    ]
    assert len(cohort.own) == 20
    assert min(values[name] for name in cohort.own) >= np.sort(calibration)[-20]
    assert max(values[name] for name in cohort.other) <= np.median(calibration)


def test_a_cohort_is_the_same_every_time(store: fv.Store) -> None:
    assert choose_cohort(store, fv.Unit.logit(0)) == choose_cohort(store, fv.Unit.logit(0))


def test_everything_is_what_activations_are_needed_of() -> None:
    assert Cohort(("a",), ("b",), ("c",), ("d",), "").everything == ("a", "b", "c")
