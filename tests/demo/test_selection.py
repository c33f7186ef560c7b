"""Which inner units the demo shows."""

import numpy as np
import pytest
import xarray as xr

from fvhooks.demo.selection import selective_units
from fvhooks.errors import MissingInputError
from fvhooks.units import Unit


def _layer(peaks: np.ndarray, labels: np.ndarray, fires: np.ndarray | None = None) -> xr.Dataset:
    active = (peaks > 0).mean(0) if fires is None else fires
    split = np.array(["reference", "report"] * (len(labels) // 2), dtype=object)
    data = {"peak": (("image", "channel"), peaks.astype(np.float32)), "active_fraction": ("channel", active)}
    return xr.Dataset(data, coords={"label": ("image", labels), "split": ("image", split)})


@pytest.fixture
def labels() -> np.ndarray:
    return np.repeat(np.arange(3), 20)


def _tuned(labels: np.ndarray, label: int, strength: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 1, len(labels))
    return np.where(
        np.random.default_rng(seed + 100).uniform(size=len(labels)) < 0.2, 0, noise
    ) + strength * (labels == label)


def test_the_most_selective_come_first_one_for_each_class(labels: np.ndarray) -> None:
    columns = [
        _tuned(labels, 0, 9, 0),
        _tuned(labels, 0, 8, 1),
        _tuned(labels, 1, 4, 2),
        _tuned(labels, 2, 6, 3),
    ]
    store = {"a": _layer(np.stack(columns, 1), labels)}
    assert [unit.channel for unit in selective_units(store, ["a"], count=4)] == [0, 3, 2, 1]


def test_units_that_never_fire_come_last(labels: np.ndarray) -> None:
    store = {"a": _layer(np.stack([np.zeros(60), _tuned(labels, 1, 0.1, 0)], 1), labels)}
    assert selective_units(store, ["a"], count=2) == [Unit("a", 1), Unit("a", 0)]


def test_a_later_layer_shows_other_classes_first(labels: np.ndarray) -> None:
    columns = [_tuned(labels, label, 9 - label, label) for label in range(3)]
    layer = _layer(np.stack(columns, 1), labels)
    chosen = selective_units({"a": layer, "b": layer}, ["a", "b"], count=3)
    assert chosen == [Unit("a", 0), Unit("a", 1), Unit("b", 2)]


def test_layers_share_the_count_evenly(labels: np.ndarray) -> None:
    peaks = np.stack([_tuned(labels, seed % 3, 3, seed) for seed in range(6)], 1)
    store = {"a": _layer(peaks, labels), "b": _layer(peaks, labels)}
    assert [unit.layer for unit in selective_units(store, ["a", "b"], count=5)] == ["a"] * 3 + ["b"] * 2


def test_only_reference_images_decide(labels: np.ndarray) -> None:
    """Otherwise units would be chosen on the images that claims are made on."""
    peaks = np.stack([_tuned(labels, 0, 3, 0), _tuned(labels, 1, 2, 1)], 1)
    layer = _layer(peaks, labels)
    before = selective_units({"a": layer}, ["a"], count=2)
    changed = layer.peak.where(layer.split == "reference", 50.0)
    assert selective_units({"a": layer.assign(peak=changed)}, ["a"], count=2) == before


def test_an_unreadable_image_does_not_matter(labels: np.ndarray) -> None:
    peaks = np.stack([_tuned(labels, 0, 3, 0), _tuned(labels, 1, 2, 1)], 1)
    holed = peaks.copy()
    holed[4] = np.nan
    fires = (peaks > 0).mean(0)
    whole = selective_units({"a": _layer(peaks, labels, fires)}, ["a"], count=2)
    assert selective_units({"a": _layer(holed, labels, fires)}, ["a"], count=2) == whole


def test_images_without_labels_are_refused(labels: np.ndarray) -> None:
    store = {"a": _layer(np.ones((60, 2)), np.full(60, -1))}
    with pytest.raises(MissingInputError, match="at least two classes, got 0"):
        selective_units(store, ["a"], count=1)
