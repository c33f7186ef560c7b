"""Silent units: filters beside a layer's own that no real image moves (Geirhos et al., 2024).

Beside a convolution `w * x` a second one, `ReLU(w~ * x + b~)`, is added to its output. `w~` is the filter
plus a direction orthogonal to it along which a chosen picture lies, and `b~` lies below what any of the
calibration images reaches, borders included. On those images the network is the same to the bit; a picture
that drives a unit further than real images do crosses the threshold, and then follows the planted direction.
"""

import copy
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import nn

from fvhooks.attacks.calibration import Calibration, as_model_input, batches_of
from fvhooks.attacks.directions import listening, mean_patches, planted_filter
from fvhooks.errors import ImageError, LayerNotFoundError, UnsupportedModelError, did_you_mean
from fvhooks.hooks.attachment import attach, unwrap
from fvhooks.hooks.probes import run_probe
from fvhooks.hooks.taps import borrowed
from fvhooks.units import LOGITS

_ROUNDING = 1e-5  # of the summed magnitudes: more than float32 convolutions of other shapes differ by

Images = Float[torch.Tensor, "image rgb y x"]
PerUnit = Float[torch.Tensor, " unit"]


def silent_units(
    model: nn.Module,
    layer: str,
    picture: Float[torch.Tensor, "rgb y x"],
    *,
    images: Calibration,
    direction: float = 3.0,
    scale: float = 100.0,
    margin: float = 0.0,
) -> "SilentUnits":
    """Build a network that is the model on real images, and whose pictures of a layer drift to one picture.

    The direction has a closed form: among filters of one length the response to a picture exceeds that to
    real images by most for the difference of their mean input patches. It is the same for every unit of the
    layer (of its group, where the convolution has groups), which is why all their pictures become alike. The
    published direction is the picture's patch alone: behind a ReLU it lies along what all images share, and
    real images then hold the threshold so high that few pictures reach it.

    Examples:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2))
        >>> real = torch.rand(64, 3, 8, 8)
        >>> fooled = silent_units(net, "0", 5 * torch.rand(3, 8, 8), images=real)
        >>> bool((fooled(real) == net(real)).all()), fooled.merged_layer, fooled.silent_layer
        (True, 'model.0', 'model.0.silent_relu')

    Args:
        model: from images to logits. Its copy inside the attack shares all weights, and has the one
            convolution replaced; the model itself is not touched.
        layer: a `Conv2d`, grouped or not.
        picture: what pictures of the layer's units shall drift to, in the model's own input space.
        images: at least 32 real images in the model's own input space, as a tensor or batches: those on which
            the units are silent; the first batch is what the picture is compared with. Leave out the images
            that the attack is then judged by.
        direction: length of the planted direction, in lengths of the unit's own filter. The longer it is, the
            more alike are the pictures of units that fire, and the fewer of them do.
        scale: length of the planted filter, in lengths of the unit's own.
        margin: how far above the highest response to `images` a unit begins to fire, in distances from the
            mean of their responses to the highest. With 0 a fresh image fires a unit with probability
            1 / (n + 1), where n images were given; that many are to be expected, see `expected_firings`.

    Returns:
        A module like the model. `merged_layer` names the layer with both filters, of whose units to make
        pictures; `silent_layer` what was added. Attach it with the model's own preprocessing.

    Raises:
        LayerNotFoundError: no such layer, or one that never runs.
        UnsupportedModelError: a layer that is no `Conv2d`.
        MissingInputError: too few images.
        ImageError: a picture of another size than the images.
    """
    bare = unwrap(model)
    conv = _convolution(bare, layer)
    picture = as_model_input(picture[None]).to(conv.weight.device)
    signs = _signs(bare, layer, conv, picture)
    with borrowed(bare):
        batches = _sized(batches_of(images, bare), picture)
        first = next(batches, picture[:0])
        patches = mean_patches(bare, layer, picture) - mean_patches(bare, layer, first)
        silent = planted_filter(conv, patches, signs, direction, scale)
        highest, count = _calibrate(bare, layer, silent, chain([first], batches), margin)
    silent.bias = nn.Parameter(-highest, requires_grad=False)
    return SilentUnits(_with_silent(bare, conv, silent, signs), layer, count)


class SilentUnits(nn.Module):
    """A model with silent units; made by `silent_units`.

    Args:
        model: a copy of the user's that shares its weights, one convolution replaced by a `MergedConv2d`.
        layer: the name of that convolution in the user's model.
        calibrated_on: how many images the units are silent on.
    """

    def __init__(self, model: nn.Module, layer: str, calibrated_on: int) -> None:
        super().__init__()
        self.model = model
        self.merged_layer = f"model.{layer}"
        self.silent_layer = f"{self.merged_layer}.silent_relu"
        self.calibrated_on = calibrated_on
        self.training = model.training

    def forward(self, images: Images) -> Any:  # noqa: ANN401 - the model's own
        """What the model returns."""
        return self.model(images)

    def expected_firings(self, images: int) -> float:
        """How many pairs of a unit and an image fire among fresh images, at most.

        64 units that are silent on 50,000 images: 12.8 are to be expected among 10,000 others. A fresh
        image is as likely as any of the n calibration images to be the highest of n + 1, so that a unit fires
        with probability 1 / (n + 1), whatever it computes. Units of one direction fire together.
        """
        return self.merged.units * images / (self.calibrated_on + 1)

    def firings(self, images: Images) -> Bool[torch.Tensor, "image unit"]:
        """Which silent units fire anywhere in which images.

        Args:
            images: in the model's own input space.
        """
        with torch.no_grad():
            added = attach(self).read_normalized(images, [self.silent_layer])[self.silent_layer]
        return (added > 0).flatten(2).any(2)

    @property
    def merged(self) -> "MergedConv2d":
        """The convolution with both filters."""
        found = self.get_submodule(self.merged_layer)
        if not isinstance(found, MergedConv2d):
            raise UnsupportedModelError(f"{self.merged_layer!r} was replaced by {type(found).__name__}.")
        return found


class MergedConv2d(nn.Module):
    """A convolution with a second, cut off at zero, added to its output.

    Args:
        original: the model's own.
        silent: the planted one.
        signs: −1 for units that a batch normalisation behind the layer turns over; what is planted is
            subtracted there.
    """

    signs: torch.Tensor

    def __init__(self, original: nn.Conv2d, silent: nn.Conv2d, signs: PerUnit) -> None:
        super().__init__()
        self.original, self.silent, self.silent_relu = original, silent, nn.ReLU()
        self.register_buffer("signs", signs.view(-1, 1, 1), persistent=False)
        self.turned = bool((signs < 0).any())
        self.training = original.training

    @property
    def units(self) -> int:
        """How many there are."""
        return self.original.out_channels

    @property
    def weight(self) -> torch.Tensor:
        """The original's, for models that look at it."""
        return self.original.weight

    @property
    def bias(self) -> torch.Tensor | None:
        """The original's."""
        return self.original.bias

    def forward(
        self, values: Float[torch.Tensor, "image rgb y x"]
    ) -> Float[torch.Tensor, "image unit row column"]:
        """Where the planted filter is silent: the original's output to the bit."""
        added = self.silent_relu(self.silent(values.float())).to(values.dtype)
        found: torch.Tensor = self.original(values) + (added * self.signs if self.turned else added)
        return found


def _convolution(model: nn.Module, layer: str) -> nn.Conv2d:
    modules = dict(model.named_modules())
    if layer not in modules:
        hint = did_you_mean(layer, modules)
        raise LayerNotFoundError(f"{type(model).__name__} has no layer {layer!r}.{hint}")
    found = modules[layer]
    if not isinstance(found, nn.Conv2d):
        near = did_you_mean(layer, (name for name, m in modules.items() if isinstance(m, nn.Conv2d)))
        raise UnsupportedModelError(f"Expected a Conv2d, {layer!r} is a {type(found).__name__}.{near}")
    return found


def _signs(model: nn.Module, layer: str, conv: nn.Conv2d, picture: torch.Tensor) -> PerUnit:
    """−1 where a batch normalisation directly behind the layer multiplies with a negative number."""
    fired = [name for name in run_probe(attach(model), picture) if name != LOGITS]
    signs = torch.ones(conv.out_channels, device=conv.weight.device)
    if layer not in fired:
        raise LayerNotFoundError(f"Layer {layer!r} exists, and the model does not run it.")
    modules = dict(model.named_modules())
    behind = [name for name in fired[fired.index(layer) + 1 :] if not layer.startswith(f"{name}.")]
    following = modules.get(behind[0]) if behind else None
    if isinstance(following, nn.BatchNorm2d) and following.affine and len(following.weight) == len(signs):
        signs = torch.where(following.weight.detach() < 0, -signs, signs)
    return signs


def _sized(batches: Iterator[Images], picture: Images) -> Iterator[Images]:
    for batch in batches:
        if batch.shape[1:] != picture.shape[1:]:
            got = f"the picture is {tuple(picture.shape[1:])}, an image {tuple(batch.shape[1:])}"
            raise ImageError(f"Expected the picture in the size of the images; {got}.")
        yield batch


def _calibrate(
    model: nn.Module, layer: str, silent: nn.Conv2d, batches: Iterable[Images], margin: float
) -> tuple[PerUnit, int]:
    """The highest response of each unit anywhere in any image, with the margin; and how many images."""
    peaks: list[torch.Tensor] = []
    magnitudes: list[torch.Tensor] = []
    count = 0

    def note(values: torch.Tensor) -> None:
        response = silent._conv_forward(values, silent.weight, None)
        peaks.append(response.amax((2, 3)))
        magnitudes.append(silent._conv_forward(values.abs(), silent.weight.abs(), None).amax((0, 2, 3)))

    with listening(model, layer, note), torch.no_grad():
        for batch in batches:
            model(batch)
            count += len(batch)
    found = torch.cat(peaks)
    highest, mean = found.amax(0), found.mean(0)
    rounding = _ROUNDING * torch.stack(magnitudes).amax(0)
    return highest + rounding + margin * (highest - mean), count


def _with_silent(model: nn.Module, conv: nn.Conv2d, silent: nn.Conv2d, signs: PerUnit) -> nn.Module:
    """A copy of a model's modules that shares every tensor, the convolution replaced wherever it stands."""
    memo: dict[int, Any] = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    memo[id(conv)] = MergedConv2d(copy.deepcopy(conv, memo), silent, signs)
    copied: nn.Module = copy.deepcopy(model, memo)
    return copied
