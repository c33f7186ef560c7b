"""Pictures made by compiled code beside those made without."""

import shutil

import numpy as np
import pytest
from torch import nn

import fvhooks as fv
from fvhooks.errors import UnsupportedModelError
from fvhooks.hooks import compiled as module

UNITS = [fv.Unit("1", channel) for channel in range(4)]
OPTIONS = {"recipe": "fourier", "seeds": 2, "steps": 4, "show_progress": False}


def toy() -> fv.HookedModel:
    return fv.attach(nn.Sequential(nn.Conv2d(3, 4, 5), nn.Tanh()).eval(), input_shape=(3, 12, 12))


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_pictures_are_those_of_the_model(untouched) -> None:
    hooked = toy()
    with untouched(hooked.model):
        ours = fv.visualize(hooked, UNITS, compiled=True, **OPTIONS)
    again = fv.visualize(hooked, UNITS, compiled=True, **OPTIONS)
    theirs = fv.visualize(hooked, UNITS, **OPTIONS)
    np.testing.assert_allclose(ours.images, theirs.images, atol=0.01)
    np.testing.assert_array_equal(ours.images, again.images)


def test_all_batches_of_a_layer_share_what_was_compiled(monkeypatch) -> None:
    made = []

    class Noted(module.CompiledReader):
        def __init__(self, *given: object, **named: object) -> None:
            super().__init__(*given, **named, backend="eager")
            made.append(self)

    monkeypatch.setattr("fvhooks.synthesis.running.making.CompiledReader", Noted)
    ours = fv.visualize(toy(), UNITS, compiled=True, batch_size=2, **OPTIONS)
    assert len(made) == 1
    assert made[0].is_compiled
    assert ours.images.sizes["unit"] == 4


def test_on_a_cpu_nothing_is_compiled_unasked(monkeypatch) -> None:
    def fail(*_given: object, **_named: object) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr("fvhooks.synthesis.running.making.CompiledReader", fail)
    monkeypatch.setattr("fvhooks.synthesis.running.making._WORTH_COMPILING", 1)
    assert fv.visualize(toy(), UNITS, **OPTIONS).images.sizes["unit"] == 4


def test_a_model_that_is_compiled_already_is_refused() -> None:
    hooked = toy()
    hooked.model[0].compile(backend="eager")
    with pytest.raises(UnsupportedModelError, match="compiled already"):
        fv.visualize(hooked, UNITS, compiled=True, **OPTIONS)
