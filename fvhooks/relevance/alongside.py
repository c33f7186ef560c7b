"""Relevance of channels beside the activations of the same images, in one forward pass where that can be.

An attributor runs the model itself; whoever wants activations too only has to listen. That gives both where
the attributor's first pass is on the images as they are, which is seen each time, and costs a pass more where
it is not (a `NoiseTunnel`, integrated gradients).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import nn

from fvhooks.errors import FVHooksError, UnsupportedModelError
from fvhooks.hooks import HookedModel, Probe
from fvhooks.hooks.listening import Heard, listening
from fvhooks.relevance.captum import Attribution
from fvhooks.relevance.forms import Form
from fvhooks.relevance.inputs import probe_of, refuse_earlier_calls, refuse_later_layers
from fvhooks.units import LOGITS

TARGETS = ("label", "prediction")
Activations = dict[str, torch.Tensor]
PerChannel = Float[torch.Tensor, "image channel"]


class _Predicted(nn.Module):
    """The strongest output of each image."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Float[torch.Tensor, "image rgb y x"]) -> Float[torch.Tensor, " image"]:
        """One value an image."""
        strongest: torch.Tensor = self.module(images).max(1).values
        return strongest


@dataclass(frozen=True, eq=False)
class Alongside:
    """How relevance is collected: it holds no model, so that it can travel.

    Args:
        form: the attributor.
        layers: full names of the layers to attribute to.
        target: the output of each image's label, or the one that the model predicts.
        in_one_pass: for predictions, whether the target can be settled inside the attributor's own pass.
    """

    form: Form
    layers: tuple[str, ...]
    target: Literal["label", "prediction"]
    in_one_pass: bool = True

    def checked(self, hooked: HookedModel, images: Float[torch.Tensor, "image rgb y x"]) -> "Alongside":
        """Tried on a few images: the same, knowing what takes one pass.

        Args:
            hooked: the model.
            images: in [0, 1].

        Raises:
            UnsupportedModelError: the attributor does not work on the model, in its own words.
        """
        probe = probe_of(hooked, images)
        addresses = {name: hooked.address(name) for name in self.layers}
        refuse_later_layers(hooked, probe, LOGITS, addresses)
        refuse_earlier_calls(hooked, probe, LOGITS, addresses)
        found = self
        if self.target == "prediction":
            found = replace(self, in_one_pass=self._fits_one_pass(hooked, images))
        found(hooked, images, torch.zeros(len(images), dtype=torch.int64), [])
        return found

    def __call__(
        self,
        hooked: HookedModel,
        images: Float[torch.Tensor, "image rgb y x"],
        targets: Int[torch.Tensor, " image"],
        read: Sequence[str],
    ) -> tuple[Activations, dict[str, PerChannel]]:
        """Activations of some layers, and the relevance of each channel, summed over positions.

        Args:
            hooked: the model.
            images: in [0, 1].
            targets: the output of each image's label; not looked at for predictions.
            read: full names of the layers whose activations are wanted, the logits among them or not.
        """
        normalized = hooked.normalize(images, bounded=False)
        if self.target == "prediction" and not self.in_one_pass:
            found = _read(hooked, normalized, [*read, LOGITS])
            best = found[LOGITS].argmax(1)
            _, relevance = self._attributed(hooked, images, normalized, best, [])
            return {name: found[name] for name in read}, relevance
        wanted = targets if self.target == "label" else None
        heard, relevance = self._attributed(hooked, images, normalized, wanted, read)
        activations = heard.activations or _read(hooked, normalized, read)
        return {name: activations[name] for name in read}, relevance

    def _attributed(
        self,
        hooked: HookedModel,
        images: torch.Tensor,
        normalized: torch.Tensor,
        targets: torch.Tensor | None,
        read: Sequence[str],
    ) -> tuple[Heard, dict[str, PerChannel]]:
        probe = probe_of(hooked, images)
        model = _Predicted(hooked.module) if targets is None else hooked.module
        call = Attribution(hooked, self.form, model, probe)
        index = None if targets is None else targets.to(hooked.device)
        with listening(hooked, normalized, read) as heard:
            together = [self.layers] if self.form.takes_lists else [(name,) for name in self.layers]
            raw: dict[str, torch.Tensor] = {}
            for names in together:
                raw |= call(images, {name: hooked.address(name) for name in names}, index)
        return heard, {name: _per_channel(probe, name, values) for name, values in raw.items()}

    def _fits_one_pass(self, hooked: HookedModel, images: torch.Tensor) -> bool:
        """Whether the attributor runs the model once, on the images themselves, and chooses no output."""
        if self.form.is_bound or self.form.is_direct:
            return False
        normalized = hooked.normalize(images, bounded=False)
        one = replace(self, layers=self.layers[:1])
        try:
            heard, _ = one._attributed(hooked, images, normalized, None, [])
        except FVHooksError:  # it wants outputs to choose from
            return False
        return heard.passes == 1 and heard.is_theirs


def _read(hooked: HookedModel, normalized: torch.Tensor, names: Sequence[str]) -> Activations:
    if not names:
        return {}
    with torch.no_grad():
        return hooked.read_normalized(normalized, list(dict.fromkeys(names)))


def _per_channel(probe: Probe, name: str, values: torch.Tensor) -> PerChannel:
    expected = (len(values), *probe[name].shape)
    if tuple(values.shape) != expected:
        raise UnsupportedModelError(
            f"Expected relevance of shape {expected} at layer {name!r}, got {tuple(values.shape)}. "
            "LayerGradCam sums channels; give it the option {'attr_dim_summation': False}."
        )
    return probe.layout(name).to_channels(values.detach()).float().sum(-1)


def outputs_of_labels(
    labels: Sequence[int], outputs: int, label_of_output: Mapping[int, int] | None
) -> list[int]:
    """The output that stands for each label, −1 where none does.

    Examples:
        >>> outputs_of_labels([0, 5, -1], 3, None)
        [0, -1, -1]

    Args:
        labels: one an image.
        outputs: how many the model has.
        label_of_output: where labels are not the outputs' own numbers.
    """
    known = {label: output for output, label in (label_of_output or dict(enumerate(range(outputs)))).items()}
    return [known.get(int(label), -1) for label in labels]
