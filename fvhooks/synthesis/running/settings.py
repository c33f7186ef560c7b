"""What pictures were made with, written down so that another process tells whether it would make the same."""

import hashlib
import json
from dataclasses import fields, is_dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch

from fvhooks.errors import MissingInputError
from fvhooks.store.fingerprints import fingerprint_model
from fvhooks.store.reading import Store
from fvhooks.synthesis.running.jobs import Call
from fvhooks.synthesis.sets import ImageSet
from fvhooks.synthesis.visualizations import Target
from fvhooks.units import Direction

_KNOWN_TO_NUMPY = (torch.float16, torch.float32, torch.float64)
_MAKING = 3  # to be raised when the same settings begin to give other pictures


def describe(call: Call, store: Store) -> dict[str, Any]:
    """Everything but the unit that a picture depends on, in values that JSON can hold.

    Raises:
        MissingInputError: a setting that has no lasting name, such as a function made on the spot.
        StoreError: inside an `edit` block, where the model is another one for a while.
    """
    about = store._about
    return {
        "making": _MAKING,
        "recipe": written(call.recipe, type(call.recipe).__name__),
        "seeds": list(call.seeds),
        "facets": call.facets,
        "steps": call.steps,
        "size": list(call.size),
        "model": fingerprint_model(call.hooked),
        "images": about["data"],
        "layers": store.layers,
        "labels": about["settings"]["label_of_logit"],
    }


def describe_target(target: Target) -> list[Any]:
    """What a unit, a direction or a set is; those of one name need not be the same."""
    if isinstance(target, Direction):
        return [target.id, digest(target.vector)]
    if isinstance(target, ImageSet):
        return [target.id, digest(target.images.numpy())]
    return [target.id]


def key_of(said: Any) -> str:  # noqa: ANN401 - JSON values
    """A short text that differs where the values do."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


def written(value: Any, where: str) -> Any:  # noqa: ANN401, PLR0911 - any setting of any recipe
    """A setting in values that JSON can hold, the same in every process.

    Examples:
        >>> from fvhooks.synthesis.transforms import Roll
        >>> written(Roll(3), "jitter")
        ['fvhooks.synthesis.transforms.Roll', {'pixels': 3}]

    Args:
        value: the setting.
        where: what it is called in errors.

    Raises:
        MissingInputError: nothing tells it from another one in another process.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [written(item, f"{where}[{place}]") for place, item in enumerate(value)]
    if isinstance(value, dict):
        return {str(name): written(item, f"{where}[{name!r}]") for name, item in value.items()}
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        return _digest_of(value)
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
        return [_name(type(value), where), {n: written(getattr(value, n), f"{where}.{n}") for n in names}]
    if isinstance(value, partial):
        return written([value.func, value.args, dict(value.keywords)], where)
    return _name(value, where)


def digest(values: np.ndarray) -> str:
    """A text for an array of numbers: its type, shape and content."""
    content = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]
    return f"{values.dtype}{list(values.shape)} {content}"


def _digest_of(value: torch.Tensor | np.ndarray | np.generic) -> str:
    if not isinstance(value, torch.Tensor):
        return digest(np.asarray(value))
    there = value.detach().cpu()
    if there.is_floating_point() and there.dtype not in _KNOWN_TO_NUMPY:
        return f"{there.dtype} as {digest(there.float().numpy())}"
    return digest(there.numpy())


def _name(value: Any, where: str) -> Any:  # noqa: ANN401
    """Where a class or a function can be imported from; for a method also what it is bound to."""
    bound_to = getattr(value, "__self__", None)
    if bound_to is not None and not isinstance(bound_to, ModuleType):
        return [written(bound_to, where), value.__name__]
    name, module = getattr(value, "__qualname__", "<"), getattr(value, "__module__", None)
    if "<" in name or module in (None, "__main__"):
        raise MissingInputError(
            f"Pictures can be kept where their settings can be told again: {where} is {value!r}, which "
            "has no name to import it by. Define it in a module, or leave keep=True out."
        )
    return f"{module}.{name}"
