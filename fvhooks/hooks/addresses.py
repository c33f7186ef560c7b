"""The names of what a module produces.

`layer4`: its output; `relu#1`: that of its second call; `encoder[0]`: the first item of the tuple it returns;
`blocks.3.attn.hook_z[2]`: the third head of a tensor (image, token, head, d_head).
"""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn

from fvhooks.errors import LayerNotFoundError, UnsupportedModelError, did_you_mean

EVERY_CALL: Final = -1
_HEADS = re.compile(
    r"(?:^|\.)(?:[qkv]\.hook_out|o\.hook_in|hook_(?:[qkvz]|rot_[qk]|result|attn_in|[qkv]_input))$"
)
_NAME = re.compile(r"^(?P<module>[^#\[\]]+)(?:#(?P<call>\d+))?(?P<items>(?:\[[^\[\]]+\])*)$")


@dataclass(frozen=True, slots=True)
class Address:
    """One output of one call of one module.

    Examples:
        >>> Address.parse("encoder#1[0]")
        Address(module='encoder', call=1, items=('0',))

    Args:
        module: dotted name of the module.
        call: which of its calls in one forward pass, from 0; `EVERY_CALL` for all of them.
        items: the way into a tuple, list, dict or dataclass that it returns; of a tensor with heads, which.
    """

    module: str
    call: int = 0
    items: tuple[str, ...] = ()

    @classmethod
    def parse(cls, name: str) -> "Address":
        """The address that a layer name stands for."""
        match = _NAME.match(name)
        if match is None:
            raise LayerNotFoundError(
                f"Expected a layer name such as 'layer4', 'relu#1' or 'encoder[0]', got {name!r}."
            )
        items = tuple(re.findall(r"\[([^\[\]]+)\]", match["items"]))
        return cls(match["module"], int(match["call"] or 0), items)

    def select(self, output: Any) -> torch.Tensor:  # noqa: ANN401 - modules return what they like
        """The tensor at this address inside what the module returned."""
        value = output
        for item in self.items:
            value = _item(value, item, self.module)
        if isinstance(value, torch.Tensor):
            return value
        tensors = tensors_in(value)
        if len(tensors) == 1:
            return next(iter(tensors.values()))
        if not tensors:
            raise UnsupportedModelError(
                f"Layer {self.module!r} returns no tensor but {type(value).__name__}."
            )
        choices = ", ".join(
            f"'{self.module}{path}' {tuple(tensor.shape)}" for path, tensor in tensors.items()
        )
        raise UnsupportedModelError(f"Layer {self.module!r} returns several tensors; name one of: {choices}.")

    def put(self, output: Any, tensor: torch.Tensor) -> Any:  # noqa: ANN401
        """What the module returned, with another tensor at this address."""
        path = self.items
        if not path and not isinstance(output, torch.Tensor):  # the only tensor in it, as in `select`
            (only,) = tensors_in(output)
            path = tuple(re.findall(r"\[([^\[\]]+)\]", only))
        return _put(output, path, tensor)


def _put(value: Any, path: tuple[str, ...], tensor: torch.Tensor) -> Any:  # noqa: ANN401
    if not path:
        return tensor
    item, rest = path[0], path[1:]
    if isinstance(value, torch.Tensor):  # a head
        whole = value.clone()
        whole[:, :, int(item)] = tensor
        return whole
    if isinstance(value, (tuple, list)):
        items = [_put(v, rest, tensor) if number == int(item) else v for number, v in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    changed = copy.copy(value)
    if isinstance(value, dict):
        key = _key(value, item)
        changed[key] = _put(value[key], rest, tensor)
    else:
        setattr(changed, item, _put(getattr(value, item), rest, tensor))
    return changed


def tensors_in(output: Any, path: str = "") -> dict[str, torch.Tensor]:  # noqa: ANN401
    """Every tensor inside a nested output, by its path ("[0]", "[last_hidden_state]", …).

    Examples:
        >>> list(tensors_in((torch.zeros(1), None, {"a": torch.zeros(2)})))
        ['[0]', '[2][a]']
    """
    if isinstance(output, torch.Tensor):
        return {path: output}
    if isinstance(output, dict):
        items = list(output.items())
    elif isinstance(output, (tuple, list)):
        items = list(enumerate(output))
    elif hasattr(output, "__dataclass_fields__"):
        items = [(name, getattr(output, name)) for name in output.__dataclass_fields__]
    else:
        return {}
    found: dict[str, torch.Tensor] = {}
    for key, value in items:
        found |= tensors_in(value, f"{path}[{key}]")
    return found


def names_heads(name: str) -> bool:
    """Whether a hook point has one of TransformerLens' names for (image, token, head, d_head or d_model).

    Examples:
        >>> names_heads("blocks.3.attn.hook_z"), names_heads("blocks.3.hook_resid_pre")
        (True, False)
    """
    return _HEADS.search(name) is not None


def _item(value: Any, item: str, module: str) -> Any:  # noqa: ANN401
    if isinstance(value, torch.Tensor):
        return _head(value, item, module)
    try:
        if isinstance(value, dict):
            return value[_key(value, item)]
        if isinstance(value, (tuple, list)):
            return value[int(item)]
        return getattr(value, item)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        there = ", ".join(f"'{module}{path}'" for path in tensors_in(value)) or "no tensor"
        raise LayerNotFoundError(f"Layer {module!r} returns nothing at [{item}]. There: {there}.") from error


def _key(value: dict[Any, Any], item: str) -> Any:  # noqa: ANN401 - keys may be numbers
    """The key of a dictionary that is written that way."""
    return item if item in value else next((key for key in value if str(key) == item), item)


def _head(value: torch.Tensor, item: str, module: str) -> torch.Tensor:
    """One head of (image, token, head, d_head); a map's rows are no items of it."""
    if value.ndim != 4 or not names_heads(module):
        raise LayerNotFoundError(
            f"Layer {module!r} returns one tensor {tuple(value.shape)}, which has no item [{item}]: "
            f"only heads (image, token, head, d_head) have. Ask for {module!r}."
        )
    heads = value.shape[2]
    if not item.isdecimal() or int(item) >= heads:
        raise LayerNotFoundError(f"Layer {module!r} has {heads} heads, counted from 0; got [{item}].")
    return value[:, :, int(item)]


def no_such_layer(
    model: nn.Module, name: str, module: str, known: Mapping[str, nn.Module]
) -> LayerNotFoundError:
    """The error that says which layers are near, or of which the unknown one is another name.

    Args:
        model: where it was looked for.
        name: of the layer.
        module: that it would be of.
        known: the modules that have layers.
    """
    kind = type(model).__name__
    again = dict(model.named_modules(remove_duplicate=False)).get(module)
    for first, other in known.items():
        if other is again:
            fact = f"In {kind}, {module!r} is the same module as {first!r}"
            return LayerNotFoundError(f"{fact}; its calls are named {first!r}, '{first}#1', …")
    hint = did_you_mean(name, known)
    return LayerNotFoundError(f"{kind} has no layer {name!r}.{hint} List all with hooked.layers.")
