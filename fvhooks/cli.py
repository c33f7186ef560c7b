"""The command line: `fvhooks demo`. Thin: everything it does can be called from Python."""

import argparse
import logging
import sys
from collections.abc import Sequence

from fvhooks import __version__
from fvhooks.errors import FVHooksError

_DEMO = (
    "Collect, visualize and audit on the embedded network and photographs, and write a page that shows it."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what goes wrong on purpose is one line on stderr and the exit code 1.

    Example:
        >>> main([])  # doctest: +ELLIPSIS
        usage: fvhooks ...
        2

    Args:
        arguments: the words after `fvhooks`; the process's own where not given.

    Returns:
        The exit code.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 2
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        _demo(options)
    except FVHooksError as error:
        print(f"fvhooks: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    about = "What a unit inside an image model looks for, and how far that picture can be trusted."
    parser = argparse.ArgumentParser(prog="fvhooks", description=about)
    parser.add_argument("--version", action="version", version=f"fvhooks {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    demo = commands.add_parser("demo", help="the main job, end to end, without a download", description=_DEMO)
    demo.add_argument("--out", default="fvhooks-demo", help="folder to write (default: %(default)s)")
    demo.add_argument(
        "--quick", action="store_true", help="a look in seconds: one rough picture a unit, few units"
    )
    return parser


def _demo(options: argparse.Namespace) -> None:
    from fvhooks.demo.tours import FULL, QUICK, make_demo  # noqa: PLC0415 - needs the extra `demo`

    page = make_demo(options.out, QUICK if options.quick else FULL)
    print(f"Open {page.resolve().as_uri()}")


if __name__ == "__main__":
    sys.exit(main())
