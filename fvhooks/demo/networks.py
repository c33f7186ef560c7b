"""The network of the demo: small, residual, trained from scratch on the demo's photographs."""

from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the name that everyone knows

from fvhooks.demo.crops import CLASSES, SIZE
from fvhooks.dependencies import require
from fvhooks.hooks import HookedModel, Preprocessing, attach

WEIGHTS = Path(__file__).with_name("photographs.safetensors")
"""The trained weights, float16."""

STAGES = ("stem", "stage1", "stage2", "stage3", "stage4")
"""The layers worth collecting, in network order."""

_WIDTHS = (24, 24, 48, 96, 128)
PREPROCESSING = Preprocessing((0.45, 0.4, 0.38), (0.28, 0.26, 0.27), (3, SIZE, SIZE))
"""What the network is trained to be given."""


class Block(nn.Module):
    """Two convolutions beside a shortcut; halves by averaging, which leaves no checkerboard in gradients."""

    def __init__(self, inputs: int, outputs: int, *, halve: bool) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2) if halve else nn.Identity()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        widen = [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.shortcut = nn.Identity() if inputs == outputs else nn.Sequential(*widen)
        self.relu2 = nn.ReLU()

    def forward(
        self, x: Float[torch.Tensor, "image inputs y x"]
    ) -> Float[torch.Tensor, "image outputs y2 x2"]:
        """The block's output, not negative."""
        x = self.pool(x)
        branch = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        return cast("torch.Tensor", self.relu2(branch + self.shortcut(x)))


class PhotographNet(nn.Module):
    """A residual network for 64 × 64 crops: `stem`, `stage1` to `stage4`, `head`.

    Examples:
        >>> PhotographNet(12)(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 12])

    Args:
        classes: number of outputs.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        stem, *widths = _WIDTHS
        convolution = nn.Conv2d(3, stem, 4, stride=2, padding=1, bias=False)
        self.stem = nn.Sequential(convolution, nn.BatchNorm2d(stem), nn.ReLU())
        self.stage1 = Block(stem, widths[0], halve=False)
        self.stage2 = Block(widths[0], widths[1], halve=True)
        self.stage3 = Block(widths[1], widths[2], halve=True)
        self.stage4 = Block(widths[2], widths[3], halve=True)
        self.head = nn.Linear(widths[3], classes)

    def forward(self, x: Float[torch.Tensor, "image 3 y x"]) -> Float[torch.Tensor, "image classes"]:
        """One logit a class."""
        x = self.stage4(self.stage3(self.stage2(self.stage1(self.stem(x)))))
        return cast("torch.Tensor", self.head(F.adaptive_avg_pool2d(x, 1).flatten(1)))


def load_network() -> HookedModel:
    """The trained network of the demo, attached; its outputs are `fvhooks.demo.CLASSES`.

    Examples:
        >>> hooked = load_network()
        >>> hooked.layers[-1], hooked.preprocessing.input_shape
        ('logits', (3, 64, 64))

    Raises:
        MissingDependencyError: safetensors is not installed.
    """
    files = require("safetensors.torch", feature="The demo's network", extra="demo")
    state = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in files.load_file(WEIGHTS).items()
    }
    return attach_network(state)


def attach_network(state: Mapping[str, torch.Tensor] | None = None) -> HookedModel:
    """The network with the normalisation that it is trained with.

    Args:
        state: its weights; without them it is as freshly made.
    """
    network = PhotographNet(len(CLASSES))
    if state is not None:
        network.load_state_dict(OrderedDict(state))
    return attach(network.eval(), PREPROCESSING)


@cache
def stated_accuracy() -> dict[str, float]:
    """What the file of weights says about itself: top-1 on held-out regions, and on them without colour.

    Examples:
        >>> sorted(stated_accuracy())
        ['held_out', 'held_out_grey']

    Raises:
        MissingDependencyError: safetensors is not installed.
    """
    files = require("safetensors", feature="The demo's network", extra="demo")
    with files.safe_open(WEIGHTS, framework="pt") as opened:
        stated = opened.metadata() or {}
    return {
        name.removeprefix("accuracy_"): float(value)
        for name, value in stated.items()
        if name.startswith("accuracy_")
    }
