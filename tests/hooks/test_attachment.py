"""From a user's model to a hooked one."""

import pickle
import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.errors import ImageError, UnsupportedModelError
from fvhooks.hooks.adapters.modules import ModuleAdapter


def test_attaching_registers_and_changes_nothing(untouched) -> None:
    net = nn.Conv2d(3, 8, 3)
    with untouched(net):
        fv.attach(net, mean=[0.5] * 3, std=[0.5] * 3, input_shape=(3, 16, 16)).layers  # noqa: B018


def test_a_scripted_model_is_refused_with_the_way_out() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer torch deprecates tracing, models that were traced stay
        scripted = torch.jit.trace(nn.Conv2d(3, 4, 3), torch.rand(1, 3, 8, 8))
    with pytest.raises(UnsupportedModelError, match="attach the module it was scripted from"):
        fv.attach(scripted)


def test_a_data_parallel_model_is_refused_with_the_way_out() -> None:
    with pytest.raises(UnsupportedModelError, match=r"DataParallel runs copies of the model.*model\.module"):
        fv.attach(nn.DataParallel(nn.Conv2d(3, 4, 3)))


def test_what_is_no_module_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"Expected a torch\.nn\.Module, got str"):
        fv.attach("resnet18")


def test_a_compiled_model_is_unwrapped() -> None:
    net = nn.Conv2d(3, 4, 3)
    assert fv.attach(torch.compile(net, backend="eager")).model is net


def test_the_input_shape_is_read_from_the_models_configuration() -> None:
    hugging, timm = nn.Conv2d(1, 4, 3), nn.Conv2d(3, 4, 3)
    hugging.config = SimpleNamespace(image_size=28, num_channels=1)
    timm.pretrained_cfg = {"input_size": (3, 20, 24)}
    assert fv.attach(hugging).preprocessing.input_shape == (1, 28, 28)
    assert fv.attach(timm).preprocessing.input_shape == (3, 20, 24)
    assert fv.attach(timm, input_shape=(3, 8, 8)).preprocessing.input_shape == (3, 8, 8)


def test_a_hooked_model_travels_to_another_process() -> None:
    hooked = fv.attach(nn.Sequential(nn.Conv2d(3, 4, 3)), input_shape=(3, 8, 8))
    hooked.probe()
    _ = hooked.module
    there = pickle.loads(pickle.dumps(hooked))
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(there.read(x, ["0"])["0"], hooked.read(x, ["0"])["0"])


LOGITS = torch.rand(2, 10)
OUTPUTS = {
    "tensor": LOGITS,
    "dictionary": {"logits": LOGITS, "features": torch.rand(2, 5)},
    "object": SimpleNamespace(logits=LOGITS),
    "with auxiliary outputs": (LOGITS, torch.rand(2, 10)),
    "with a map": {"out": LOGITS, "map": torch.rand(2, 3, 4, 4)},
}


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
def test_logits_are_found_in_what_the_model_returns(output) -> None:
    assert ModuleAdapter().logits(output) is LOGITS


@pytest.mark.parametrize("output", [{"a": LOGITS, "b": LOGITS}, (torch.rand(2, 3, 4, 4),), None])
def test_logits_are_never_guessed(output) -> None:
    with pytest.raises(
        UnsupportedModelError, match="Wrap the model in a module that returns them as one tensor"
    ):
        ModuleAdapter().logits(output)


def test_preprocessing_that_does_not_fit_is_refused() -> None:
    net = nn.Conv2d(3, 4, 3)
    with pytest.raises(ImageError, match="mean has 2 values for 3 input channels"):
        fv.attach(net, mean=[0.5, 0.5], std=[0.5, 0.5], input_shape=(3, 8, 8))
