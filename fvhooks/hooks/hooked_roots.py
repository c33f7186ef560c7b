"""Any model as a TransformerLens `HookedRootModule`, so that its tools work on a convolutional network.

The hook points stand in a tree of their own, `layer2.hook_out` for `layer2`, and are fed by hooks that are on
the user's model only while it runs. Inside the tapped modules they would be run twice by an `nn.Sequential`,
and `HookedRootModule.setup` would write a `name` on every module of the user's.
"""

from collections.abc import Iterable
from functools import cache, partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Shaped
from torch import nn

from fvhooks.dependencies import require
from fvhooks.errors import UnsupportedModelError
from fvhooks.hooks.base import HookedModel
from fvhooks.hooks.latents import spliced
from fvhooks.hooks.taps import borrowed, rewritten
from fvhooks.units import LOGITS

if TYPE_CHECKING:
    from transformer_lens import HookedRootModule

_FEATURE = "A model as a HookedRootModule"


def as_hooked_root(hooked: HookedModel, layers: Iterable[str] | None = None) -> "HookedRootModule":
    """A module from images in [0, 1] to logits whose hook points are the layers of a model.

    Examples:
        >>> import fvhooks as fv
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> root = fv.attach(net, input_shape=(3, 8, 8)).as_hooked_root()
        >>> logits, cache = root.run_with_cache(torch.rand(5, 3, 8, 8), names_filter="1.hook_out")
        >>> cache["1.hook_out"].shape
        torch.Size([5, 4, 6, 6])

    Args:
        hooked: the model, of which nothing is copied.
        layers: which get a hook point; without them all that fire, later calls of a module included
            (`relu#1.hook_out`).

    Raises:
        LayerNotFoundError: no such layer.
        MissingDependencyError: TransformerLens is not installed.
        UnsupportedModelError: the logits, which pass no module, or a model with hook points of its own.
    """
    require("transformer_lens", feature=_FEATURE, extra="transformer-lens")
    if hasattr(hooked.model, "run_with_hooks"):
        raise UnsupportedModelError(
            f"{type(hooked.model).__name__} has hook points already; run it on hooked.normalize(images)."
        )
    names = [n for n in hooked.layers if n != LOGITS] if layers is None else [*map(hooked.resolve, layers)]
    if LOGITS in names:
        raise UnsupportedModelError(
            "The logits are what the model returns, no module's output; name the layer that makes them."
        )
    root: HookedRootModule = _root_class()(hooked, list(dict.fromkeys(names)))
    return root


@cache
def _root_class() -> type:
    """The class, made when TransformerLens is there to inherit from."""
    lens = require("transformer_lens", feature=_FEATURE, extra="transformer-lens")
    point_class = require(
        "transformer_lens.hook_points", feature=_FEATURE, extra="transformer-lens"
    ).HookPoint

    class HookedRoot(lens.HookedRootModule):  # type: ignore[misc]
        """Runs a model with its layers passed through hook points."""

        def __init__(self, hooked: HookedModel, names: list[str]) -> None:
            super().__init__()
            self.model = hooked.model
            self.training = hooked.model.training
            self.taps, points = _tree(names, point_class)
            self._hooked = (hooked,)  # in a tuple, as it holds the model that is a submodule already
            self._points = dict(zip(names, points.values(), strict=True))
            self.hook_dict, self.mod_dict = points, dict(points)

        def forward(
            self, images: Shaped[torch.Tensor, "image rgb y x"]
        ) -> Float[torch.Tensor, "image output"]:
            """Normalise and run in evaluation mode; what hooks return is what the model goes on with."""
            (hooked,) = self._hooked
            addresses = {name: hooked.address(name) for name in self._points}
            passing = rewritten(hooked.modules, addresses, partial(_passed, self._points))
            with borrowed(hooked.model), passing, spliced(hooked, self._points):
                return hooked.adapter.logits(hooked.model(hooked.normalize(images, bounded=False)))

    return HookedRoot


def _passed(points: dict[str, nn.Module], name: str, activations: torch.Tensor) -> torch.Tensor:
    point = points[name]
    left: torch.Tensor = point(activations)
    is_watched = bool(point._forward_hooks) and left is activations
    return left.clone() if is_watched else left  # what a hook kept may be overwritten in place later


def _tree(names: list[str], point_class: type[nn.Module]) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Nested modules that end in hook points, and those by their names; module names may hold no dots."""
    root = nn.Module()
    points: dict[str, nn.Module] = {}
    for name in names:
        node = root
        for part in name.split("."):
            child = node._modules.get(part)
            if child is None:
                child = nn.Module()
                node.add_module(part, child)
            node = child
        point = points[f"{name}.hook_out"] = point_class()
        point.name = f"{name}.hook_out"  # type: ignore[assignment]
        node.add_module("hook_out", point)
    return root, points
