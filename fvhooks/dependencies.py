"""Optional libraries, imported where they are needed and named where they are missing."""

from importlib import import_module
from types import ModuleType

from fvhooks.errors import MissingDependencyError


def require(module: str, *, feature: str, extra: str) -> ModuleType:
    """Import an optional library, or say what it is for and how to get it.

    Examples:
        >>> require("json", feature="reading notebooks", extra="jupyter").dumps([1])
        '[1]'

    Args:
        module: dotted name of the module to import.
        feature: what the library is needed for, as the subject of a sentence.
        extra: the extra of fvhooks that installs it.

    Raises:
        MissingDependencyError: the library is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or module.partition(".")[0] != error.name.partition(".")[0]:
            raise  # the library is there, something that it needs is not: its own words say more
        advice = f"Install it with: pip install 'fvhooks[{extra}]'"
        message = f"{feature} needs {error.name!r}, which is not installed. {advice}"
        raise MissingDependencyError(message) from error
