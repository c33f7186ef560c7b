"""What an audit knows of real images serves the next one, and nothing else."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import xarray as xr
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.reliability.readings import Readings, readings_of


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The ids of the images that stores were asked for."""
    asked: list[str] = []
    images = fv.Store.images
    monkeypatch.setattr(fv.Store, "images", lambda self, ids: asked.extend(ids) or images(self, ids))
    return asked


def test_a_second_audit_agrees_and_reads_little(
    hooked: fv.HookedModel, store: fv.Store, data: TensorDataset, forced: torch.Tensor, seen: list[str]
) -> None:
    fresh, units = fv.open_store(store.path, data), [fv.Unit.logit(0), fv.Unit("3", 2)]
    vis = fv.as_visualizations(units, forced[:2].numpy())
    checks = ["path_similarity", "natural_support", "silent_units", "activation_gap"]
    first = fv.audit(hooked, vis, fresh, checks=checks, show_progress=False)
    once = len(seen)
    second = fv.audit(hooked, vis, fresh, checks=checks, show_progress=False)
    xr.testing.assert_allclose(first.data, second.data, rtol=1e-6)
    assert once > 400
    assert len(seen) - once == 1  # the one that the network is known by


def test_real_images_are_read_together_for_paths_and_ranges(
    hooked: fv.HookedModel, store: fv.Store, data: TensorDataset, real: torch.Tensor, seen: list[str]
) -> None:
    vis, reads = fv.as_visualizations([fv.Unit.logit(0)], real[:1].numpy()), {}
    for checks in (["path_similarity"], ["natural_support"], ["path_similarity", "natural_support"]):
        seen.clear()
        fv.audit(hooked, vis, fv.open_store(store.path, data), checks=checks, show_progress=False)
        reads[len(checks), checks[0]] = len(seen)
    apart = reads[1, "path_similarity"] + reads[1, "natural_support"]
    assert reads[2, "path_similarity"] < apart - 100


def test_a_network_that_answers_otherwise_is_read_anew(hooked: fv.HookedModel, store: fv.Store) -> None:
    known = readings_of(hooked, store)
    assert readings_of(hooked, store) is known
    layer = dict(hooked.model.named_modules())["1"]
    handle = layer.register_forward_hook(lambda _module, _inputs, output: output * 1.01)
    try:
        assert readings_of(hooked, store) is not known
    finally:
        handle.remove()


def test_nothing_is_kept_inside_an_edit(hooked: fv.HookedModel, store: fv.Store) -> None:
    with hooked.edit({fv.Unit("1", 0): 0.0}):
        assert readings_of(hooked, store) is not readings_of(hooked, store)


def test_a_large_table_ends_with_its_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings("x")
    readings.table("small").add(["a"], {"peak": np.zeros((1, 2), np.float32)})
    readings.table("large").add(["a"], {"peak": np.zeros((1, 200), np.float32)})
    monkeypatch.setattr("fvhooks.reliability.readings._KEPT", 100)
    readings.trim()
    assert readings.table("small").missing(["a"]) == []
    assert readings.table("large").missing(["a"]) == ["a"]
