"""From a model to its wiring."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from jaxtyping import Shaped
from torch import nn

from fvhooks.errors import MissingInputError, UnsupportedModelError
from fvhooks.hooks import HookedModel
from fvhooks.hooks.latents import spliced
from fvhooks.hooks.probes import grey_noise, layout_of
from fvhooks.hooks.taps import at_start, observed, rewritten
from fvhooks.units import LOGITS
from fvhooks.wiring.assembly import assembled
from fvhooks.wiring.plans import Wiring
from fvhooks.wiring.watching import Watch


def find_wiring(
    hooked: HookedModel, layers: Sequence[str], images: Shaped[torch.Tensor, "image rgb y x"] | None = None
) -> Wiring:
    """Which channels of some layers feed which, found by watching one forward pass.

    Nothing is registered on the model afterwards, and nothing has to be known of its architecture: each
    operation is followed as it is called. Beside the layers asked for, "logits" among them or not, the wiring
    has the hidden nodes between them.

    Examples:
        >>> import fvhooks as fv
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.ReLU(), nn.Flatten())
        >>> wiring = find_wiring(fv.attach(net, input_shape=(3, 8, 8)), ["1", "3"])
        >>> wiring.layers
        ['1', '3']
        >>> [term] = wiring.nodes[1].filters
        >>> term.module, term.origin.tolist()
        ('2', [[0, 0], [0, 1], [0, 2], [0, 3]])

    Args:
        hooked: the model.
        layers: which to keep as nodes, each with channels.
        images: what to run it on, in [0, 1]; the first one is. Without them grey noise of the known shape.

    Raises:
        MissingInputError: no layers.
        LayerNotFoundError: no such layer, one that never runs, or one without channels.
        UnsupportedModelError: a part of the model is scripted.
        ImageError: neither images nor an input shape are known.
    """
    if isinstance(layers, str) or not layers:
        raise MissingInputError(f"Expected a list of one layer or more, got {layers!r}.")
    names = list(dict.fromkeys(hooked.resolve(layer) for layer in layers))
    _refuse_scripted(hooked.model)
    probe = hooked.probe(images)
    for name in names:
        probe.layout(name)  # says what is wrong with one that has none
    if images is None:
        images = grey_noise(hooked.preprocessing.input_shape or next(reversed(hooked._probes)))
    return assembled(_watched(hooked, names, images[:1]))


def _watched(hooked: HookedModel, names: Sequence[str], images: torch.Tensor) -> Watch:
    size = (int(images.shape[-2]), int(images.shape[-1]))
    modules = hooked.modules
    addresses = {name: hooked.address(name) for name in names if name != LOGITS}
    with torch.inference_mode(mode=False), torch.no_grad(), ExitStack() as stack:
        normalized = hooked.normalize(images).clone()
        watch = Watch(normalized)

        def keep(name: str, tensor: torch.Tensor) -> torch.Tensor:
            with watch.paused():
                layout = layout_of(hooked, name, tuple(tensor.shape), size)
                watch.keep(name, tensor, layout)
            return tensor

        for name, module in modules.items():
            stack.enter_context(at_start(module, partial(_enter, watch, name, module)))
        stack.enter_context(spliced(hooked, addresses))
        stack.enter_context(rewritten(modules, addresses, keep))
        stack.enter_context(observed(modules, lambda _name, _output: watch.leave()))
        with watch:
            logits = hooked.read_normalized(normalized, [LOGITS])[LOGITS]
        if LOGITS in names:
            keep(LOGITS, logits)
    return watch


def _enter(watch: Watch, name: str, module: nn.Module, _given: list[Any]) -> None:
    watch.enter(name, module)


def _refuse_scripted(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise UnsupportedModelError(
                f"Expected Python modules, got the scripted {name!r}: it runs outside Python, where its "
                "operations cannot be watched. Attach a model with the module it was scripted from."
            )
