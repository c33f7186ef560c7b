"""FlowLRP: relevance that keeps its sum, on the user's unmodified model."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import torch
from captum._utils.common import _format_tensor_into_tuples, _run_forward, _select_targets
from captum.attr import LayerAttribution
from captum.log import log_usage
from jaxtyping import Float, Shaped
from torch import nn

from fvhooks.errors import (
    ImageError,
    LayerNotFoundError,
    MissingInputError,
    NonFiniteError,
    UnsupportedModelError,
)
from fvhooks.hooks.addresses import EVERY_CALL, Address
from fvhooks.hooks.attachment import unwrap
from fvhooks.hooks.taps import borrowed, rewritten, run, tap
from fvhooks.relevance.pooling import SPREAD
from fvhooks.relevance.rules import Flow
from fvhooks.units import Layout

Attributions = torch.Tensor | list[torch.Tensor]
_WORTH_SAYING = 0.01
_ADVICE = "LayerGradientXActivation, the default, works on every differentiable model"


class FlowLRP(LayerAttribution):  # type: ignore[misc]
    """Layer-wise relevance propagation (z⁺) that also sees the additions of residual networks.

    Captum's `LayerLRP` looks at modules, so a functional `+` copies relevance into both of its terms: on a
    ResNet-50 its sum is off by tens of orders of magnitude. FlowLRP follows operations instead of modules.
    Relevance is shared by positive products at convolutions and linear layers (inputs may be signed), by
    |m| : |s| where two tensors are added, and passes activations and batch normalisation unchanged. Its sum
    at each stage of a ReLU network is the seed's; where only a bias explains a value (as behind depthwise
    convolutions), the share that is lost is returned with the result and warned of above 1 %.

    Examples:
        >>> import fvhooks as fv
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2, bias=False))
        >>> hooked = fv.attach(net, input_shape=(3, 8, 8))
        >>> images = torch.rand(5, 3, 8, 8)
        >>> relevance = FlowLRP(hooked.module, net[1]).attribute(images, target=1)
        >>> relevance.shape
        torch.Size([5, 4, 6, 6])
        >>> bool(torch.allclose(relevance.sum((1, 2, 3)), hooked.module(images)[:, 1], rtol=1e-3))
        True

    Args:
        model: any module whose output is a tensor, such as `hooked.module` or `hooked.trunk(layer)`.
        layer: the module, or modules, to attribute to; blocks as well as leaves. All come from one pass.
        seed_layer: start from a channel of this module instead of from an output; nothing behind it runs.
        max_pool: "winner": the largest value of a window takes its relevance. "average": it is shared as at
            an average-pooling to the same size (2 × 2 in a ResNet); a window of zeros loses its relevance.

    Raises:
        UnsupportedModelError: a scripted model, a layer that is no module of the model.

    Source:
        The rule for additions is that of Otsuki et al., ECCV 2024, as VITAL (Görgün et al., ICCV 2025) uses
        it, there with max_pool="average".
    """

    def __init__(
        self,
        model: nn.Module,
        layer: nn.Module | list[nn.Module] | Any,  # noqa: ANN401 - names, which are refused with advice
        *,
        seed_layer: nn.Module | None = None,
        max_pool: Literal["winner", "average"] = "winner",
    ) -> None:
        bare = unwrap(model)
        self.layers = list(layer) if isinstance(layer, (list, tuple)) else [layer]
        if not self.layers:
            raise UnsupportedModelError("Expected one module or more to attribute to, got none.")
        inside = set(bare.modules())
        for module in [*self.layers, *([seed_layer] if seed_layer is not None else [])]:
            if module not in inside:
                what = repr(module) if isinstance(module, str) else type(module).__name__
                raise UnsupportedModelError(
                    f"Expected modules of the model, got {what}, which is none of {type(bare).__name__}'s. "
                    "Pass the module itself, such as hooked.model.get_submodule('layer3')."
                )
        super().__init__(bare, layer)
        self.seed_layer = seed_layer
        if max_pool not in ("winner", "average"):
            raise MissingInputError(f"Expected max_pool to be 'winner' or 'average', got {max_pool!r}.")
        self._more = SPREAD if max_pool == "average" else {}
        self._checked = False

    @property
    def multiplies_by_inputs(self) -> bool:
        """Relevance is in units of the output, as gradient × input is."""
        return True

    def has_convergence_delta(self) -> bool:
        """Whether `attribute` can return what was lost on the way."""
        return True

    @log_usage()  # type: ignore[untyped-decorator]
    def attribute(
        self,
        inputs: torch.Tensor | tuple[torch.Tensor, ...],
        target: Any = None,  # noqa: ANN401 - Captum's forms of a target
        additional_forward_args: Any = None,  # noqa: ANN401
        attribute_to_layer_input: bool = False,
        return_convergence_delta: bool = False,
    ) -> Any:  # noqa: ANN401 - what Captum returns for one layer, and for several
        """The relevance of each activation for a target.

        Args:
            inputs: as the model takes them, for `hooked.module` images `image rgb y x` in [0, 1].
            target: an output, or one an image, in any form that Captum knows; with `seed_layer` a channel, or
                an index of one activation.
            additional_forward_args: further arguments of the model.
            attribute_to_layer_input: attribute to what goes into the layer.
            return_convergence_delta: also return, an image, the relevance that no input took.

        Returns:
            A tensor of the layer's shape; for several layers a list. With the delta: (that, `(image,)`).

        Raises:
            UnsupportedModelError: an operation without a rule on the way, or a forward pass that changed.
            LayerNotFoundError: a layer that does not run, or runs more than once.
            MissingInputError: a target that the model does not have.
            NonFiniteError: NaN or infinite relevance.
        """
        given = tuple(_fresh(x) for x in _format_tensor_into_tuples(inputs))
        flow = Flow(len(given[0]), self._more)
        with torch.inference_mode(mode=False), borrowed(self.forward_func), torch.enable_grad():
            with self._tapped(inputs=attribute_to_layer_input) as tapped:
                start = self._start(flow, given, target, additional_forward_args)
            ends = self._in_order(tapped)
            self._check(flow, start, ends, given, target, additional_forward_args)
            found = self._flow_back(start, ends)
        lost = sum(flow.stranded, torch.zeros(len(given[0]), device=start.device))
        self._say(lost, start)
        result: Attributions = found if isinstance(self.layer, (list, tuple)) else found[0]
        return (result, lost) if return_convergence_delta else result

    @contextmanager
    def _tapped(self, *, inputs: bool) -> Iterator[dict[str, torch.Tensor]]:
        """Keeps what each layer gives, or what goes into it, with everything else that consumes that."""
        tapped: dict[str, torch.Tensor] = {}

        def keep(name: str, value: torch.Tensor) -> torch.Tensor:
            if name in tapped:
                raise LayerNotFoundError(
                    f"{type(self.layers[int(name)]).__name__} runs more than once in a pass, so its "
                    "relevance is not one tensor. Attribute to the module around it."
                )
            tapped[name] = value if inputs else value.clone()
            return value if inputs else tapped[name].clone()  # a later operation may overwrite it

        modules = {str(number): module for number, module in enumerate(self.layers)}
        addresses = {name: Address(name, call=EVERY_CALL) for name in modules}
        with rewritten(modules, addresses, keep, inputs=inputs):
            yield tapped

    def _in_order(self, tapped: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        for number, module in enumerate(self.layers):
            if str(number) not in tapped or not tapped[str(number)].requires_grad:
                raise LayerNotFoundError(
                    f"{type(module).__name__} does not run on the way from the images to the target."
                )
        return [tapped[str(number)] for number in range(len(self.layers))]

    def _start(
        self,
        flow: Flow | None,
        given: tuple[torch.Tensor, ...],
        target: Any,  # noqa: ANN401
        more: Any,  # noqa: ANN401
    ) -> torch.Tensor:
        """The values whose relevance is themselves: the target's, one or more an image."""
        if self.seed_layer is None:
            with flow or nullcontext():
                output = _run_forward(self.forward_func, given, additional_forward_args=more)
            return _selected(output, target)
        seed = {"seed": Address("seed")}
        with flow or nullcontext(), tap({"seed": self.seed_layer}, seed) as record:
            run(lambda x: _run_forward(self.forward_func, x, additional_forward_args=more), given)
        if record.missing:
            raise LayerNotFoundError(f"{type(self.seed_layer).__name__}, the seed, does not run.")
        activations = record.kept["seed"]
        if isinstance(target, int):
            size = (int(given[0].shape[-2]), int(given[0].shape[-1]))
            activations = Layout.of(tuple(activations.shape), size).to_channels(activations)
        return _select_seed(activations, target)

    def _check(
        self,
        flow: Flow,
        start: torch.Tensor,
        ends: list[torch.Tensor],
        given: tuple[torch.Tensor, ...],
        target: Any,  # noqa: ANN401
        more: Any,  # noqa: ANN401
    ) -> None:
        foreign = flow.foreign(start, ends)
        if foreign:
            raise UnsupportedModelError(
                f"FlowLRP has no rule for {', '.join(foreign)}, which lies between the layer and the target. "
                f"Attribute to a later layer, or use another attributor: {_ADVICE}."
            )
        if self._checked:
            return
        with torch.no_grad():
            plain = self._start(None, given, target, more)
        if not torch.allclose(plain, start.detach(), rtol=1e-3, atol=1e-4 * float(plain.abs().max())):
            raise UnsupportedModelError(
                "The model gives other values when its in-place operations do not overwrite their input, so "
                f"FlowLRP cannot follow it. Use another attributor: {_ADVICE}."
            )
        self._checked = True

    def _flow_back(self, start: torch.Tensor, ends: list[torch.Tensor]) -> list[torch.Tensor]:
        seed = start.detach() if self.seed_layer is None else start.detach().clamp(min=0)
        found = torch.autograd.grad(start, ends, seed, allow_unused=True)
        filled = [
            torch.zeros_like(end) if part is None else part for part, end in zip(found, ends, strict=True)
        ]
        for module, part in zip(self.layers, filled, strict=True):
            if not bool(torch.isfinite(part).all()):
                raise NonFiniteError(f"Relevance at {type(module).__name__} is NaN or infinite.")
        return [part.detach() for part in filled]

    def _say(self, lost: Float[torch.Tensor, " image"], start: torch.Tensor) -> None:
        seed = start.detach().flatten(1).sum(1) if start.ndim > 1 else start.detach()
        share = float(lost.abs().sum() / seed.abs().sum().clamp(min=1e-12))
        if share > _WORTH_SAYING:
            warnings.warn(
                f"FlowLRP: {share:.1%} of the relevance stayed in biases or windows of zeros, since nothing "
                "else made those values. return_convergence_delta=True gives it for each image.",
                stacklevel=3,
            )


def _fresh(x: torch.Tensor) -> torch.Tensor:
    """Inputs that relevance can be followed back to, so that all that runs beside a layer counts."""
    if not x.is_floating_point():
        raise ImageError(
            f"Expected floating-point inputs, got {x.dtype}: divide bytes by 255, or use fvhooks.relevance."
            "attribute, which takes them as they are."
        )
    with torch.inference_mode(mode=False):
        return x.detach().clone().requires_grad_()


def _selected(output: torch.Tensor, target: Any) -> torch.Tensor:  # noqa: ANN401
    fact = f"The model gives outputs of shape {tuple(output.shape)}; there is no target {target!r}"
    if target is None and output.numel() != len(output):
        raise MissingInputError(f"{fact}: say which output to explain.")
    try:
        return _select_targets(output, target)  # type: ignore[no-any-return]
    except (IndexError, AssertionError) as error:
        raise MissingInputError(f"{fact}: {error}") from error


def _select_seed(activations: Shaped[torch.Tensor, "image ..."], target: Any) -> torch.Tensor:  # noqa: ANN401
    if isinstance(target, int) and 0 <= target < activations.shape[1]:
        return activations[:, target]
    if isinstance(target, tuple):
        return activations[(slice(None), *target)]
    raise MissingInputError(
        f"Expected a channel of the seed layer, from 0 to {activations.shape[1] - 1}, or an index as a "
        f"tuple, got {target!r}."
    )
