"""What a wiring says adds up to each layer does, on every architecture at hand."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import fvhooks as fv
from fvhooks.hooks import HookedModel
from fvhooks.wiring import Addition, Calls, Weighted, Wiring, find_wiring
from fvhooks.wiring.plans import NOWHERE

SIZE = 64


class Replay(Calls):
    """Keeps what each numbered call was given."""

    def __init__(self) -> None:
        super().__init__()
        self.maps: dict[int, Tensor] = {}
        self.operands: dict[tuple[int, int], Any] = {}

    def on_weighted(self, weighted: Weighted) -> None:
        without_bias = weighted.func(
            weighted.input.clone(), weighted.weight, None, *weighted.rest, **weighted.options
        )
        self.maps[weighted.call] = _channels_first(without_bias)

    def on_addition(self, addition: Addition) -> None:
        for number, operand in enumerate(addition.operands):
            if isinstance(operand, Tensor):
                self.operands[addition.number, number] = _channels_first(operand.detach().clone())


def _channels_first(x: Tensor) -> Tensor:
    return x.flatten(2) if x.ndim > 2 else x.unsqueeze(-1)


def _sums(hooked: HookedModel, wiring: Wiring, images: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Of each kept node that something adds up to: the sum of its terms, and what the layer gave."""
    replay = Replay()
    with torch.no_grad(), replay:
        hooked.read_normalized(hooked.normalize(images), ["logits"])
    names = [node.name for node in wiring.nodes if node.kept]
    with torch.no_grad():
        values = {name: _channels_first(x) for name, x in hooked.read(images, names).items()}
    whole = {}
    for node in wiring.nodes:
        if node.kept and not any(skip.addition == NOWHERE for skip in node.skips):
            parts = [_made(replay, node, term) for term in node.filters]
            for skip in node.skips:
                scale = torch.from_numpy(skip.scale).to(images)[None, :, None]
                used = torch.from_numpy(skip.origin[:, 0] >= 0)[None, :, None]
                parts.append(replay.operands[skip.addition, skip.operand] * scale * used)
            if parts:
                whole[node.name] = sum(parts[1:], parts[0])
    return whole, values


def _made(replay: Replay, node: Any, term: Any) -> Tensor:
    made = replay.maps[term.call] * torch.from_numpy(term.scale).to(replay.maps[term.call])[None, :, None]
    out = made.new_zeros(len(made), node.channels, made.shape[2])
    out[:, term.first : term.first + made.shape[1]] = made
    return out


def _worst(whole: Tensor, value: Tensor, ceiling: float = np.inf) -> float:
    """How far a layer's values are from the sum of its terms plus a bias a channel, where it lets them pass.

    Relative to the largest value; the bias is taken from one place of each channel.
    """
    passes = (value != 0) & (value < ceiling)
    off = torch.where(passes, value - whole, torch.nan)
    bias = off.nanmean((0, 2), keepdim=True)
    return float(((off - bias).abs().nan_to_num() / value.abs().max()).max())


def _batch_norms(model: nn.Module) -> None:
    """Statistics and factors as training leaves them, negative factors among them."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, -0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.5)


def _check(model: nn.Module, kinds: set[str], size: int, ceiling: float = np.inf) -> Wiring:
    """Every layer of some kinds is the sum of its terms, and there are such layers."""
    hooked = fv.attach(model, input_shape=(3, size, size))
    layers = [name for name, module in hooked.modules.items() if type(module).__name__ in kinds]
    wiring = find_wiring(hooked, [*layers, "logits"])
    assert sorted(wiring.layers) == sorted([*layers, "logits"])
    whole, values = _sums(hooked, wiring, torch.rand(2, 3, size, size))
    same = [name for name in whole if whole[name].shape == values[name].shape]
    assert len(same) >= 0.6 * len(layers)
    assert max(_worst(whole[name], values[name], ceiling) for name in same) < 1e-5
    for number, node in enumerate(wiring.nodes):
        assert all(origin < number for term in [*node.filters, *node.skips] for origin in term.origin[:, 0])
    return wiring


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "kinds", "size"),
    [
        ("cifar10_resnet20", {"BasicBlock"}, 32),
        ("cifar10_resnet56", {"BasicBlock"}, 32),
        ("imagenet_googlenet", {"Inception"}, SIZE),
        ("imagenet_squeezenet1_1", {"Fire"}, SIZE),
        ("imagenet_shufflenet_v2_x1_0", {"Conv2d", "ReLU"}, SIZE),
        ("imagenet_mobilenet_v2", {"InvertedResidual"}, SIZE),
        ("tinyimagenet_mcunet", {"InvertedBottleneck"}, SIZE),
    ],
)
def test_terms_add_up_in_trained_networks(shared: ModuleType, name: str, kinds: set[str], size: int) -> None:
    assert not _check(shared.load(name)[0], kinds, size, ceiling=5.999).unexplained


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("resnet18", {"BasicBlock"}),
        ("resnet50", {"Bottleneck"}),
        ("densenet121", {"_DenseLayer"}),
        ("efficientnet_b0", {"MBConv"}),
        ("mobilenet_v3_small", {"InvertedResidual"}),
    ],
)
def test_terms_add_up_in_architectures(name: str, kinds: set[str]) -> None:
    model = getattr(torchvision.models, name)(weights=None).eval()
    _batch_norms(model)
    wiring = _check(model, kinds, SIZE)
    assert not wiring.unexplained
    assert bool(wiring.gated) == (name in {"efficientnet_b0", "mobilenet_v3_small"})


class Odd(nn.Module):
    """Most of what the walk knows, in one small network."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.left, self.right = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2), nn.Conv2d(4, 4, 1)
        self.after = nn.BatchNorm2d(4)
        self.before = nn.BatchNorm2d(12)
        self.last = nn.Conv2d(12, 4, 3, stride=2, padding=1)
        self.joined, self.end = nn.Identity(), nn.Identity()
        self.head = nn.Linear(4 * 16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)), inplace=True)
        one, two = x.chunk(2, 1)
        joined = self.joined(
            torch.cat([F.max_pool2d(self.left(one), 3, 1, 1), self.after(self.right(two)), two], 1)
        )
        out = self.last(F.relu(self.before(joined)))
        shortcut = F.pad(two[:, :2, ::2, ::2], (0, 0, 0, 0, 1, 1))
        out = out * 0.5
        out -= shortcut
        return self.head(F.relu(self.end(out)).flatten(1))


def _odd() -> tuple[nn.Module, Wiring]:
    model = Odd().double().eval()
    _batch_norms(model)
    hooked = fv.attach(model, input_shape=(3, 8, 8))
    return model, find_wiring(hooked, ["stem", "norm", "joined", "end", "logits"])


def test_terms_add_up_to_the_last_digit_in_double_precision() -> None:
    model, wiring = _odd()
    hooked = fv.attach(model, input_shape=(3, 8, 8))
    whole, values = _sums(hooked, wiring, torch.rand(4, 3, 8, 8, dtype=torch.float64))
    assert {"stem", "end", "logits"} <= set(whole)
    for name in ("stem", "end", "logits"):
        assert _worst(whole[name], values[name]) < 1e-12


def test_each_channel_is_told_where_it_comes_from() -> None:
    model, wiring = _odd()
    nodes = {node.name: node for node in wiring.nodes}
    stem, norm, joined = (wiring.nodes.index(nodes[name]) for name in ("stem", "norm", "joined"))
    assert nodes["norm"].skips[0].addition == NOWHERE
    factors = (model.norm.weight / (model.norm.running_var + 1e-5).sqrt()).detach().numpy()
    np.testing.assert_allclose(nodes["norm"].skips[0].scale, factors)
    assert nodes["norm"].skips[0].origin.tolist() == [[stem, c] for c in range(8)]
    left, right = nodes["joined"].filters
    assert (left.module, left.first, left.groups, right.module, right.first) == ("left", 0, 2, "right", 4)
    assert left.origin.tolist() == [[norm, c] for c in range(4)]
    assert right.origin.tolist() == [[norm, 4 + c] for c in range(4)]
    np.testing.assert_allclose(
        right.scale, (model.after.weight / (model.after.running_var + 1e-5).sqrt()).detach().numpy()
    )
    (passed,) = nodes["joined"].skips
    assert passed.origin[:, 0].tolist() == [NOWHERE] * 8 + [norm] * 4
    assert passed.origin[8:, 1].tolist() == [4, 5, 6, 7]
    (last,), (shortcut,) = nodes["end"].filters, nodes["end"].skips
    assert last.scale.tolist() == [0.5] * 4
    assert last.origin.tolist() == [[joined, c] for c in range(12)]
    np.testing.assert_allclose(
        last.before, (model.before.weight / (model.before.running_var + 1e-5).sqrt()).detach().numpy()
    )
    assert shortcut.scale.tolist() == [-1.0] * 4
    assert shortcut.origin.tolist() == [[NOWHERE, NOWHERE], [norm, 4], [norm, 5], [NOWHERE, NOWHERE]]
    (head,) = nodes["logits"].filters
    end = wiring.nodes.index(nodes["end"])
    assert head.origin.tolist() == [[end, c] for c in range(4) for _ in range(16)]


def test_a_permutation_of_channels_permutes_the_wiring() -> None:
    model, wiring = _odd()
    order = torch.tensor([3, 1, 0, 2, 6, 7, 5, 4])
    other = Odd().double().eval()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():  # the stem's channels in another order, and whoever reads them put right
        other.stem.weight.copy_(model.stem.weight[order])
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(other.norm, name).copy_(getattr(model.norm, name)[order])
    inverse = torch.argsort(order)

    class Back(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, inverse]

    other.norm = nn.Sequential(other.norm, Back())
    layers = ["stem", "norm.0", "joined", "end", "logits"]
    again = find_wiring(fv.attach(other, input_shape=(3, 8, 8)), layers)
    assert [node.channels for node in again.nodes] == [node.channels for node in wiring.nodes]
    for old, new in zip(wiring.nodes, again.nodes, strict=True):
        for before, after in zip([*old.filters, *old.skips], [*new.filters, *new.skips], strict=True):
            expected = before.origin.copy()
            mine = (expected[:, 0] == 1) & (expected[:, 1] != NOWHERE)
            expected[mine, 1] = inverse.numpy()[expected[mine, 1]]
            if old.name != "norm":
                np.testing.assert_array_equal(after.origin, expected)
