"""FlowLRP: relevance keeps its sum, equals the published rule, and leaves the model alone."""

import copy
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

import pytest
import torch
import torchvision
from captum.attr import LayerAttribution, LayerLRP, NoiseTunnel
from captum.attr._utils.custom_modules import Addition_Module
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule, IdentityRule, PropagationRule
from torch import nn
from torch.nn import functional as F  # noqa: N812

import fvhooks as fv
from fvhooks.errors import ImageError, LayerNotFoundError, MissingInputError, UnsupportedModelError
from fvhooks.relevance import FlowLRP
from fvhooks.relevance.captum import channel_relevance

Untouched = Callable[[nn.Module], AbstractContextManager[None]]


class Block(nn.Module):
    """A residual block as torchvision writes it: one ReLU, used twice and in place, and a plain addition."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x
        return self.relu(out)


class Rebuilt(nn.Module):
    """The same block as Captum's LRP needs it."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.conv1, self.bn1, self.conv2, self.bn2 = block.conv1, block.bn1, block.conv2, block.bn2
        self.relu1, self.relu2, self.add = nn.ReLU(), nn.ReLU(), Addition_Module()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu2(self.add(self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x))))), x))


class ByMagnitude(PropagationRule):
    """Shares relevance at an addition by |m| : |s|, in Captum's way of writing a rule."""

    def forward_hook(self, module: nn.Module, inputs: Any, outputs: torch.Tensor) -> torch.Tensor:
        self.whole = sum(x.detach().abs() for x in inputs) + 1e-12
        return super().forward_hook(module, inputs, outputs)

    def _create_backward_hook_input(self, inputs: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        def hook(grad: torch.Tensor) -> torch.Tensor:
            grad.replace_out = relevance = grad * inputs.abs()
            return relevance

        return hook

    def _create_backward_hook_output(self, outputs: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda grad: grad / self.whole

    def _manipulate_weights(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        pass


def residual() -> nn.Sequential:
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=False), nn.ReLU(), Block(6), Block(6), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):  # nothing may pass for the identity by chance
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias, std=0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean, std=0.5)
    return net.eval()


def total(relevance: torch.Tensor) -> torch.Tensor:
    return relevance.flatten(1).sum(1)


def test_it_equals_captums_lrp_on_a_rebuilt_network() -> None:
    net = residual()
    x = torch.rand(3, 3, 12, 12)
    ours = FlowLRP(net, [net[1], net[2]]).attribute(x, target=4)

    copied = copy.deepcopy(net)
    twin = nn.Sequential(
        copied[0], nn.ReLU(), Rebuilt(copied[2]), Rebuilt(copied[3]), nn.AdaptiveAvgPool2d(1)
    )
    kinds = {nn.Conv2d: Alpha1_Beta0_Rule, nn.BatchNorm2d: IdentityRule, Addition_Module: ByMagnitude}
    for module in twin.modules():
        if type(module) in kinds:
            module.rule = kinds[type(module)]()
    twin[4].rule = EpsilonRule()

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twin = twin

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.flatten(self.twin(images), 1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Captum's, on hooks of tensors
        theirs = LayerLRP(Flat(), [twin[2].conv1, twin[3].conv1]).attribute(
            x, target=4, attribute_to_layer_input=True
        )
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other.detach(), rtol=1e-3, atol=1e-6)


def test_a_block_by_hand() -> None:
    net = residual()
    x = torch.rand(2, 3, 12, 12)
    relevance = FlowLRP(net, net[2], seed_layer=net[3]).attribute(x, target=1)

    with torch.no_grad():
        block, a = net[3], net[:3](x)
        middle = F.relu(block.bn1(block.conv1(a)))
        branch = block.bn2(block.conv2(middle))
        seed = torch.zeros_like(a)
        seed[:, 1] = F.relu(branch + a)[:, 1]
        share = branch.abs() / (branch.abs() + a.abs())
        back = _zplus(block.conv1, a, _zplus(block.conv2, middle, seed * share))
    torch.testing.assert_close(relevance, back + seed * (1 - share), rtol=1e-3, atol=1e-5)


def _zplus(conv: nn.Conv2d, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
    weight = conv.weight.clamp(min=0)
    z = F.conv2d(x, weight, padding=1)
    return x * F.conv_transpose2d(torch.where(z > 0, relevance / z, 0), weight, padding=1)


@pytest.mark.parametrize(
    ("builder", "layers"),
    [
        ("resnet18", ["layer1", "layer2", "layer3"]),
        ("resnet50", ["conv1", "layer2", "layer3"]),
        ("densenet121", ["features.denseblock1", "features.denseblock3"]),
        ("vgg11", ["features.5", "features.15"]),
        ("regnet_x_400mf", ["trunk_output.block2"]),
    ],
)
def test_the_sum_at_each_stage_is_the_seed(builder: str, layers: list[str], untouched: Untouched) -> None:
    net = torchvision.models.get_model(builder, weights=None)  # in train mode, as a user may leave it
    x = torch.rand(2, 3, 64, 64, requires_grad=True)
    hooked = fv.attach(net, mean=[0.5] * 3, std=[0.2] * 3)
    with untouched(net):
        found, lost = FlowLRP(hooked.module, [net.get_submodule(layer) for layer in layers]).attribute(
            x, target=torch.tensor([3, 7]), return_convergence_delta=True
        )
    seed = hooked.module(x).detach()[torch.arange(2), torch.tensor([3, 7])]
    for relevance in found:
        torch.testing.assert_close(total(relevance), seed, rtol=1e-4, atol=0)
        assert bool((relevance * seed.sign().view(2, 1, 1, 1) >= 0).all())
        assert not relevance.requires_grad
    assert lost.abs().max() < 1e-4 * seed.abs().max()
    assert x.grad is None


def test_where_stock_lrp_loses_the_sum_it_is_kept() -> None:
    net = torchvision.models.resnet50(weights=None).eval()
    x, module = torch.rand(1, 3, 64, 64), net.layer2[0].conv1
    seed = net(x)[:, 3].detach()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Captum's, on hooks of tensors
        stock = LayerLRP(net, module).attribute(x, target=3, attribute_to_layer_input=True)
    assert total(stock).abs() > 1e6 * seed.abs()
    ours = FlowLRP(net, module).attribute(x, target=3, attribute_to_layer_input=True)
    torch.testing.assert_close(total(ours), seed, rtol=1e-4, atol=0)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "layers", "side"),
    [
        ("cifar10_resnet20", ["layer1", "layer2"], 32),
        ("cifar10_resnet56", ["layer1", "layer2"], 32),
        ("imagenet_squeezenet1_1", ["features.5", "features.10"], 224),
        ("imagenet_googlenet", ["conv2", "inception_3b", "inception_4c"], 224),
    ],
)
def test_trained_networks_keep_the_sum(name: str, layers: list[str], side: int, shared: ModuleType) -> None:
    net, mean, std = shared.load(name)
    hooked = fv.attach(net, mean=mean, std=std, input_shape=(3, side, side))
    x = torch.rand(2, 3, side, side)
    found = FlowLRP(hooked.module, [net.get_submodule(layer) for layer in layers]).attribute(x, target=1)
    for relevance in found:
        torch.testing.assert_close(total(relevance), hooked.module(x)[:, 1].detach(), rtol=1e-4, atol=0)


@pytest.mark.real
def test_what_biases_keep_is_reported(shared: ModuleType) -> None:
    net, mean, std = shared.load("imagenet_mobilenet_v2")  # depthwise convolutions with folded biases
    hooked = fv.attach(net, mean=mean, std=std, input_shape=(3, 224, 224))
    x = torch.rand(2, 3, 224, 224)
    flow = FlowLRP(hooked.module, net.get_submodule("features.7"))
    with pytest.warns(UserWarning, match="of the relevance stayed in biases"):
        relevance, lost = flow.attribute(x, target=1, return_convergence_delta=True)
    seed = hooked.module(x)[:, 1].detach()
    assert bool((lost.abs() > 0.5 * seed.abs()).all())
    torch.testing.assert_close(total(relevance) + lost, seed, rtol=1e-3, atol=1e-3)


def test_it_is_a_captum_attributor_also_for_an_inner_channel() -> None:
    net = residual()
    hooked = fv.attach(net, input_shape=(3, 12, 12))
    x = torch.rand(3, 3, 12, 12)
    assert issubclass(FlowLRP, LayerAttribution)
    by_trunk = channel_relevance(hooked, x, "3", 2, ["1", "2"], attributor=FlowLRP)
    seeded = FlowLRP(net, [net[1], net[2]], seed_layer=net[3]).attribute(x, target=2)
    for node, relevance in zip(("1", "2"), seeded, strict=True):
        torch.testing.assert_close(by_trunk[node] * 100, relevance.flatten(2), rtol=1e-3, atol=1e-5)


def test_to_the_input_of_a_layer() -> None:
    net = residual()
    x = torch.rand(2, 3, 12, 12)
    into = FlowLRP(net, net[3]).attribute(x, target=0, attribute_to_layer_input=True)
    torch.testing.assert_close(into, FlowLRP(net, net[2]).attribute(x, target=0))


def test_signed_inputs_share_by_positive_products() -> None:
    net = nn.Sequential(nn.Identity(), nn.Linear(2, 1, bias=False))
    net[1].weight.data = torch.tensor([[2.0, -3.0]])
    relevance = FlowLRP(net, net[0]).attribute(torch.tensor([[1.0, -1.0], [1.0, 1.0]]), target=0)
    torch.testing.assert_close(relevance, torch.tensor([[2.0, 3.0], [-1.0, 0.0]]))


def test_relevance_without_a_positive_product_is_returned() -> None:
    net = nn.Sequential(nn.Identity(), nn.Linear(2, 1, bias=False))
    net[1].weight.data = torch.tensor([[2.0, -3.0]])
    with pytest.warns(UserWarning, match="FlowLRP: 100.0% of the relevance"):
        _, lost = FlowLRP(net, net[0]).attribute(
            torch.tensor([[-1.0, 2.0]]), target=0, return_convergence_delta=True
        )
    assert lost.tolist() == [-8.0]


@pytest.mark.parametrize("activation", [nn.SiLU, nn.GELU, nn.Sigmoid, lambda: nn.LayerNorm(10)])
def test_operations_without_a_rule_are_named(activation: Callable[[], nn.Module]) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), activation(), nn.Flatten(), nn.Linear(400, 2))
    name = {"SiLU": "silu", "GELU": "gelu", "Sigmoid": "sigmoid", "LayerNorm": "layer_norm"}
    expected = f"no rule for {name[type(net[1]).__name__]}, .*LayerGradientXActivation"
    with pytest.raises(UnsupportedModelError, match=expected):
        FlowLRP(net, net[0]).attribute(torch.rand(1, 3, 12, 12), target=0)
    FlowLRP(net, net[2]).attribute(torch.rand(1, 3, 12, 12), target=0)  # behind it all is well


def test_attention_is_named_as_a_whole() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.attention = nn.Linear(8, 8), nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.before(x)
            return self.attention(tokens, tokens, tokens)[0].mean(1)

    net = Attending()
    with pytest.raises(UnsupportedModelError, match="no rule for multi_head_attention_forward, which"):
        FlowLRP(net, net.before).attribute(torch.rand(2, 5, 8), target=0)


def test_a_model_that_needs_its_in_place_operations_is_refused() -> None:
    class Aliased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps = self.conv(x)
            F.relu(maps, inplace=True)  # and never looks at what it returned
            return self.head(maps.mean((2, 3)))

    net = Aliased()
    with pytest.raises(UnsupportedModelError, match="other values when its in-place operations"):
        FlowLRP(net, net.conv).attribute(torch.rand(2, 3, 8, 8), target=0)


def test_wrong_layers_are_named() -> None:
    net = residual()
    x = torch.rand(1, 3, 12, 12)
    with pytest.raises(UnsupportedModelError, match="got 'layer3', which is none of Sequential's"):
        FlowLRP(net, "layer3")
    with pytest.raises(UnsupportedModelError, match="got Conv2d, which is none"):
        FlowLRP(net, nn.Conv2d(3, 3, 3))
    with pytest.raises(LayerNotFoundError, match="ReLU runs more than once"):
        FlowLRP(net, net[2].relu).attribute(x, target=0)
    with pytest.raises(LayerNotFoundError, match="does not run on the way"):
        FlowLRP(net, [net[1], net[3]], seed_layer=net[2]).attribute(x, target=0)
    with pytest.raises(UnsupportedModelError, match="one module or more"):
        FlowLRP(net, [])


@pytest.mark.parametrize("target", [6, -7, None])
def test_targets_that_do_not_exist(target: int | None) -> None:
    net = residual()
    x = torch.rand(2, 3, 12, 12)
    with pytest.raises(MissingInputError, match=r"shape \(2, 6\); there is no target"):
        FlowLRP(net, net[1]).attribute(x, target=target)
    with pytest.raises(MissingInputError, match="channel of the seed layer, from 0 to 5"):
        FlowLRP(net, net[1], seed_layer=net[2]).attribute(x, target=target)


def test_bytes_are_refused() -> None:
    net = residual()
    with pytest.raises(ImageError, match="Expected floating-point inputs, got torch.uint8"):
        FlowLRP(net, net[1]).attribute(torch.zeros(1, 3, 12, 12, dtype=torch.uint8), target=0)


@pytest.mark.parametrize("inner", ["conv1", "bn1", "conv2"])
def test_a_layer_in_a_branch_gets_the_branchs_share(inner: str) -> None:
    net = residual()
    x = torch.rand(2, 3, 12, 12)
    module = getattr(net[3], inner)
    alone = FlowLRP(net, module).attribute(x, target=4)
    together = FlowLRP(net, [net[2], module]).attribute(x, target=4)
    torch.testing.assert_close(alone, together[1])
    assert bool((total(alone) < 0.95 * total(together[0])).all())


def test_a_branch_of_a_published_network() -> None:
    net = torchvision.models.resnet18(weights=None)
    x = torch.rand(2, 3, 64, 64)
    alone = FlowLRP(net, net.layer3[0].conv2).attribute(x, target=1)
    _, together = FlowLRP(net, [net.layer2, net.layer3[0].conv2]).attribute(x, target=1)
    torch.testing.assert_close(alone, together)


def test_to_the_input_of_a_layer_counts_all_who_read_it() -> None:
    net = residual()
    x = torch.rand(2, 3, 12, 12)
    into = FlowLRP(net, net[3].conv1).attribute(x, target=4, attribute_to_layer_input=True)
    torch.testing.assert_close(into, FlowLRP(net, net[2]).attribute(x, target=4))


class Two(nn.Module):
    """Two branches, and any way to put them together."""

    def __init__(self, join: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.left, self.right, self.join = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), join

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.join(self.left(x).relu(), self.right(x).relu()).mean((2, 3))


@pytest.mark.parametrize(
    "join", [lambda a, b: torch.add(a, other=b), lambda a, b: torch.add(input=a, other=b), lambda a, b: a - b]
)
def test_terms_by_name_share_as_terms_by_place(join: Callable[..., torch.Tensor]) -> None:
    net = Two(join)
    with torch.no_grad():
        net.left.bias.fill_(0.5)
        net.right.bias.fill_(0.4)
    x = torch.rand(2, 3, 4, 4)
    left, right = FlowLRP(net, [net.left, net.right]).attribute(x, target=2)
    torch.testing.assert_close(total(left) + total(right), net(x)[:, 2].detach())
    a, b = net.left(x).relu()[:, 2], net.right(x).relu()[:, 2]
    seeds = net.join(a, b).abs() / net.join(a, b).abs().sum((1, 2), keepdim=True) * net(x)[:, 2, None, None]
    torch.testing.assert_close(left[:, 2], (seeds * a.abs() / (a.abs() + b.abs())).detach())


@pytest.mark.parametrize(
    ("join", "named"),
    [
        (lambda a, b: torch.mul(a, other=b.sigmoid()), "mul, sigmoid"),
        (lambda a, b: a / (1 + b.exp()), "div|exp"),
        (lambda a, b: a + 1 / (1 + b), "mul|reciprocal|div"),
        (lambda a, b: a / a.norm(dim=1, keepdim=True), "div"),
    ],
)
def test_gates_and_quotients_are_refused(join: Callable[..., torch.Tensor], named: str) -> None:
    net = Two(join)
    with pytest.raises(UnsupportedModelError, match=named):
        FlowLRP(net, [net.left, net.right]).attribute(torch.rand(2, 3, 4, 4), target=0)


def test_what_runs_beside_a_layer_needs_no_rule() -> None:
    net = Two(lambda a, b: a + F.silu(b))
    x = torch.rand(2, 3, 4, 4)
    left = FlowLRP(net, net.left).attribute(x, target=1)
    with pytest.raises(UnsupportedModelError, match="no rule for silu"):
        FlowLRP(net, net.right).attribute(x, target=1)
    assert bool((total(left).abs() <= net(x)[:, 1].detach().abs()).all())


def test_an_in_place_operation_without_a_rule_is_named() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Hardswish(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(UnsupportedModelError, match="no rule for hardswish"):
        FlowLRP(net, net[0]).attribute(torch.rand(2, 3, 8, 8), target=0)


def test_noise_tunnel_wraps_it() -> None:
    net = residual()
    x = torch.rand(2, 3, 12, 12)
    plain = FlowLRP(net, net[2]).attribute(x, target=1)
    smooth = NoiseTunnel(FlowLRP(net, net[2])).attribute(x, target=1, nt_samples=2, stdevs=1e-5)
    other = FlowLRP(net, net[2]).attribute(x, target=0)
    assert (smooth - plain).norm() < 0.01 * plain.norm()
    assert (other - plain).norm() > 0.1 * plain.norm()  # so that the bound can fail


def test_a_late_layer_behind_in_place_operations_without_a_rule() -> None:
    net = torchvision.models.efficientnet_b0(weights=None)
    x = torch.rand(2, 3, 64, 64)
    found = FlowLRP(net, net.avgpool).attribute(x, target=3)
    torch.testing.assert_close(total(found), net.eval()(x)[:, 3].detach(), rtol=1e-4, atol=1e-9)
    with pytest.raises(UnsupportedModelError, match="no rule for silu"):
        FlowLRP(net, net.features[7]).attribute(x, target=3)


@pytest.mark.filterwarnings("ignore:FlowLRP")
def test_rows_of_positions_are_counted_by_image() -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 4, 1), nn.Linear(4, 2, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            rows = self.conv(x).flatten(2).transpose(1, 2).reshape(-1, 4)
            return self.linear(rows).reshape(len(x), -1, 2).mean(1)

    net = Rows()
    x = torch.rand(3, 3, 6, 6)
    found, lost = FlowLRP(net, net.conv).attribute(x, target=0, return_convergence_delta=True)
    torch.testing.assert_close(total(found) + lost, net(x)[:, 0].detach(), rtol=1e-3, atol=1e-5)


def test_inside_inference_mode() -> None:
    net = residual()
    with torch.inference_mode():
        x = torch.rand(2, 3, 12, 12)
        found = FlowLRP(net, net[2]).attribute(x, target=1)
    torch.testing.assert_close(found, FlowLRP(net, net[2]).attribute(x.clone(), target=1))
