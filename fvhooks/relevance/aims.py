"""Relevance for targets of an inner layer, a target an image, made ready once and computed often."""

import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.hooks.probes import layout_of
from fvhooks.relevance.captum import Attribution
from fvhooks.relevance.forms import Attributor, Form
from fvhooks.relevance.inputs import probe_of, refuse_earlier_calls, refuse_later_layers
from fvhooks.units import Direction, Unit

Start = Literal["mean", "sum", "likest"]


class Aims(nn.Module):
    """From images in [0, 1] to how far each of some targets of one layer fires: one output a target.

    Examples:
        >>> import fvhooks as fv
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> hooked = fv.attach(net, input_shape=(3, 8, 8))
        >>> Aims(hooked, [Unit("1", 3), Unit("1", 0)])(torch.rand(5, 3, 8, 8)).shape
        torch.Size([5, 2])

    Args:
        hooked: the model.
        targets: channels or directions, all of one layer.
        start: what relevance starts from: the "mean" over positions, the "sum" of what is positive, or 1 at
            the position whose activations are "likest" to the target, by cosine.
    """

    def __init__(
        self, hooked: HookedModel, targets: Sequence[Unit | Direction], start: Start = "mean"
    ) -> None:
        super().__init__()
        self.model = hooked.model
        self.layer = hooked.resolve(targets[0].layer)
        self.start = start
        self.training = hooked.model.training
        self._hooked = (hooked,)  # in a tuple: not a submodule
        self._targets = tuple(targets)

    def forward(self, images: Float[torch.Tensor, "image rgb y x"]) -> Float[torch.Tensor, "image target"]:
        """Run up to the layer; nothing behind it is computed."""
        (hooked,) = self._hooked
        normalized = hooked.normalize(images, bounded=False)
        activations = hooked.read_normalized(normalized, [self.layer])[self.layer]
        size = (int(images.shape[-2]), int(images.shape[-1]))
        channels = layout_of(hooked, self.layer, tuple(activations.shape), size).to_channels(activations)
        values = self._along(channels)
        if self.start == "mean":
            return values.mean(-1)
        fired = F.relu(values)
        if self.start == "sum":
            return fired.sum(-1)
        likeness = values.detach() / channels.detach().norm(dim=1, keepdim=True).clamp(min=1e-12)
        best = fired.gather(-1, likeness.argmax(-1, keepdim=True)).squeeze(-1)
        return best / best.detach().clamp(min=1e-12)

    def _along(
        self, channels: Float[torch.Tensor, "image channel position"]
    ) -> Float[torch.Tensor, "image target position"]:
        units = [target.channel for target in self._targets if isinstance(target, Unit)]
        if len(units) == len(self._targets):
            return channels[:, units]
        return F.linear(channels.transpose(1, 2), self._vectors.to(channels)).transpose(1, 2)

    @cached_property
    def _vectors(self) -> Float[torch.Tensor, "target channel"]:
        width = next(len(target.vector) for target in self._targets if isinstance(target, Direction))
        rows = [
            torch.eye(width)[target.channel] if isinstance(target, Unit) else torch.tensor(target.vector)
            for target in self._targets
        ]
        return torch.stack(rows)


class AimedRelevance:
    """How much each activation of some layers contributes to a target, another target an image.

    The attributor is made once, where it takes several layers in one pass, so that each call costs what the
    attributor costs.

    Examples:
        >>> import fvhooks as fv
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten())
        >>> hooked = fv.attach(net, input_shape=(3, 8, 8))
        >>> relevance = AimedRelevance(hooked, [Unit("3", 2), Unit("3", 5)], ["0", "1"])
        >>> relevance(torch.rand(5, 3, 8, 8), torch.tensor([0, 0, 1, 1, 0]))["1"].shape
        torch.Size([5, 4, 36])

    Args:
        hooked: the model.
        targets: channels or directions, all of one layer.
        nodes: the layers to attribute to, none behind the targets'.
        attributor: a class, or any `make(model, layer)`; see `fvhooks.relevance.Attributor`.
        start: what relevance starts from; see `Aims`.

    Raises:
        MissingInputError: a layer behind the targets', or no layer.
        UnsupportedModelError: no layer attributor.
    """

    def __init__(
        self,
        hooked: HookedModel,
        targets: Sequence[Unit | Direction],
        nodes: Sequence[str],
        attributor: Attributor | None = None,
        start: Start = "mean",
    ) -> None:
        if not nodes:
            raise MissingInputError("Expected one layer or more to attribute to, got none.")
        self.hooked, self.nodes = hooked, tuple(nodes)
        self.aims = Aims(hooked, targets, start)
        self._addresses = {node: hooked.address(hooked.resolve(node)) for node in nodes}
        form = Form.of(attributor, None)
        self._together = [list(nodes)] if form.takes_lists else [[node] for node in nodes]
        if form.takes_lists and not form.is_bound and not form.is_direct:
            modules = [hooked.modules[address.module] for address in self._addresses.values()]
            form = Form(form.given(self.aims, modules))
        self._form = form

    def __call__(
        self, images: Float[torch.Tensor, "image rgb y x"], owner: Int[torch.Tensor, " image"]
    ) -> dict[str, Float[torch.Tensor, "image channel position"]]:
        """Relevance of each layer's activations, signed, without a gradient.

        Args:
            images: in [0, 1]; values outside, such as those of noise, are not refused.
            owner: which of the targets each image has.
        """
        images = images.detach()
        probe = probe_of(self.hooked, images.clamp(0, 1))
        ordered = {self.hooked.resolve(node): address for node, address in self._addresses.items()}
        refuse_later_layers(self.hooked, probe, self.aims.layer, ordered)
        refuse_earlier_calls(self.hooked, probe, self.aims.layer, ordered)
        call = Attribution(self.hooked, self._form, self.aims, probe)
        wanted = owner.to(self.hooked.device)
        found = {}
        with warnings.catch_warnings():  # the same at every step
            warnings.filterwarnings("ignore", message="FlowLRP: ")
            for nodes in self._together:
                raw = call(images, {node: self._addresses[node] for node in nodes}, wanted)
                for node, values in raw.items():
                    found[node] = probe.layout(node).to_channels(values.detach()).float()
        return found
