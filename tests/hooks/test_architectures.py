"""A dozen architectures of three libraries; `benchmarks/architectures.py` takes all through the verbs."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "architectures.py"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fvhooks_architectures", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


ARCHITECTURES = _script()


@pytest.mark.parametrize("name", ARCHITECTURES.DOZEN)
def test_an_architecture(name: str) -> None:
    build, side = ARCHITECTURES.architectures()[name]
    row = ARCHITECTURES.check(name, build, side)
    assert row.done == ["read", "visualize", "relevance", "nothing left"], row.note
    assert row.note == ""
    assert row.layers > 20


def test_flow_lrp_reaches_the_networks_that_its_rules_cover() -> None:
    wanted = {"resnet18": "yes", "squeezenet1_0": "yes", "efficientnet_b0": "mul, sigmoid, silu"}
    for name, expected in wanted.items():
        build, side = ARCHITECTURES.architectures()[f"torchvision:{name}"]
        assert ARCHITECTURES.check(name, build, side).flow == expected
