"""Expanded weights against what a network does, and the edges made of them."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.circuits.edges import EDGES, Question
from fvhooks.errors import LayerNotFoundError, MissingInputError, UnsupportedModelError
from fvhooks.wiring import expanded_weights, find_wiring


class Linear(nn.Module):
    """Linear from end to end, with everything that weights are expanded through."""

    def __init__(self) -> None:
        super().__init__()
        around = {"padding": 1, "padding_mode": "circular"}
        self.stem = nn.Conv2d(3, 4, 3, **around)
        self.hidden, self.norm = nn.Conv2d(4, 6, 3, groups=2, **around), nn.BatchNorm2d(6)
        self.before, self.narrow = nn.BatchNorm2d(10), nn.Conv2d(10, 4, 1, bias=False)
        self.block, self.pool, self.head = nn.Identity(), nn.AvgPool2d(2), nn.Linear(4 * 9, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        branch = self.norm(self.hidden(x))
        both = torch.cat([branch, x], 1)
        x = self.block(self.narrow(self.before(both)) - 2 * x.flip(1))
        return self.head(self.pool(x).flatten(1))


def _trained(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, -1.0, 1.5)
    return model.double().eval()


@pytest.mark.parametrize("target", ["narrow", "block", "logits"])
def test_they_are_what_a_linear_network_does_with_constant_maps(target: str) -> None:
    hooked = fv.attach(_trained(Linear()), input_shape=(3, 6, 6))
    wiring = find_wiring(hooked, ["stem", "narrow", "block", "logits"])
    weights = expanded_weights(hooked, wiring, "stem", target)
    images = torch.rand(7, 3, 1, 1, dtype=torch.float64).expand(-1, -1, 6, 6)
    read = hooked.read(images, ["stem", target])
    given, made = (x.reshape(*x.shape[:2], -1).mean(2).detach().numpy() for x in read.values())
    assert weights.shape == (made.shape[1], 4)
    np.testing.assert_allclose((given[1:] - given[0]) @ weights.T, made[1:] - made[0], atol=1e-12)


def test_natural_images_say_how_often_a_hidden_unit_lets_pass() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1), nn.ReLU(), nn.Conv2d(5, 2, 1), nn.Flatten())
    hooked = fv.attach(net.eval(), input_shape=(3, 8, 8))
    wiring = find_wiring(hooked, ["0", "3"])
    images = torch.rand(40, 3, 8, 8)
    share = (hooked.read(images, ["2"])["2"] > 0).float().mean((0, 2, 3)).double().numpy()
    assert len(np.unique(share)) > 2
    one, two = (net[n].weight.detach().double().numpy()[:, :, 0, 0] for n in (1, 3))
    found = expanded_weights(hooked, wiring, "0", "3", natural=images)
    np.testing.assert_allclose(found, two @ (share[:, None] * one), atol=1e-6)
    np.testing.assert_allclose(expanded_weights(hooked, wiring, "0", "3"), two @ one, atol=1e-6)


def test_a_layer_without_weights_hands_each_channel_on() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    hooked = fv.attach(_trained(net), input_shape=(3, 8, 8))
    wiring = find_wiring(hooked, ["0", "1", "2"])
    np.testing.assert_array_equal(expanded_weights(hooked, wiring, "1", "2"), np.eye(4))
    factors = (net[1].weight / (net[1].running_var + 1e-5).sqrt()).detach().numpy()
    np.testing.assert_allclose(expanded_weights(hooked, wiring, "0", "2"), np.diag(factors))


@pytest.mark.real
def test_a_trained_network_has_its_own_weights(shared: ModuleType) -> None:
    model, _, _ = shared.load("cifar10_resnet20")
    hooked = fv.attach(model, input_shape=(3, 32, 32))
    wiring = find_wiring(hooked, ["layer3.0", "layer3.1", "layer3.2", "logits"])
    head = expanded_weights(hooked, wiring, "layer3.2", "logits")
    np.testing.assert_allclose(head, model.linear.weight.double().numpy())
    block = model.layer3[2]
    kernels = []
    for conv, norm in ((block.conv1, block.bn1), (block.conv2, block.bn2)):
        factor = norm.weight / (norm.running_var + norm.eps).sqrt()
        kernels.append((conv.weight.sum((2, 3)) * factor[:, None]).double().numpy())
    through = expanded_weights(hooked, wiring, "layer3.1", "layer3.2")
    np.testing.assert_allclose(through, kernels[1] @ kernels[0] + np.eye(64), atol=1e-4)
    whole = expanded_weights(hooked, wiring, "layer3.1", "logits")
    np.testing.assert_allclose(whole, head @ through, atol=1e-6)


def test_layers_without_a_path_and_without_weights_are_refused() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
            self.mixed = nn.LayerNorm([8, 8, 8])

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            return self.mixed(torch.cat([self.left(x), self.right(x)], 1)).mean((2, 3))

    hooked = fv.attach(Branches().eval(), input_shape=(3, 8, 8))
    wiring = find_wiring(hooked, ["stem", "left", "right", "mixed"])
    with pytest.raises(
        MissingInputError, match="path from 'left' to 'right', found none: .* is fed by 'stem'"
    ):
        expanded_weights(hooked, wiring, "left", "right")
    with pytest.raises(MissingInputError, match="is fed by none of the wiring's layers"):
        expanded_weights(hooked, wiring, "left", "stem")
    with pytest.raises(UnsupportedModelError, match='layer_norm mixes channels.*edges="relevance"'):
        expanded_weights(hooked, wiring, "left", "mixed")
    with pytest.raises(LayerNotFoundError, match="no layer 'lift'. Did you mean 'left'"):
        expanded_weights(hooked, wiring, "lift", "right")
    other = fv.attach(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten()).eval(), input_shape=(3, 8, 8))
    renamed = find_wiring(hooked, ["stem", "right"]).to_dict()
    for node, name in zip(renamed["nodes"], ["0", "1"], strict=True):
        node["name"] = name
    with pytest.raises(MissingInputError, match="Expected the wiring of this model, got one whose call 2"):
        expanded_weights(other, type(wiring).from_dict(renamed), "0", "1")


@pytest.fixture
def question(tmp_path: Path) -> Question:
    hooked = fv.attach(_trained(Linear()).float(), input_shape=(3, 6, 6))
    data = TensorDataset(torch.rand(8, 3, 6, 6), torch.arange(8) % 2)
    layers = ["stem", "narrow", "block"]
    store = fv.collect(hooked, data, tmp_path / "store.zarr", layers=layers, show_progress=False)
    rows = np.arange(4)
    return Question(store, 0, 0, layers, rows, rows % 2, hooked=hooked, options={"strongest": 1})


def _asked(question: Question, **changes: object) -> Question:
    return Question(**(vars(question) | changes))


def test_edges_are_the_strongest_weights_of_each_sign(question: Question) -> None:
    evidence = EDGES["weights"](question)
    assert [(pair.source, pair.target) for pair in evidence.pairs] == [
        ("stem", "narrow"),
        ("narrow", "block"),
    ]
    assert evidence.scores is None
    assert evidence.images == 4
    pair = evidence.pairs[0]
    wiring = find_wiring(question.hooked, ["stem", "narrow"])
    weights = expanded_weights(question.hooked, wiring, "stem", "narrow")
    expected = {(int(row.argmax()), target) for target, row in enumerate(weights) if row.max() > 0} | {
        (int(row.argmin()), target) for target, row in enumerate(weights) if row.min() < 0
    }
    assert set(zip(pair.sources.tolist(), pair.targets.tolist(), strict=True)) == expected
    np.testing.assert_array_equal(pair.weights, weights[pair.targets, pair.sources])
    every = EDGES["weights"](_asked(question, options={"natural": torch.rand(5, 3, 6, 6)})).pairs[0]
    assert len(every.weights) == np.count_nonzero(weights)


def test_edges_of_weights_need_the_model(question: Question) -> None:
    with pytest.raises(MissingInputError, match="pass hooked="):
        EDGES["weights"](_asked(question, hooked=None))
    with pytest.raises(MissingInputError, match=r"Expected the options \['natural', 'strongest'\]"):
        EDGES["weights"](_asked(question, options={"strong": 3}))
