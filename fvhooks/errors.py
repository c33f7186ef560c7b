"""The errors of fvhooks.

Every error is an `FVHooksError` and, beside it, the builtin that a caller would already catch::

    FVHooksError
    ├─ LayerNotFoundError (LookupError)       no such layer, or one whose hook never fires
    ├─ NotRegisteredError (KeyError)          no recipe, check, … of that name
    ├─ UnsupportedModelError (TypeError)      a model or an output that cannot be hooked
    ├─ ImageError (ValueError)                images of a wrong range, type, channel count or size
    ├─ ShapeError (ValueError)                an array of other dimensions than expected
    ├─ NonFiniteError (ArithmeticError)       NaN or infinity where numbers were expected
    ├─ OutOfRangeError (ArithmeticError)      numbers that a circuit's constants do not allow
    ├─ MissingInputError (ValueError)         a method needs labels, a data set, a store
    ├─ StoreError (OSError)                   unreadable, half-written, damaged, of another model
    │  └─ SchemaError                         written by another version of the layout
    ├─ OutOfMemoryError (MemoryError)         not even one picture fits
    ├─ WorkerError (RuntimeError)             a process that shares the work has died
    └─ MissingDependencyError (ImportError)   an optional library is not installed
"""

from collections.abc import Iterable
from difflib import get_close_matches


class FVHooksError(Exception):
    """Base of everything that fvhooks raises on purpose."""


class LayerNotFoundError(FVHooksError, LookupError):
    """The model has no layer of that name, or the layer never runs."""


class NotRegisteredError(FVHooksError, KeyError):
    """Nothing is registered under that name."""

    __str__ = Exception.__str__  # KeyError would show the repr of the message


class UnsupportedModelError(FVHooksError, TypeError):
    """The model, or what one of its layers returns, cannot be hooked."""


class ImageError(FVHooksError, ValueError):
    """Images have another range, type, channel count or size than the model takes."""


class ShapeError(FVHooksError, ValueError):
    """An array has other dimensions than expected."""


class NonFiniteError(FVHooksError, ArithmeticError):
    """NaN or infinity where finite numbers were expected."""


class OutOfRangeError(FVHooksError, ArithmeticError):
    """Numbers larger or smaller than something was built for."""


class MissingInputError(FVHooksError, ValueError):
    """A method was called without something it cannot do without."""


class StoreError(FVHooksError, OSError):
    """A store is unreadable, half-written, damaged, or belongs to another model or data set."""

    __str__ = Exception.__str__  # OSError would look for an errno


class SchemaError(StoreError):
    """A store was written with another version of the layout."""


class OutOfMemoryError(FVHooksError, MemoryError):
    """A single picture needs more memory than there is."""


class WorkerError(FVHooksError, RuntimeError):
    """A process that shares the work has died."""


class MissingDependencyError(FVHooksError, ImportError):
    """An optional library is not installed."""


def did_you_mean(name: str, known: Iterable[str], count: int = 3) -> str:
    """A sentence that names the nearest known names, or an empty string.

    Examples:
        >>> did_you_mean("layer5", ["layer4", "layer3", "fc"])
        " Did you mean 'layer4', 'layer3'?"
    """
    near = get_close_matches(name, list(known), n=count, cutoff=0.5)
    return f" Did you mean {', '.join(map(repr, near))}?" if near else ""
