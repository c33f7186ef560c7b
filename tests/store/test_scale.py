"""A small store made as the benchmark makes the one of a million images."""

import importlib.util
from pathlib import Path

import dask
import numpy as np
import pytest
import zarr

import fvhooks as fv

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "scale.py"
IMAGES, CHANNELS = 50_000, 512


@pytest.fixture(scope="module")
def scale():
    spec = importlib.util.spec_from_file_location("fvhooks_benchmark_scale", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(scale, tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("scale") / "s.zarr"
    scale.make_store(str(where), IMAGES, {"layer3": 64, "layer4": CHANNELS}, "layer4")
    return where


def test_the_channels_that_are_read_hold_real_bytes(folder) -> None:
    store = fv.open_store(folder)
    peaks = store["layer3"].peak.isel(image=slice(0, 2000)).values
    assert (peaks[:, :16] > 0).all()
    assert np.isnan(peaks[:, 16:]).all()
    whole, part = ((folder / f"layers/{layer}/peak/c/0/0").stat().st_size for layer in ("layer4", "layer3"))
    assert part < whole / (CHANNELS / 16) * 1.5


def test_questions_give_what_the_bytes_say(folder) -> None:
    store = fv.open_store(folder)
    peaks = np.asarray(zarr.open_array(str(folder / "layers/layer4/peak"), mode="r")[:, :3])
    with dask.config.set(scheduler="synchronous"):
        top = store.top_of_layer("layer4", k=4)[["id", "value"]].compute()
    assert np.array_equal(top.value.values[:, :3], -np.sort(-peaks, axis=0)[:4])
    assert top.id.values[:, 2].tolist() == store.top_images(fv.Unit("layer4", 2), k=4).id.values.tolist()


@pytest.mark.parametrize("question", ["top 9 of a layer", "class means of a layer"])
def test_a_layer_streams(scale, folder, question) -> None:
    _, _, before, peak = scale.ask(folder, question)
    assert peak - before < 0.75 * IMAGES * CHANNELS * 4 / 1e6  # megabytes: less than the layer has
