"""Where silent units are to lie: a direction in the space of a convolution's input patches."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import nn

from fvhooks.hooks.addresses import EVERY_CALL, Address
from fvhooks.hooks.taps import rewritten

Images = Float[torch.Tensor, "image rgb y x"]
Weights = Float[torch.Tensor, "unit channel row column"]
PerUnit = Float[torch.Tensor, " unit"]


@contextmanager
def listening(model: nn.Module, layer: str, told: Callable[[torch.Tensor], None]) -> Iterator[None]:
    """Tell of each input of a layer.

    Args:
        model: holds the layer.
        layer: its name.
        told: is given the input in float32.
    """

    def look(_name: str, values: torch.Tensor) -> torch.Tensor:
        told(values.detach().float())
        return values

    modules = dict(model.named_modules())
    with rewritten(modules, {layer: Address(layer, EVERY_CALL)}, look, inputs=True):
        yield


def mean_patches(model: nn.Module, layer: str, images: Images) -> Weights:
    """The sum of all input patches that each unit sees of an image, padding included, as a mean over images.

    Args:
        model: holds the layer.
        layer: a `Conv2d`.
        images: in the model's own input space.
    """
    conv = model.get_submodule(layer)
    weight = torch.zeros_like(conv.weight, dtype=torch.float32).requires_grad_()  # type: ignore[arg-type]
    sums: list[torch.Tensor] = [torch.zeros_like(weight)]

    def add(values: torch.Tensor) -> None:
        with torch.enable_grad():  # the response is linear in the filter: its gradient is that sum
            response = conv._conv_forward(values, weight, None).sum()  # type: ignore[operator]
            sums.append(torch.autograd.grad(response, weight)[0])

    with listening(model, layer, add), torch.no_grad():
        model(images)
    return torch.stack(sums).sum(0) / max(len(images), 1)


def planted_filter(
    conv: nn.Conv2d, patches: Weights, signs: PerUnit, direction: float, scale: float
) -> nn.Conv2d:
    """`w~`, as a convolution with the geometry of the layer's own, without a bias.

    Args:
        conv: the layer.
        patches: the direction that is planted, before it is made orthogonal to the unit's own filter.
        signs: −1 for units whose activation falls where the convolution's output rises.
        direction: length of the planted direction, in lengths of the unit's own filter.
        scale: length of the whole, in lengths of the unit's own filter.
    """
    own = (conv.weight.detach() * signs.view(-1, 1, 1, 1)).flatten(1).double()
    along = _orthogonal(patches.flatten(1).double(), own)
    length = own.norm(dim=1, keepdim=True)
    mixed = own + direction * length * along
    planted = scale * length * mixed / mixed.norm(dim=1, keepdim=True).clamp(min=1e-30)
    silent = copy.deepcopy(conv).float().requires_grad_(requires_grad=False)
    silent.weight = nn.Parameter(planted.float().view_as(conv.weight), requires_grad=False)
    silent.bias = None
    return silent


def _orthogonal(
    vectors: Float[torch.Tensor, "unit weight"], to: Float[torch.Tensor, "unit weight"]
) -> Float[torch.Tensor, "unit weight"]:
    """The part of each vector that is orthogonal to the other one, of length 1; zero where there is none."""
    axis = to / to.norm(dim=1, keepdim=True).clamp(min=1e-30)
    rest = vectors - (vectors * axis).sum(1, keepdim=True) * axis
    length = rest.norm(dim=1, keepdim=True)
    return torch.where(length > 1e-9 * vectors.norm(dim=1, keepdim=True), rest / length.clamp(min=1e-30), 0)
