"""A wiring as plain data."""

import json

import numpy as np
import pytest
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

import fvhooks as fv
from fvhooks.errors import SchemaError
from fvhooks.wiring import Filter, Node, Skip, Wiring, find_wiring


def _wiring(seed: int) -> Wiring:
    """Any wiring, empty arrays and terms among it."""
    draw = np.random.default_rng(seed)

    def factors(count: int) -> np.ndarray:
        return draw.normal(size=count) if draw.integers(2) else np.full(count, draw.normal())

    def origins(count: int) -> np.ndarray:
        runs = np.stack([np.full(count, 2), np.arange(count) * draw.integers(-2, 3)], axis=1)
        return runs if draw.integers(2) else draw.integers(-1, 4, size=(count, 2))

    def filtered() -> Filter:
        inputs, outputs = (int(size) for size in draw.integers(0, 6, size=2))
        before = factors(inputs) if draw.integers(2) else None
        return Filter(int(draw.integers(9)), "a.b", 3, origins(inputs), factors(outputs), 2, before)

    def skipped() -> Skip:
        size = int(draw.integers(0, 6))
        before = factors(size) if draw.integers(2) else None
        return Skip(int(draw.integers(-1, 9)), 1, origins(size), factors(size), before)

    def node(name: str) -> Node:
        filters = tuple(filtered() for _ in range(draw.integers(3)))
        return Node(
            name, 5, bool(draw.integers(2)), filters, tuple(skipped() for _ in range(draw.integers(3)))
        )

    return Wiring(tuple(node(name) for name in ("a", "", "ä.1")), {"a": "softmax"}, ("a",))


def _parts(term: Filter | Skip) -> list[object]:
    return [np.asarray(value).tolist() for value in vars(term).values()]


def _assert_equal(one: Wiring, other: Wiring) -> None:
    assert (one.unexplained, one.gated, one.layers) == (other.unexplained, other.gated, other.layers)
    for a, b in zip(one.nodes, other.nodes, strict=True):
        assert (a.name, a.channels, a.kept) == (b.name, b.channels, b.kept)
        assert list(map(_parts, [*a.filters, *a.skips])) == list(map(_parts, [*b.filters, *b.skips]))


@given(st.integers(0, 2**32))
@settings(max_examples=40)
def test_json_gives_the_same_wiring_back(seed: int) -> None:
    wiring = _wiring(seed)
    _assert_equal(Wiring.from_dict(json.loads(json.dumps(wiring.to_dict()))), wiring)


def test_a_shuffling_network_stays_small() -> None:
    model = torchvision.models.shufflenet_v2_x0_5(weights=None).eval()
    hooked = fv.attach(model, input_shape=(3, 32, 32))
    wiring = find_wiring(hooked, ["maxpool", "stage2", "stage3", "stage4", "logits"])
    text = json.dumps(wiring.to_dict())
    _assert_equal(Wiring.from_dict(json.loads(text)), wiring)
    channels = sum(node.channels for node in wiring.nodes)
    assert len(text) < 100 * channels


def test_another_record_is_refused() -> None:
    with pytest.raises(
        SchemaError, match="Expected a wiring as Wiring.to_dict makes it, got .*Find it again"
    ):
        Wiring.from_dict({"nodes": [{"name": "conv1"}]})
