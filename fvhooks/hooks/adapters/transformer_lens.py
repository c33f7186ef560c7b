"""TransformerLens: layers are the hook points of a `TransformerBridge` or any `HookedRootModule`."""

import re
from typing import Any

import torch
from torch import nn

from fvhooks.errors import LayerNotFoundError
from fvhooks.hooks.adapters import ADAPTERS
from fvhooks.hooks.addresses import names_heads
from fvhooks.units import Layout

_PATTERN = re.compile(r"(?:^|\.)hook_(?:pattern|attn_scores)$")
_SUFFIX = re.compile(r"(?:#\d+)?(?:\[[^\[\]]+\])*$")


class HookPoints(dict[str, nn.Module]):
    """Hook points by their own names; aliases are answered to, not listed."""

    def __init__(self, hook_dict: dict[str, nn.Module]) -> None:
        own: dict[int, str] = {}
        for name, point in hook_dict.items():
            stated = getattr(point, "name", None)
            is_its_own = isinstance(stated, str) and hook_dict.get(stated) is point
            own.setdefault(id(point), str(stated) if is_its_own else name)
        self.names = {name: own[id(point)] for name, point in hook_dict.items()}
        super().__init__({name: hook_dict[name] for name in own.values()})

    def __missing__(self, alias: str) -> nn.Module:
        name = self.names.get(alias)
        if name is None:
            raise KeyError(alias)
        return self[name]


class TransformerLensAdapter:
    """How models of TransformerLens 4 are observed, by what they can do and without importing it."""

    specificity = 10

    def claims(self, model: nn.Module) -> bool:
        """Whether a model runs with hooks, as any `HookedRootModule` does."""
        return hasattr(model, "run_with_hooks")

    def modules(self, model: nn.Module) -> dict[str, nn.Module]:
        """The hook points, by their names in `hook_dict`; aliases such as `attn.hook_z` are answered to."""
        return HookPoints(_hook_dict(model))

    def canonical(self, model: nn.Module, name: str) -> str:
        """The hook point's own name: `blocks.3.attn.o.hook_in[2]` for `blocks.3.attn.hook_z[2]`."""
        suffix = _SUFFIX.search(name)
        end = suffix.start() if suffix else len(name)
        return HookPoints(_hook_dict(model)).names.get(name[:end], name[:end]) + name[end:]

    def layout(self, name: str, shape: tuple[int, ...], image_size: tuple[int, int]) -> Layout | None:
        """Heads where the name says so; None for attention patterns, which have no channels."""
        if _PATTERN.search(name):
            return None
        if len(shape) == 4 and names_heads(name):
            heads = Layout.of_heads((shape[1], shape[2], shape[3]), image_size)
            if min(heads.grid) > 1:  # else a map of a network that happens to use the name
                return heads
        return Layout.of(shape, image_size) if 2 <= len(shape) <= 4 else None

    def advice(self, model: nn.Module, name: str) -> str:
        """The setter that a gated hook point waits for, in TransformerLens' own words."""
        check = getattr(model, "check_hooks_to_add", None)
        if check is None:
            return ""
        try:
            check(_hook_dict(model)[name], name, _nothing)
        except ValueError as error:
            return f"TransformerLens says: {error} Not every architecture can."
        return ""

    def logits(self, output: Any) -> torch.Tensor:  # noqa: ANN401
        """The tensor that a bridge returns, or what any model may return around its logits."""
        return ADAPTERS["modules"].logits(output)

    def input_shape(self, model: nn.Module) -> tuple[int, int, int] | None:
        """What the configuration of the model inside the bridge states."""
        return ADAPTERS["modules"].input_shape(model)


def _hook_dict(model: nn.Module) -> dict[str, nn.Module]:
    points = getattr(model, "hook_dict", None)
    if not isinstance(points, dict):
        raise LayerNotFoundError(
            f"{type(model).__name__} runs with hooks, and its hook_dict should name its hook points; it is "
            f"{type(points).__name__}. Call its setup()."
        )
    return points


def _nothing(tensor: torch.Tensor, *, hook: nn.Module) -> None:
    """A hook that only asks whether it may be added."""


ADAPTERS.register("transformer_lens")(TransformerLensAdapter())
