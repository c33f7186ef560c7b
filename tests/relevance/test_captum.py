"""Relevance of inner channels through Captum attributors."""

import warnings
from functools import partial
from typing import Any

import pytest
import torch
from captum.attr import (
    IntegratedGradients,
    InternalInfluence,
    LayerConductance,
    LayerDeepLift,
    LayerFeatureAblation,
    LayerGradCam,
    LayerGradientXActivation,
    LayerIntegratedGradients,
    NoiseTunnel,
    Saliency,
)
from torch import nn

import fvhooks as fv
from fvhooks.demo import TopK
from fvhooks.errors import (
    ImageError,
    LayerNotFoundError,
    MissingInputError,
    NonFiniteError,
    ShapeError,
    UnsupportedModelError,
)
from fvhooks.relevance import FlowLRP, attribute
from fvhooks.relevance.captum import channel_relevance


@pytest.fixture
def hooked() -> fv.HookedModel:
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3, bias=False), nn.ReLU(), nn.Conv2d(4, 2, 3)
    )
    return fv.attach(net, mean=[0.5] * 3, std=[0.5] * 3, input_shape=(3, 10, 10))


def test_gradient_times_activation_by_hand(hooked: fv.HookedModel) -> None:
    images = torch.rand(3, 3, 10, 10)
    got = channel_relevance(hooked, images, "2", 1, ["1"])["1"]
    inner = hooked.read(images, ["1"])["1"].requires_grad_()
    outputs = hooked.model[2](inner)[:, 1].mean((1, 2))
    (gradient,) = torch.autograd.grad(outputs.sum(), inner)
    torch.testing.assert_close(got, (gradient * inner).detach().flatten(2))
    torch.testing.assert_close(got.sum((1, 2)), outputs.detach())  # without a bias it is complete


def test_several_layers_and_the_targets_own(hooked: fv.HookedModel) -> None:
    images = torch.rand(2, 3, 10, 10)
    got = channel_relevance(hooked, images, "3", 0, ["0", "1", "3"])
    assert {node: tuple(values.shape) for node, values in got.items()} == {
        "0": (2, 6, 64),
        "1": (2, 6, 64),
        "3": (2, 4, 36),
    }
    assert got["3"][:, 1:].abs().max() == 0
    assert not any(values.requires_grad for values in got.values())


@pytest.mark.parametrize(
    "attributor", [LayerGradientXActivation, LayerIntegratedGradients, InternalInfluence]
)
def test_any_layer_attributor(attributor: type, hooked: fv.HookedModel) -> None:
    got = channel_relevance(hooked, torch.rand(2, 3, 10, 10), "2", 1, ["1"], attributor=attributor)
    assert got["1"].shape == (2, 6, 64)
    assert got["1"].abs().max() > 0


def test_an_attributor_that_refuses_the_model_is_named(hooked: fv.HookedModel) -> None:
    class Refusing:
        def __init__(self, model: nn.Module, layer: nn.Module) -> None:
            raise TypeError("no rule for Conv2d")

    with pytest.raises(
        UnsupportedModelError, match="Refusing does not work on Sequential at '1': no rule for Conv2d"
    ):
        channel_relevance(hooked, torch.rand(1, 3, 10, 10), "2", 1, ["1"], attributor=Refusing)


def test_nan_is_named_by_image(hooked: fv.HookedModel) -> None:
    class Broken:
        def __init__(self, model: nn.Module, layer: nn.Module) -> None:
            pass

        def attribute(self, images: torch.Tensor, target: int) -> torch.Tensor:
            values = torch.zeros(len(images), 6, 8, 8)
            values[1, 0, 0, 0] = float("nan")
            return values

    with pytest.raises(NonFiniteError, match=r"layer '1' is NaN or infinite for images \[1\]"):
        channel_relevance(hooked, torch.rand(2, 3, 10, 10), "2", 1, ["1"], attributor=Broken)


def test_an_unknown_layer(hooked: fv.HookedModel) -> None:
    with pytest.raises(LayerNotFoundError, match="no layer '7'"):
        channel_relevance(hooked, torch.rand(1, 3, 10, 10), "2", 1, ["7"])


def test_several_layers_in_one_call_equal_one_call_each(hooked: fv.HookedModel) -> None:
    images = torch.rand(2, 3, 10, 10)
    together = channel_relevance(hooked, images, "3", 0, ["0", "1", "2"])
    for node, values in together.items():
        torch.testing.assert_close(values, channel_relevance(hooked, images, "3", 0, [node])[node])


def test_an_earlier_call_of_a_reused_module_is_refused() -> None:
    class Reusing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.relu = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.relu(self.second(self.relu(self.first(x))))

    hooked = fv.attach(Reusing(), input_shape=(3, 10, 10))
    images = torch.rand(2, 3, 10, 10)
    with pytest.raises(UnsupportedModelError, match=r"'relu' is call 0 of 2 calls"):
        channel_relevance(hooked, images, "relu#1", 1, ["relu"])
    up_to_second = channel_relevance(hooked, images, "second", 1, ["relu"])["relu"]  # here it is the last
    inner = hooked.read(images, ["relu"])["relu"].requires_grad_()
    (gradient,) = torch.autograd.grad(hooked.model.second(inner)[:, 1].mean((1, 2)).sum(), inner)
    torch.testing.assert_close(up_to_second, (gradient * inner).detach().flatten(2))


BY_HAND = [LayerGradientXActivation, LayerIntegratedGradients, LayerConductance, LayerDeepLift]


@pytest.fixture
def classifier() -> fv.HookedModel:
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    )
    return fv.attach(net, mean=[0.5] * 3, std=[0.2] * 3, input_shape=(3, 10, 10))


@pytest.mark.parametrize("attributor", BY_HAND)
def test_the_numbers_are_captums_own(attributor: type, classifier: fv.HookedModel) -> None:
    images = torch.rand(5, 3, 10, 10)
    target = torch.tensor([0, 4, 1, 2, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # DeepLift's, on the hooks that it sets
        got = attribute(classifier, images, ["1"], target, attributor=attributor, batch_size=2)
        hand = attributor(classifier.module, classifier.model[1]).attribute(images, target=target)
    torch.testing.assert_close(got["1"], hand.detach())
    assert not got["1"].requires_grad


@pytest.mark.parametrize(
    ("attributor", "options"),
    [
        (LayerGradCam, {"attr_dim_summation": False}),
        (LayerFeatureAblation, {"perturbations_per_eval": 8}),
        (lambda model, layer: NoiseTunnel(LayerGradientXActivation(model, layer)), {"nt_samples": 2}),
        (partial(LayerIntegratedGradients, multiply_by_inputs=False), {"n_steps": 4}),
        (FlowLRP, {}),
    ],
)
def test_every_kind_of_attributor(attributor: Any, options: dict, classifier: fv.HookedModel) -> None:
    got = attribute(classifier, torch.rand(2, 3, 10, 10), ["3"], 1, attributor=attributor, options=options)
    assert got["3"].shape == (2, 4, 6, 6)
    assert got["3"].abs().max() > 0


def test_a_function_with_another_interface(classifier: fv.HookedModel) -> None:
    def gradients(model: nn.Module, layers: list[nn.Module], images: torch.Tensor, target: int) -> list:
        return [LayerGradientXActivation(model, layer).attribute(images, target=target) for layer in layers]

    images = torch.rand(3, 3, 10, 10)
    got = attribute(classifier, images, ["1", "3"], 2, attributor=gradients)
    expected = attribute(classifier, images, ["1", "3"], 2)
    for layer in ("1", "3"):
        torch.testing.assert_close(got[layer], expected[layer])


def test_an_attributor_of_ones_own(classifier: fv.HookedModel) -> None:
    images = torch.rand(3, 3, 10, 10)
    made = LayerGradientXActivation(classifier.module, [classifier.model[1], classifier.model[3]])
    got = attribute(classifier, images, ["1", "3"], 2, attributor=made)
    torch.testing.assert_close(got["3"], attribute(classifier, images, ["3"], 2)["3"])
    noisy = NoiseTunnel(LayerGradientXActivation(classifier.module, classifier.model[1]))
    assert attribute(classifier, images, ["1"], 2, attributor=noisy)["1"].shape == (3, 6, 8, 8)
    inner = LayerGradientXActivation(classifier.trunk("3"), classifier.model[1])
    got = attribute(classifier, images, ["1"], fv.Unit("3", 1), attributor=inner)
    torch.testing.assert_close(got["1"], attribute(classifier, images, ["1"], fv.Unit("3", 1))["1"])


def test_an_attributor_of_another_model_or_layer_is_refused(classifier: fv.HookedModel) -> None:
    images = torch.rand(1, 3, 10, 10)
    bare = LayerGradientXActivation(classifier.model, classifier.model[1])
    with pytest.raises(UnsupportedModelError, match=r"made for another model \(Sequential\).*hooked.module"):
        attribute(classifier, images, ["1"], 0, attributor=bare)
    with pytest.raises(UnsupportedModelError, match=r"made for another model .*hooked.trunk\('3'\)"):
        attribute(classifier, images, ["1"], fv.Unit("3", 0), attributor=bare)
    other = LayerGradientXActivation(classifier.module, classifier.model[3])
    with pytest.raises(UnsupportedModelError, match=r"made for other layers \(ReLU\)"):
        attribute(classifier, images, ["1"], 0, attributor=other)


def test_a_unit_at_one_position(classifier: fv.HookedModel) -> None:
    images = torch.rand(2, 3, 10, 10)
    got = attribute(classifier, images, ["2"], fv.Unit("2", 1, position=(2, 3)))["2"]
    values = classifier.read(images, ["2"])["2"]
    expected = torch.zeros_like(values)
    expected[:, 1, 2, 3] = values[:, 1, 2, 3]
    torch.testing.assert_close(got, expected.detach())


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (5, "from 0 to 4, the outputs, got 5"),
        (-1, "got -1"),
        ([0, 1, 7], "got 7"),
        ([0, 1], "one for each of the 3 images"),
        (fv.Unit("3", 4), "from 0 to 3, the channels of '3', got 4"),
        (fv.Unit.logit(9), "got 9"),
        (torch.rand(3), "Expected target to be an output"),
        (None, r"got None\. For what the model predicts pass hooked.module"),
        ("cat", "got str 'cat'"),
        ([[0], [1, 2], [0]], r"got list \[\[0\], \[1, 2\], \[0\]\]"),
        (True, "got bool True"),
        (torch.tensor([True, False, True]), r"shape \(3,\) and type torch.bool"),
    ],
)
def test_a_target_that_does_not_exist(target: Any, said: str, classifier: fv.HookedModel) -> None:
    with pytest.raises(MissingInputError, match=said):
        attribute(classifier, torch.rand(3, 3, 10, 10), ["1"], target)


def test_relevance_of_the_wrong_shape(classifier: fv.HookedModel) -> None:
    with pytest.raises(
        ShapeError, match=r"\(2, 4, 6, 6\) at layer '3', got \(2, 1, 6, 6\).*attr_dim_summation"
    ):
        attribute(classifier, torch.rand(2, 3, 10, 10), ["3"], 0, attributor=LayerGradCam)


def test_images_that_are_normalised_already(classifier: fv.HookedModel) -> None:
    with pytest.raises(ImageError, match="Normalize"):
        attribute(classifier, torch.randn(2, 3, 10, 10), ["3"], 0)


def test_all_layers_come_from_one_pass(classifier: fv.HookedModel) -> None:
    passes = []
    handle = classifier.model[0].register_forward_hook(lambda *_: passes.append(1))
    classifier.probe()
    passes.clear()
    attribute(classifier, torch.rand(4, 3, 10, 10), ["0", "1", "3"], 0, batch_size=2)
    handle.remove()
    assert len(passes) == 2


def test_a_module_that_returns_a_tuple_of_one() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
            return (self.conv(x),)

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block, self.head = Wrapped(), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.block(x)[0].mean((2, 3)))

    hooked = fv.attach(Model(), input_shape=(3, 8, 8))
    found = attribute(hooked, torch.rand(2, 3, 8, 8), ["block[0]", "block.conv"], 1)
    torch.testing.assert_close(found["block[0]"], found["block.conv"])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
def test_whole_numbers_of_any_type_are_targets(dtype: torch.dtype, classifier: fv.HookedModel) -> None:
    images, target = torch.rand(2, 3, 10, 10), torch.tensor([0, 4])
    got = attribute(classifier, images, ["1"], target.to(dtype))["1"]
    torch.testing.assert_close(got, attribute(classifier, images, ["1"], target)["1"])


def test_targets_made_in_inference_mode(classifier: fv.HookedModel) -> None:
    images = torch.rand(2, 3, 10, 10)
    with torch.inference_mode():
        target = classifier.module(images).argmax(1)
    got = attribute(classifier, images, ["1"], target)["1"]
    torch.testing.assert_close(got, attribute(classifier, images, ["1"], target.tolist())["1"])


def test_one_name_and_the_same_name_twice(classifier: fv.HookedModel) -> None:
    images = torch.rand(2, 3, 10, 10)
    expected = attribute(classifier, images, ["3"], 1)["3"]
    options = {"attr_dim_summation": False}
    found = attribute(classifier, images, "3", 1)
    twice = attribute(classifier, images, ["3", "3"], 1, attributor=LayerGradCam, options=options)
    torch.testing.assert_close(found["3"], expected)
    assert list(found) == list(twice) == ["3"]
    assert twice["3"].shape == expected.shape


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"layers": []}, MissingInputError, r"got none\. hooked\.layers"),
        ({"layers": ["1", "logits"]}, UnsupportedModelError, r"'logits'.*Attribute to a layer before them"),
        ({"images": torch.rand(0, 3, 10, 10)}, ImageError, r"one image or more.*\(0, 3, 10, 10\)"),
        ({"batch_size": 0}, MissingInputError, "got batch_size=0"),
        ({"batch_size": -1}, MissingInputError, "got batch_size=-1"),
    ],
)
def test_nothing_to_attribute(
    asked: dict, error: type[Exception], said: str, classifier: fv.HookedModel
) -> None:
    given = {"images": torch.rand(2, 3, 10, 10), "layers": ["1"], "target": 0} | asked
    with pytest.raises(error, match=said):
        attribute(classifier, **given)


@pytest.mark.parametrize(
    ("result", "error", "said"),
    [
        (None, UnsupportedModelError, r"tensor at layer '1', got NoneType.*torch\.as_tensor"),
        ([torch.zeros(2, 6, 8, 8).numpy()], UnsupportedModelError, "got ndarray"),
        (torch.zeros(2, 6, 8, 8).numpy(), UnsupportedModelError, "got ndarray"),
        ([torch.zeros(2, 6, 8, 8)] * 2, ShapeError, r"each of the 1 layers '1', got 2 \(Tensor, Tensor\)"),
        ([], ShapeError, "got 0"),
    ],
)
def test_a_function_that_gives_something_else(
    result: Any, error: type[Exception], said: str, classifier: fv.HookedModel
) -> None:
    def mistaken(model: nn.Module, layers: list, images: torch.Tensor, target: int) -> Any:
        return result

    with pytest.raises(error, match=f"mistaken to give a .*{said}"):
        attribute(classifier, torch.rand(2, 3, 10, 10), ["1"], 0, attributor=mistaken)


def test_a_function_with_some_arguments_filled_in(classifier: fv.HookedModel) -> None:
    def constant(model: nn.Module, layers: list, images: torch.Tensor, target: int, scale: float) -> list:
        return [torch.full((len(images), 6, 8, 8), scale)]

    filled = partial(constant, scale=3.0)
    assert attribute(classifier, torch.rand(2, 3, 10, 10), ["1"], 0, attributor=filled)["1"].unique() == 3


@pytest.mark.parametrize("kind", [Saliency, IntegratedGradients])
@pytest.mark.parametrize(
    "form",
    [
        lambda kind, module: kind,
        lambda kind, module: kind(module),
        lambda kind, module: NoiseTunnel(kind(module)),
        lambda kind, module: lambda model, layer: kind(model),
    ],
)
def test_attributors_of_the_input_are_refused(kind: type, form: Any, classifier: fv.HookedModel) -> None:
    given = form(kind, classifier.module)
    with pytest.raises(UnsupportedModelError, match=f"as LayerIntegratedGradients, got {kind.__name__}"):
        attribute(classifier, torch.rand(2, 3, 10, 10), ["1"], 0, attributor=given)


def test_a_name_is_no_attributor(classifier: fv.HookedModel) -> None:
    with pytest.raises(UnsupportedModelError, match=r"got str 'LayerLRP'\. Pass the class itself"):
        attribute(classifier, torch.rand(2, 3, 10, 10), ["1"], 0, attributor="LayerLRP")


@pytest.mark.parametrize("attributor", [None, FlowLRP])
def test_a_layer_behind_the_target(attributor: Any, classifier: fv.HookedModel) -> None:
    with pytest.raises(MissingInputError, match=r"got '3', which comes after the target's layer '1'"):
        attribute(classifier, torch.rand(2, 3, 10, 10), ["0", "3"], fv.Unit("1", 0), attributor=attributor)


def test_relevance_while_an_edit_needs_several_images() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    hooked = fv.attach(net, input_shape=(3, 8, 8))
    with hooked.edit({fv.Unit("1", 1): "mean"}):
        found = attribute(hooked, torch.rand(4, 3, 16, 16), ["0"], 1)  # a size that was not probed before
    assert found["0"].shape == (4, 4, 14, 14)


def test_the_latents_of_the_targets_own_layer() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    hooked = fv.attach(net, input_shape=(3, 8, 8)).with_sae("1", TopK(4, 16, k=2))
    images = torch.rand(2, 3, 8, 8)
    hand = LayerGradientXActivation(hooked.trunk("1"), hooked.modules["1/sae"]).attribute(images, target=2)
    assert hand.abs().max() > 0
    torch.testing.assert_close(attribute(hooked, images, ["1/sae"], fv.Unit("1", 2))["1/sae"], hand.detach())
