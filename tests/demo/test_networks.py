"""The demo's network: what its file says about itself is so."""

import sys

import pytest
import torch

from fvhooks.demo.crops import CLASSES
from fvhooks.demo.networks import STAGES, WEIGHTS, load_network, stated_accuracy
from fvhooks.demo.training import accuracy
from fvhooks.errors import MissingDependencyError


@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_accuracy_on_held_out_regions_is_the_one_that_the_file_states(grey: bool) -> None:
    stated = stated_accuracy()["held_out_grey" if grey else "held_out"]
    assert accuracy(load_network(), grey=grey) == pytest.approx(
        stated, abs=1 / 600
    )  # one crop may tip on another CPU


def test_the_file_is_small_enough_to_be_committed() -> None:
    assert WEIGHTS.stat().st_size < 1_500_000


def test_the_network_gives_one_logit_a_class_and_has_its_stages() -> None:
    hooked = load_network()
    assert set(STAGES) < set(hooked.layers)
    acts = hooked.read(torch.rand(2, 3, 64, 64), [*STAGES, "logits"])
    assert acts["logits"].shape == (2, len(CLASSES))
    assert all((acts[stage] >= 0).all() for stage in STAGES)
    assert not hooked.model.training


def test_weights_are_loaded_as_float32() -> None:
    assert {p.dtype for p in load_network().model.parameters()} == {torch.float32}


def test_missing_safetensors_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(MissingDependencyError, match=r"safetensors.*fvhooks\[demo\]"):
        load_network()
