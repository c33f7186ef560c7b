"""Where the built browser files are."""

from pathlib import Path

from fvhooks.errors import MissingInputError, did_you_mean

STATIC = Path(__file__).parent / "static"


def find_asset(name: str) -> Path:
    """The path of a built script or style sheet.

    Examples:
        >>> find_asset("card.js").name
        'card.js'

    Raises:
        MissingInputError: there is no such file; how it is built.
    """
    path = STATIC / name
    if not path.is_file():
        hint = did_you_mean(name, (file.name for file in STATIC.glob("*")))
        message = f"No file {name!r} in {STATIC}.{hint} In a checkout, `npm run build` in widgets/ writes it."
        raise MissingInputError(message)
    return path
