"""Any model as a TransformerLens HookedRootModule."""

import sys

import pytest
import torch
import torchvision
from captum.attr import LayerGradientXActivation, LayerIntegratedGradients
from torch import nn

import fvhooks as fv
from fvhooks.errors import LayerNotFoundError, MissingDependencyError, UnsupportedModelError

X = torch.rand(3, 3, 64, 64)
LAYERS = ["bn1", "layer2", "layer2.0.relu#1", "layer3.1.conv1"]
POINTS = [f"{layer}.hook_out" for layer in LAYERS]


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.resnet18(weights=None)


@pytest.fixture(scope="module")
def hooked(net):
    return fv.attach(net, mean=[0.4] * 3, std=[0.2] * 3, input_shape=(3, 64, 64))


@pytest.fixture(scope="module")
def root(hooked):
    return hooked.as_hooked_root(LAYERS)


@pytest.fixture
def values(hooked):
    return hooked.read(X, LAYERS)


def test_it_is_a_hooked_root_module_with_a_hook_point_a_layer(root) -> None:
    from transformer_lens import HookedRootModule

    assert isinstance(root, HookedRootModule)
    assert list(root.hook_dict) == POINTS
    assert [point.name for point in root.hook_dict.values()] == POINTS


def test_logits_are_those_of_the_model_for_images_in_0_1(root, hooked) -> None:
    assert torch.equal(root(X), hooked.module(X))
    assert torch.equal(root((X * 255).byte()), hooked.module((X * 255).byte().float() / 255))


def test_the_cache_holds_what_the_layers_produced_in_place_or_not(root, values) -> None:
    logits, cache = root.run_with_cache(X)
    assert set(cache) == set(POINTS)
    assert all(torch.equal(cache[f"{layer}.hook_out"], values[layer]) for layer in LAYERS)
    assert (cache["bn1.hook_out"] < 0).any()  # an in-place ReLU follows
    assert torch.equal(logits, root(X))


@pytest.mark.parametrize("names", ["layer2.hook_out", POINTS[1:3], lambda name: "conv" in name])
def test_only_what_the_filter_names_is_cached(root, names) -> None:
    _, cache = root.run_with_cache(X, names_filter=names)
    expected = {names} if isinstance(names, str) else set(names if isinstance(names, list) else POINTS[3:])
    assert set(cache) == expected


def test_what_a_hook_returns_is_what_the_model_goes_on_with(root, hooked) -> None:
    def ablate(tensor, hook):
        changed = tensor.clone()
        changed[:, 5] = 0
        return changed

    logits = root.run_with_hooks(X, fwd_hooks=[("layer2.hook_out", ablate)])
    with hooked.edit({fv.Unit("layer2", 5): 0.0}):
        assert torch.equal(logits, hooked.module(X))
    assert not torch.equal(logits, root(X))  # and the hook is gone


def test_each_hook_point_fires_once_a_call(root) -> None:
    fired: list[str] = []
    for _ in range(2):
        root.run_with_hooks(X, fwd_hooks=[(lambda name: True, lambda _, hook: fired.append(hook.name))])
    assert sorted(fired) == sorted(2 * POINTS)


def test_gradients_reach_the_pixels_and_the_hook_points(root) -> None:
    kept: list[torch.Tensor] = []
    images = X.clone().requires_grad_()
    logits = root.run_with_hooks(
        images, fwd_hooks=[("layer2.hook_out", lambda tensor, hook: kept.append(tensor))]
    )
    to_layer, to_pixels = torch.autograd.grad(logits[:, 3].sum(), [kept[0], images])
    assert to_layer.abs().sum() > 0
    assert to_pixels.abs().sum() > 0


def test_backward_hooks_see_the_gradient(root) -> None:
    seen: list[torch.Tensor] = []
    images = X.clone().requires_grad_()
    with root.hooks(bwd_hooks=[("layer2.hook_out", lambda grad, hook: seen.append(grad))]):
        root(images)[:, 3].sum().backward()
    assert len(seen) == 1
    assert seen[0].shape == (3, 128, 8, 8)


@pytest.mark.parametrize("make", [LayerGradientXActivation, LayerIntegratedGradients])
def test_captum_at_a_hook_point_equals_captum_at_the_module(root, hooked, net, make) -> None:
    extra = {"n_steps": 3} if make is LayerIntegratedGradients else {}
    at_point = make(root, root.hook_dict["layer2.hook_out"]).attribute(X, target=3, **extra)
    at_module = make(hooked.module, net.layer2).attribute(X, target=3, **extra)
    assert torch.allclose(at_point, at_module, atol=1e-7)


def test_captum_takes_a_list_of_hook_points(root, hooked, net) -> None:
    points = [root.hook_dict["layer2.hook_out"], root.hook_dict["layer3.1.conv1.hook_out"]]
    found = LayerGradientXActivation(root, points).attribute(X, target=3)
    expected = LayerGradientXActivation(hooked.module, [net.layer2, net.layer3[1].conv1]).attribute(
        X, target=3
    )
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_captum_reaches_the_first_of_two_calls(hooked) -> None:
    both = hooked.as_hooked_root(["layer1.0.relu", "layer1.0.relu#1"])
    points = list(both.hook_dict.values())
    first, second = LayerGradientXActivation(both, points).attribute(X, target=0)
    kept = hooked.read(X, ["layer1.0.relu", "layer1.0.relu#1"])
    assert not torch.equal(first, second)
    assert not first[kept["layer1.0.relu"] == 0].any()
    assert not second[kept["layer1.0.relu#1"] == 0].any()


def test_the_users_modules_are_left_as_they_were(net, hooked, untouched) -> None:
    attributes = {name: set(vars(module)) for name, module in net.named_modules()}
    state = list(net.state_dict())
    with untouched(net):
        every = hooked.as_hooked_root()
        with pytest.raises(ZeroDivisionError):
            every.run_with_hooks(X, fwd_hooks=[("layer2.hook_out", lambda tensor, hook: 1 / 0)])
        every.run_with_cache(X)
    assert {name: set(vars(module)) for name, module in net.named_modules()} == attributes
    assert list(net.state_dict()) == state
    assert not any(hasattr(module, "name") for module in net.modules())


def test_without_layers_all_that_fire_get_a_point(hooked) -> None:
    every = hooked.as_hooked_root()
    assert list(every.hook_dict) == [f"{layer}.hook_out" for layer in hooked.layers if layer != "logits"]
    _, cache = every.run_with_cache(X)
    assert cache.keys() == every.hook_dict.keys()


def test_it_can_be_attached_again(root, values) -> None:
    again = fv.attach(root, input_shape=(3, 64, 64))
    assert set(again.layers) == {*POINTS, "logits"}
    assert torch.equal(again.read(X, ["layer2.hook_out"])["layer2.hook_out"], values["layer2"])
    assert again.layout("layer2.hook_out") == fv.Layout("map", 128, (8, 8))


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x * 2, x + 1


class Paired(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pair = nn.Conv2d(3, 4, 3), Pair()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = self.pair(self.conv(x))
        return (left * right).mean((2, 3))


def test_items_of_a_tuple_are_hook_points() -> None:
    model = fv.attach(Paired(), input_shape=(3, 8, 8)).as_hooked_root(["pair[1]"])
    images = torch.rand(2, 3, 8, 8)
    hooks = [("pair[1].hook_out", lambda tensor, hook: tensor * 0)]
    assert not model.run_with_hooks(images, fwd_hooks=hooks).any()
    assert model(images).any()


def test_unknown_layers_and_logits_are_refused(hooked) -> None:
    with pytest.raises(LayerNotFoundError, match="no layer 'layer9'. Did you mean 'layer"):
        hooked.as_hooked_root(["layer9"])
    with pytest.raises(UnsupportedModelError, match="name the layer that makes them"):
        hooked.as_hooked_root(["layer2", "logits"])


def test_a_model_that_has_hook_points_is_refused(root) -> None:
    with pytest.raises(UnsupportedModelError, match="HookedRoot has hook points already"):
        fv.attach(root, input_shape=(3, 64, 64)).as_hooked_root()


def test_without_transformer_lens_the_error_says_how_to_get_it(hooked, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "transformer_lens", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fvhooks\[transformer-lens\]'"):
        hooked.as_hooked_root()


@pytest.mark.real
def test_a_trained_network_is_right_and_its_hooks_hurt_it(shared) -> None:
    model, mean, std = shared.load("cifar10_resnet20")
    trained = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32)).as_hooked_root(["layer2"])
    images, labels = shared.cifar10("test")
    logits = trained(images[:64])
    assert (logits.argmax(1) == labels[:64]).float().mean() > 0.8
    hurt = trained.run_with_hooks(images[:64], fwd_hooks=[("layer2.hook_out", lambda t, hook: t * 0)])
    assert (hurt.argmax(1) == hurt[0].argmax()).all()
