"""What views hold in common, so that one may follow another: units, by their ids."""

from collections.abc import Container, Sequence

from fvhooks.units import Unit


def is_unit(name: str) -> bool:
    """Whether a text names a unit: one that a view does not have may be chosen in another.

    Examples:
        >>> is_unit("layer4:7"), is_unit("nobody")
        (True, False)
    """
    try:
        Unit.parse(name)
    except ValueError:
        return False
    return True


def stranger(asked: Sequence[str], known: Container[str]) -> str | None:
    """The first of some names that is neither known nor a unit, which another view might have."""
    return next((name for name in asked if name not in known and not is_unit(name)), None)
