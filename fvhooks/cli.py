"""The command line. Thin: everything it does can be called from Python."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

from fvhooks import __version__
from fvhooks.errors import FVHooksError
from fvhooks.specifiers import DATA, MODELS, dataset_of, model_of
from fvhooks.units import Unit

_DEMO = (
    "Collect, visualize and audit on the embedded network and photographs, and write a page that shows it."
)
_COLLECT = (
    "One pass over a data set into a store. The same command goes on where it was stopped. Exit codes: 0 all "
    "images are in, 1 an error, 3 some images could not be used, 130 interrupted."
)
SOME_FAILED, INTERRUPTED = 3, 130


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
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except FVHooksError as error:
        print(f"fvhooks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("fvhooks: stopped; the same command goes on from here.", file=sys.stderr)
        return INTERRUPTED


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
    demo.set_defaults(run=_demo)
    _add_collect(commands.add_parser("collect", help="statistics of real images", description=_COLLECT))
    _add_store(commands.add_parser("store", help="look into a store"))
    return parser


def _add_collect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help=MODELS)
    parser.add_argument("data", help=DATA)
    parser.add_argument("store", help="the folder or URL to write")
    parser.add_argument("--layers", nargs="+", required=True, metavar="LAYER")
    parser.add_argument("--device", help="such as cuda or cuda:1 (default: where the model is)")
    for name in ("batch-size", "references", "shard-size", "threads", "decode-threads"):
        parser.add_argument(f"--{name}", type=int, metavar="N")
    parser.set_defaults(run=_collect)


def _add_store(parser: argparse.ArgumentParser) -> None:
    questions = parser.add_subparsers(dest="question", metavar="QUESTION", required=True)
    info = questions.add_parser("info", help="what is in it, and which shards are missing")
    verify = questions.add_parser("verify", help="read everything, name what is damaged")
    top = questions.add_parser("top", help="the images that a unit answers most strongly to")
    for question, run in ((info, _info), (verify, _verify), (top, _top)):
        question.add_argument("store")
        question.set_defaults(run=run)
    top.add_argument("unit", type=_unit, help="such as layer4:7, or logits:207")
    top.add_argument("-k", type=int, default=9, help="how many (default: %(default)s)")


def _demo(options: argparse.Namespace) -> int:
    from fvhooks.demo.tours import FULL, QUICK, make_demo  # noqa: PLC0415 - needs the extra `demo`

    page = make_demo(options.out, QUICK if options.quick else FULL)
    print(f"Open {page.resolve().as_uri()}")
    return 0


def _collect(options: argparse.Namespace) -> int:
    from fvhooks.store.collection import collect  # noqa: PLC0415

    hooked = model_of(options.model, device=options.device)
    names = ("batch_size", "references", "shard_size", "threads", "decode_threads")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    store = collect(hooked, dataset_of(options.data), options.store, layers=options.layers, **given)
    failed = store.errors.sizes["image"]
    print(f"{store.size - failed:,} images of {store.size:,} in {store.path}")
    return SOME_FAILED if failed else 0


def _info(options: argparse.Namespace) -> int:
    from fvhooks.store.describing import describe_store  # noqa: PLC0415

    print(describe_store(options.store))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from fvhooks.store.reading import open_store  # noqa: PLC0415

    open_store(options.store).verify()
    print("Everything reads as it was written.")
    return 0


def _top(options: argparse.Namespace) -> int:
    from fvhooks.store.reading import open_store  # noqa: PLC0415

    found = open_store(options.store).top_images(options.unit, k=options.k)
    for rank in range(found.sizes["top"]):
        one = found.isel(top=rank)
        print(f"{float(one['value']):12.5g}  {one['id'].item()}  label {one['label'].item()}")
    return 0


def _unit(word: str) -> Unit:
    try:
        return Unit.parse(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
