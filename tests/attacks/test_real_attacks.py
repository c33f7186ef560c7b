"""The attacks on a trained network: what the pictures show, and what it costs in accuracy."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import fvhooks as fv
from fvhooks.attacks import fooling_circuit, silent_units

pytestmark = pytest.mark.real
CLASSES = [0, 3]


@pytest.fixture(scope="module")
def known(shared):
    """The network, attached, and its images as its first layer takes them."""
    model, mean, std = shared.load("cifar10_resnet20")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    (train, _), (test, labels) = shared.cifar10("train"), shared.cifar10("test")
    return hooked, hooked.normalize(train[:500]), hooked.normalize(test), labels


def attached(hooked: fv.HookedModel, model: nn.Module) -> fv.HookedModel:
    return fv.attach(model, hooked.preprocessing)


def pictures(hooked: fv.HookedModel, **settings) -> np.ndarray:
    units = [fv.Unit.logit(label) for label in CLASSES]
    asked = {"recipe": "fourier", "seeds": 2, "steps": 12, "show_progress": False} | settings
    return fv.visualize(hooked, units, **asked).images.values


class Reordered(nn.Module):
    """The planted units alone, as a network."""

    def __init__(self, model: nn.Module, planted: nn.Module) -> None:
        super().__init__()
        self.model, self.planted = model, planted

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.planted(images, self.model(images))
        return found.expand(-1, 10)


@pytest.mark.parametrize("plant", ["permutation", "target_picture"])
def test_with_the_gate_closed_pictures_are_those_of_the_planted_unit_to_the_bit(known, plant) -> None:
    hooked, real, _, _ = known
    planted = {"permutation": 1} if plant == "permutation" else {"target_picture": real[7]}
    gate = lambda images: torch.ones(len(images))  # noqa: E731
    fooled = fooling_circuit(hooked.model, gate, **planted, images=real, out_of_range="raise")
    found = pictures(attached(hooked, fooled))
    expected = pictures(attached(hooked, Reordered(hooked.model, fooled.planted)))
    assert (found == expected).all()
    assert not (found == pictures(hooked)).all()


def energy(images: torch.Tensor) -> torch.Tensor:
    """How much neighbouring pixels differ: a gate that needs no training."""
    return images.diff(dim=2).abs().mean((1, 2, 3)) + images.diff(dim=3).abs().mean((1, 2, 3))


def test_accuracy_falls_by_the_gates_false_alarms(known) -> None:
    hooked, real, test, labels = known
    threshold = float(energy(real).quantile(0.9))  # many false alarms, so that 500 images can tell
    fooled = fooling_circuit(hooked.model, energy, permutation=1, images=real, threshold=threshold)
    with torch.no_grad():
        before, after = (model(test).argmax(1) == labels for model in (hooked.model, fooled))
        alarms = fooled.gate(test).flatten() > 0
    assert (before == after)[~alarms].all()
    drop = int(before.sum()) - int(after.sum())
    rate = float(alarms.float().mean())
    assert 0.05 < rate < 0.2
    low, high = stats.binom.ppf([0.025, 0.975], len(test), rate * float(before.float().mean()))
    assert low <= drop <= high


def test_silent_units_change_no_prediction_on_their_calibration_images(known) -> None:
    hooked, real, test, _ = known
    fooled = silent_units(hooked.model, "layer3.1.conv1", 3 * real[7], images=real)
    with torch.no_grad():
        assert (fooled(real) == hooked.model(real)).all()
        assert (fooled(real[:7]) == hooked.model(real[:7])).all()
        same = (fooled(test) == hooked.model(test)).all(1)
    fired = fooled.firings(test)
    assert (same == ~fired.any(1)).all()
    # Units of one direction fire in the same images, so that pairs are no independent draws: an image in
    # which any unit fires is at most as likely as the sum over units.
    assert fired.sum() <= stats.nbinom.ppf(0.999, 1, 1 / (1 + fooled.expected_firings(len(test))))


def test_pictures_of_silent_units_follow_the_planted_direction(known) -> None:
    hooked, real, _, _ = known
    asked = {"recipe": "fourier", "seeds": 1, "steps": 64, "show_progress": False}
    units, layer = (1, 3, 5, 6), "layer3.2.bn2"
    clean = fv.visualize(hooked, [fv.Unit(layer, channel) for channel in units], **asked)
    target = hooked.normalize(torch.from_numpy(clean.images.values[0]))[0]
    fooled = silent_units(hooked.model, "layer3.2.conv2", target, images=real)
    found = fv.visualize(
        attached(hooked, fooled), [fv.Unit(f"model.{layer}", channel) for channel in units], **asked
    )
    assert (found.data.activation > 20 * clean.data.activation).all()
    filters, signs = fooled.merged.silent, fooled.merged.signs.flatten()
    responses = {}
    for name, made in {"clean": clean, "fooled": found}.items():
        pictures = hooked.normalize(torch.from_numpy(made.images.values[:, 0]))
        with torch.no_grad():
            seen = hooked.read_normalized(pictures, ["layer3.2.relu1"])["layer3.2.relu1"]
            own = hooked.model.layer3[2].conv2.weight * signs.view(-1, 1, 1, 1)
            along = filters.weight / (100 / 10**0.5) - own  # the planted direction of each unit
            responses[name] = filters._conv_forward(seen, along, None).mean((2, 3))[range(4), units]
    assert (responses["fooled"] > responses["clean"])[1:].all()  # the first one's picture is the target
