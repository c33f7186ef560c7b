"""How much each channel contributes to a class, and to the channels above it, image by image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from fvhooks.circuits.margins import Contrast, Margin
from fvhooks.circuits.traces import Trace, Values, gradient, trace
from fvhooks.errors import MissingInputError, did_you_mean
from fvhooks.hooks import HookedModel
from fvhooks.relevance.forms import Attributor
from fvhooks.store.reading import Store
from fvhooks.units import Unit

Sums = Float[torch.Tensor, "image _"]
_WORDS = {
    "baseline": ("mean", "zero"),
    "value": ("activation", "contribution"),
    "signs": ("positive", "both"),
}


@dataclass(frozen=True)
class RelevanceOptions:
    """What `edges="relevance"` can be told, as `options={"width": 32, …}`.

    Args:
        width: of each layer, how many of its strongest units get edges from below.
        baseline: what an activation is compared with: "mean", its channel's over reference images, which asks
            what the class adds to what the channel always does; or "zero", gradient × activation.
        contrast: what the class's output is compared with: "others", the mean of all others; "none"; or
            another label, for what tells the two apart.
        value: what is passed down from a unit: "activation", its mean over positions; or "contribution", its
            part in the margin (each position by its gradient), so that edges are in units of the logits.
        signs: "positive": a unit that speaks against the class scores 0; "both": it scores by its size.
        steps: points on the straight path from baseline to activation at which the gradient is taken; 1: at
            the activation itself. More cost as many passes for each layer.
        attributor: a Captum layer attributor or another `fvhooks.relevance.Attributor`, which then says both
            how much each channel matters to the output and to the mean of each unit above.
        batch_size: images a pass.
    """

    width: int = 24
    baseline: Literal["mean", "zero"] = "mean"
    contrast: Contrast = "others"
    value: Literal["activation", "contribution"] = "activation"
    signs: Literal["positive", "both"] = "positive"
    steps: int = 1
    attributor: Attributor | None = None
    batch_size: int = 32

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "RelevanceOptions":
        """The options, once each of them makes sense.

        Raises:
            MissingInputError: an unknown one, or a value that it does not take.
        """
        known = [field.name for field in fields(cls)]
        for name, value in given.items():
            if name not in known:
                hint = did_you_mean(name, known)
                raise MissingInputError(f"Relevance edges have no option {name!r}.{hint} They have {known}.")
            if name in _WORDS and value not in _WORDS[name]:
                raise MissingInputError(f"Expected {name} to be one of {_WORDS[name]}, got {value!r}.")
            if name in ("width", "steps", "batch_size") and (not isinstance(value, int) or value < 1):
                raise MissingInputError(f"Expected {name} to be a whole number from 1 on, got {value!r}.")
        if given.get("attributor") is not None:
            useless = sorted({"baseline", "contrast", "value", "steps"} & given.keys())
            if useless:
                raise MissingInputError(
                    f"An attributor has its own baseline and starts from the output or a unit's mean; "
                    f"leave out {', '.join(useless)}."
                )
        return cls(**given)


@dataclass(frozen=True, eq=False)
class Gradients:
    """Contributions as gradient × (activation − baseline): edge attribution patching, unit by unit.

    Args:
        hooked: the model.
        layers: in the order of the pass.
        margin: how far it prefers the class.
        baselines: of each channel, by layer.
        options: what was asked for.
    """

    hooked: HookedModel
    layers: Sequence[str]
    margin: Margin
    baselines: Mapping[str, Float[torch.Tensor, " _"]]
    options: RelevanceOptions

    def units(self, images: Float[torch.Tensor, "image rgb y x"]) -> dict[str, Sums]:
        """Of each channel of each layer to the margin."""
        seen = trace(self.hooked, images, self.layers)
        if self.options.steps > 1:
            return {layer: self._units_along(layer, images, seen) for layer in self.layers}
        found = gradient(self.margin(seen.logits).sum(), list(seen.activations.values()))
        return {
            layer: self._weighed(seen, layer, slopes)
            for layer, slopes in zip(self.layers, found, strict=True)
        }

    def edges(
        self, images: Float[torch.Tensor, "image rgb y x"], targets: Mapping[str, Int[np.ndarray, " _"]]
    ) -> dict[str, Float[torch.Tensor, "image _ _"] | None]:
        """Of each channel of the layer before to some units of each layer but the first; None: no path."""
        seen = trace(self.hooked, images, self.layers)
        parts = self._parts(seen)
        found = {}
        for source, target in zip(self.layers, self.layers[1:], strict=False):
            points = [seen] if self.options.steps == 1 else self._path(source, images, seen, [source, target])
            slopes = [
                [
                    gradient((point.activations[target][:, j] * parts[target][:, j]).sum(), [source_values])[
                        0
                    ]
                    for j in targets[target].tolist()
                ]
                for point in points
                for source_values in [point.activations[source]]
            ]
            found[target] = self._joined(seen, source, slopes)
        return found

    def _parts(self, seen: Trace) -> dict[str, Values]:
        """What each position of each unit counts for."""
        if self.options.value == "activation":
            return {
                layer: torch.full_like(values, 1 / values.shape[-1], requires_grad=False)
                for layer, values in seen.activations.items()
            }
        found = gradient(self.margin(seen.logits).sum(), list(seen.activations.values()))
        return {
            layer: torch.zeros_like(seen.activations[layer]) if slopes is None else slopes
            for layer, slopes in zip(self.layers, found, strict=True)
        }

    def _joined(
        self, seen: Trace, source: str, slopes: Sequence[Sequence[Values | None]]
    ) -> Float[torch.Tensor, "image _ _"] | None:
        if all(one is None for point in slopes for one in point):
            return None
        by_target = [
            torch.stack([self._weighed(seen, source, one) for one in points]).mean(0)
            for points in zip(*slopes, strict=True)
        ]
        return torch.stack(by_target, dim=1)

    def _units_along(self, layer: str, images: Float[torch.Tensor, "image rgb y x"], seen: Trace) -> Sums:
        found = []
        for point in self._path(layer, images, seen, [layer]):
            (slopes,) = gradient(self.margin(point.logits).sum(), [point.activations[layer]])
            found.append(self._weighed(seen, layer, slopes))
        return torch.stack(found).mean(0)

    def _path(
        self, layer: str, images: Float[torch.Tensor, "image rgb y x"], seen: Trace, layers: Sequence[str]
    ) -> list[Trace]:
        """Passes in which a layer lies between baseline and activation, at the middle of each step."""
        values, base = seen.activations[layer].detach(), self.baselines[layer][None, :, None]
        steps = self.options.steps
        made = []
        for step in range(steps):
            point = base + (step + 0.5) / steps * (values - base)
            made.append(trace(self.hooked, images, layers, {layer: _leaf(point)}))
        return made

    def _weighed(self, seen: Trace, layer: str, slopes: Values | None) -> Sums:
        values = seen.activations[layer].detach()
        if slopes is None:
            return torch.zeros_like(values[..., 0])
        return ((values - self.baselines[layer][None, :, None]) * slopes).sum(-1)


def _leaf(point: Values) -> Callable[[Values], Values]:
    """Gives some values whatever there was, as the start of a graph of gradients."""
    return lambda _: point.requires_grad_()


@dataclass(frozen=True, eq=False)
class Attributed:
    """Contributions as an attributor of the user's sees them.

    Args:
        hooked: the model.
        layers: in the order of the pass.
        output: of the model.
        options: what was asked for.
    """

    hooked: HookedModel
    layers: Sequence[str]
    output: int
    options: RelevanceOptions

    def units(self, images: Float[torch.Tensor, "image rgb y x"]) -> dict[str, Sums]:
        """Of each channel of each layer to the output."""
        return self._sums(images, self.layers, Unit.logit(self.output))

    def edges(
        self, images: Float[torch.Tensor, "image rgb y x"], targets: Mapping[str, Int[np.ndarray, " _"]]
    ) -> dict[str, Float[torch.Tensor, "image _ _"] | None]:
        """Of each channel of the layer before to the means of some units of each layer but the first."""
        found: dict[str, Float[torch.Tensor, "image _ _"] | None] = {}
        for source, target in zip(self.layers, self.layers[1:], strict=False):
            rows = [
                self._sums(images, [source], Unit(target, int(j)))[source] for j in targets[target].tolist()
            ]
            found[target] = torch.stack(rows, dim=1)
        return found

    def _sums(
        self, images: Float[torch.Tensor, "image rgb y x"], layers: Sequence[str], target: Unit
    ) -> dict[str, Sums]:
        from fvhooks.relevance.captum import attribute  # noqa: PLC0415 - only where it is asked for

        raw = attribute(
            self.hooked,
            images,
            layers,
            target,
            attributor=self.options.attributor,
            batch_size=self.options.batch_size,
        )
        return {layer: self.hooked.layout(layer).to_channels(values).sum(-1) for layer, values in raw.items()}


def contributions(
    store: Store,
    hooked: HookedModel,
    layers: Sequence[str],
    label: int,
    options: RelevanceOptions,
    output: int = -1,
) -> Gradients | Attributed:
    """What says how much each channel contributes to a label, or to one of the outputs that stand for it.

    Raises:
        MissingInputError: an attributor, and several outputs or none that stand for the label.
    """
    margin = Margin.of(store, label, options.contrast)
    if output >= 0:
        margin = replace(margin, own=(output,))
    if options.attributor is None:
        return Gradients(hooked, layers, margin, baselines(store, hooked, layers, options.baseline), options)
    if len(margin.own) > 1:
        raise MissingInputError(
            f"{len(margin.own)} outputs stand for label {label}, and an attributor starts from one. Leave "
            "out attributor=, or ask for one output with target=."
        )
    return Attributed(hooked, layers, margin.own[0], options)


def baselines(
    store: Store, hooked: HookedModel, layers: Sequence[str], kind: str = "mean"
) -> dict[str, Float[torch.Tensor, " _"]]:
    """Zero, or the mean of each channel over the reference images of a store and their positions.

    Args:
        store: of the model.
        hooked: the model, for its device and type.
        layers: of the store.
        kind: "mean" or "zero".
    """
    if kind == "zero":
        return {layer: torch.zeros(store.layout(layer).channels).to(hooked.device) for layer in layers}
    means = {layer: np.asarray(store[layer].natural_mean.values, np.float32) for layer in layers}
    return {layer: torch.from_numpy(mean).to(hooked.device) for layer, mean in means.items()}
