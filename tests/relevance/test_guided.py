"""Guided back-propagation runs the network that it was given."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from fvhooks.relevance import LayerGuidedBackprop

Relu = Callable[[torch.Tensor], torch.Tensor]


class Net(nn.Module):
    """Reads a convolution again after its ReLU."""

    def __init__(self, relu: Relu) -> None:
        super().__init__()
        self.conv, self.fc, self.relu = nn.Conv2d(3, 4, 3), nn.Linear(144, 2), relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.conv(x)
        fired = self.relu(maps)
        outputs: torch.Tensor = self.fc((maps + fired).flatten(1))
        return outputs


def found(relu: Relu, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    net, outputs = Net(relu), []
    net.register_forward_hook(lambda *seen: outputs.append(seen[-1].detach()))
    relevance = LayerGuidedBackprop(net, net.conv).attribute(images, target=1)
    return outputs[0], relevance.detach()


@pytest.mark.parametrize(
    "relu",
    [torch.relu_, torch.Tensor.relu_, nn.ReLU(inplace=True), lambda x: F.relu(x, True), F.relu_],
)
def test_relus_in_place_overwrite_what_is_read_later(relu: Relu) -> None:
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    plain = Net(relu)(images).detach()
    output, relevance = found(relu, images)
    torch.testing.assert_close(output, plain)
    torch.manual_seed(0)
    net = Net(relu)
    maps = net.conv(images).detach()
    expected = torch.where(maps > 0, 2 * net.fc.weight[1].view(4, 6, 6).clamp(min=0), 0.0)
    torch.testing.assert_close(relevance, expected.detach())


def test_other_relus_leave_their_input_alone() -> None:
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    output, _ = found(torch.relu, images)
    torch.manual_seed(0)
    torch.testing.assert_close(output, Net(torch.relu)(images).detach())
