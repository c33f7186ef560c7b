"""How strongly inputs speak: by compiled code, by torch, and by a slow loop in double precision."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from fvhooks.wiring import compiling
from fvhooks.wiring.geometry import Geometry
from fvhooks.wiring.pair_maps import NOBODY, PairMaps

CASES = {  # inputs, outputs, kernel, geometry
    "padded": (5, 7, (3, 3), {"start": (1, 1), "stop": (1, 1)}),
    "strided": (6, 20, (3, 3), {"stride": (2, 2), "start": (1, 1), "stop": (1, 1)}),
    "uneven strides": (4, 3, (3, 3), {"stride": (1, 2)}),
    "dilated": (4, 9, (3, 3), {"dilation": (2, 2), "start": (2, 2), "stop": (2, 2)}),
    "5 x 5": (3, 6, (5, 5), {"start": (2, 2), "stop": (2, 2)}),
    "a row": (3, 4, (1, 5), {"start": (0, 1), "stop": (0, 3)}),
    "grouped": (6, 12, (3, 3), {"groups": 2}),
    "depthwise": (6, 12, (3, 3), {"groups": 6, "start": (1, 1), "stop": (1, 1)}),
    "1 x 1": (7, 50, (1, 1), {}),
    "1 x 1, strided and padded": (7, 5, (1, 1), {"stride": (2, 2), "start": (1, 1), "stop": (1, 1)}),
}


@pytest.fixture(params=CASES, ids=list(CASES))
def case(request):
    inputs, outputs, size, said = CASES[request.param]
    geometry = Geometry(size, **said)
    kernel = torch.randn(outputs, inputs // geometry.groups, *size)
    return torch.randn(3, inputs, 9, 8), kernel, geometry


def brute_force(images: torch.Tensor, kernel: torch.Tensor, one: Geometry) -> np.ndarray:
    """All maps (image, input of the group, output, y, x), one value after the other."""
    x = functional.pad(images, (one.start[1], one.stop[1], one.start[0], one.stop[0])).double().numpy()
    w = kernel.double().numpy()
    rows, columns = one.output(images.shape[2:])
    inputs, of_group = w.shape[1], len(w) // one.groups
    found = np.zeros((len(x), inputs, len(w), rows, columns))
    for j in range(len(w)):
        for i in range(inputs):
            channel = x[:, j // of_group * inputs + i]
            for r, c in np.ndindex(rows, columns):
                for a, b in np.ndindex(*one.kernel):
                    y, z = r * one.stride[0] + a * one.dilation[0], c * one.stride[1] + b * one.dilation[1]
                    found[:, i, j, r, c] += w[j, i, a, b] * channel[:, y, z]
    return found


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "torch"])
def test_maps_are_those_of_a_slow_loop(case, compiled) -> None:
    images, kernel, geometry = case
    if compiled and compiling.library() is None:
        pytest.skip("no C++ compiler")
    expected = brute_force(images, kernel, geometry)
    pairs = PairMaps(kernel, geometry, compiled=compiled)
    np.testing.assert_allclose(pairs.maps(images), expected.max((3, 4)), rtol=1e-5, atol=1e-5)
    found = pairs.strongest(images, 3)
    ordered = np.sort(expected.max((3, 4)), axis=1)[:, ::-1][:, :3]
    np.testing.assert_allclose(found.values[:, : ordered.shape[1]], ordered, rtol=1e-5, atol=1e-5)
    assert (found.sources[:, ordered.shape[1] :] == NOBODY).all()
    group = torch.arange(len(kernel)) // (len(kernel) // geometry.groups) * kernel.shape[1]
    local = (found.sources[:, : ordered.shape[1]] - group).long().numpy()
    named = np.take_along_axis(expected.max((3, 4)), local, 1)
    np.testing.assert_allclose(named, ordered, rtol=1e-5, atol=1e-5)


def test_the_maps_add_up_to_the_convolution(case) -> None:
    images, kernel, geometry = (part.double() if isinstance(part, torch.Tensor) else part for part in case)
    one = geometry
    padded = functional.pad(images, (one.start[1], one.stop[1], one.start[0], one.stop[0]))
    whole = functional.conv2d(padded, kernel, None, one.stride, 0, one.dilation, one.groups)
    maps = brute_force(images, kernel, geometry)
    np.testing.assert_allclose(maps.sum(1), whole, rtol=0, atol=1e-12)
    found = PairMaps(kernel, geometry).maps(images)  # double precision: torch's way
    np.testing.assert_allclose(found, maps.max((3, 4)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "torch"])
def test_of_equal_inputs_the_first_are_named(compiled) -> None:
    kernel = torch.ones(20, 9, 3, 3)
    found = PairMaps(kernel, Geometry((3, 3)), compiled=compiled).strongest(torch.zeros(2, 9, 5, 5), 4)
    assert found.sources.unique(dim=2).tolist() == [[[0], [1], [2], [3]]] * 2
    assert (found.values == 0).all()


def test_both_ways_and_any_threads_name_the_same() -> None:
    from concurrent.futures import ThreadPoolExecutor

    images, kernel = torch.randn(9, 24, 7, 7).relu(), torch.randn(40, 24, 3, 3)
    pairs = PairMaps(kernel, Geometry((3, 3)))
    with ThreadPoolExecutor(3) as pool:
        several = pairs.strongest(images, 5, pool.map)
    assert torch.equal(several.sources, pairs.strongest(images, 5).sources)
    assert torch.equal(
        several.sources, PairMaps(kernel, Geometry((3, 3)), compiled=False).strongest(images, 5).sources
    )


def test_without_a_compiler_one_line_says_so(monkeypatch, tmp_path, caplog) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "no-such-compiler"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiling.library.cache_clear()
    try:
        with caplog.at_level("INFO", "fvhooks"):
            assert compiling.library() is None
            assert compiling.library() is None
        assert [record.message for record in caplog.records if "slower" in record.message] == [
            record.message for record in caplog.records
        ]
        assert len(caplog.records) == 1
    finally:
        compiling.library.cache_clear()


def test_what_is_compiled_is_kept(monkeypatch, tmp_path) -> None:
    if compiling.library() is None:
        pytest.skip("no C++ compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiling.library.cache_clear()
    try:
        assert compiling.library() is not None
        [made] = (tmp_path / "fvhooks").iterdir()
        before = made.stat().st_mtime_ns
        compiling.library.cache_clear()
        assert compiling.library() is not None
        assert made.stat().st_mtime_ns == before
    finally:
        compiling.library.cache_clear()
