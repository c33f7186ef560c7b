"""What a unit inside an image model looks for, how far that picture can be trusted, and the circuit it belongs to.

Importing fvhooks loads torch and NumPy; everything else comes when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fvhooks.errors import FVHooksError
from fvhooks.hooks import HookedModel, Preprocessing, attach
from fvhooks.units import Direction, Layout, Unit

if TYPE_CHECKING:
    pass

__version__ = "0.1.0"

_LAZY: dict[str, str] = {}

__all__ = ["Direction", "FVHooksError", "HookedModel", "Layout", "Preprocessing", "Unit", "attach"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'fvhooks' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
