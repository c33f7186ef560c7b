"""The command line. Thin: everything it does can be called from Python."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

from fvhooks import __version__
from fvhooks.dependencies import require
from fvhooks.errors import FVHooksError, MissingInputError
from fvhooks.specifiers import ATTRIBUTORS, DATA, MODELS, attributor_of, dataset_of, model_of
from fvhooks.surveys import commands as surveys
from fvhooks.units import Unit

_ONE_HEAP = "distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX"  # see fvhooks.collecting.allocation
_DEMO = (
    "Collect, visualize and audit on the embedded network and photographs, and write a page that shows it."
)
_COLLECT = (
    "One pass over a data set into a store. The same command goes on where it was stopped. Exit codes: 0 all "
    "images are in, 1 an error, 2 words that are not understood, 3 some images could not be used, 130 "
    "interrupted, 143 terminated, as a queue does before it preempts."
)
SOME_FAILED, INTERRUPTED, TERMINATED = 3, 130, 143


def _count(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"Expected a whole number of 1 or more, got {word!r}.")
    return int(word)


def _ranks(word: str) -> int | None:
    return None if word == "all" else _count(word)


_PASSED_ON: dict[str, tuple[Callable[[str], Any], str]] = {
    "batch_size": (_count, "images a forward pass"),
    "references": (_count, "images of a label that make its profile, at most"),
    "ranks": (_ranks, "places of the sorted order that a profile keeps, or `all`"),
    "shard_size": (_count, "images of a task"),
    "threads": (_count, "compute threads of each model"),
    "decode_threads": (_count, "threads that read the data set"),
    "decode_processes": (_count, "processes that read it instead"),
}
"""Options of `fvhooks collect` that `fvhooks.collect` takes by the same name, where they are given."""


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends the work as Ctrl-C does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what goes wrong on purpose is one line on stderr and the exit code 1.

    Examples:
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
        with _sigterm_as_interrupt():
            return run(options)
    except BrokenPipeError:  # whoever reads, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except FVHooksError as error:
        print(f"fvhooks: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # no permission, no space, no network
        print(f"fvhooks: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print("fvhooks: stopped; the same command goes on from here.", file=sys.stderr)
        return TERMINATED if isinstance(stop, _Terminated) else INTERRUPTED


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # where signals cannot be handled
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what a handler is given
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
    asked = commands.add_parser("judge", help="ask people about pictures; read their answers")
    surveys.add_words(asked)
    asked.set_defaults(run=_judge)
    return parser


def _add_collect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help=MODELS)
    parser.add_argument("data", help=DATA)
    parser.add_argument("store", help="the folder or URL to write")
    parser.add_argument("--layers", nargs="+", required=True, metavar="LAYER")
    parser.add_argument("--device", help="such as cuda or cuda:1 (default: where the model is)")
    for name, (kind, about) in _PASSED_ON.items():
        word = "--" + name.replace("_", "-")
        parser.add_argument(word, type=kind, metavar="N", default=argparse.SUPPRESS, help=about)
    cluster = parser.add_mutually_exclusive_group()
    cluster.add_argument("--workers", type=_count, metavar="N", help="processes here, a model each")
    cluster.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster, such as tcp://head:8786")
    parser.add_argument(
        "--relevance",
        choices=("label", "prediction"),
        help="keep each channel's relevance for that output too",
    )
    parser.add_argument(
        "--attributor", metavar="NAME", help=f"{ATTRIBUTORS} (default: LayerGradientXActivation)"
    )
    parser.add_argument("--sample", action="store_true", help="keep one position's activations of each image")
    parser.add_argument(
        "--keep",
        choices=("all", "top"),
        default=argparse.SUPPRESS,
        help="of each image: everything (default), or each channel's strongest images alone",
    )
    parser.add_argument("--repair", action="store_true", help="collect again what is damaged")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=_collect)


def _add_store(parser: argparse.ArgumentParser) -> None:
    questions = parser.add_subparsers(dest="question", metavar="QUESTION", required=True)
    info = questions.add_parser("info", help="what is in it, which shards and objects are missing")
    verify = questions.add_parser("verify", help="read everything, name what is missing or damaged")
    top = questions.add_parser("top", help="the images that a unit answers most strongly to")
    for question, run in ((info, _info), (verify, _verify), (top, _top)):
        question.add_argument("store")
        question.set_defaults(run=run)
    top.add_argument("unit", type=_unit, help="such as layer4:7, or logits:207")
    top.add_argument("-k", type=_count, default=9, help="how many (default: %(default)s)")
    top.add_argument("--split", choices=("reference", "calibration", "report"), help="only images of a split")
    top.add_argument("--images", metavar="FOLDER", help="save the pictures there; needs --data")
    top.add_argument("--data", help=f"the data set of the store: {DATA}")


def _demo(options: argparse.Namespace) -> int:
    from fvhooks.demo.tours import FULL, QUICK, make_demo  # noqa: PLC0415 - needs the extra `demo`

    page = make_demo(options.out, QUICK if options.quick else FULL)
    print(f"Open {page.resolve().as_uri()}")
    return 0


def _collect(options: argparse.Namespace) -> int:
    from fvhooks.collecting.collection import collect  # noqa: PLC0415 - the words are checked first

    hooked, dataset = model_of(options.model, device=options.device), dataset_of(options.data)
    given = {name: getattr(options, name) for name in _PASSED_ON if hasattr(options, name)}
    given |= {"keep": options.keep} if hasattr(options, "keep") else {}
    given |= {name: True for name in ("sample", "repair") if getattr(options, name)}
    if options.relevance is not None:
        given["relevance"] = options.relevance
    if options.attributor is not None:
        given["attributor"] = attributor_of(options.attributor)
    with _client(options) as client:
        store = collect(
            hooked,
            dataset,
            options.store,
            layers=options.layers,
            client=client,
            show_progress=not options.quiet,
            **given,
        )
    failed = store.errors.sizes["image"]
    print(f"{store.size - failed:,} images of {store.size:,} in {store.path}")
    return SOME_FAILED if failed else 0


def _info(options: argparse.Namespace) -> int:
    from fvhooks.store.describing import describe_store  # noqa: PLC0415 - the words are checked first

    print(describe_store(options.store))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from fvhooks.store.schema import normalised  # noqa: PLC0415 - the words are checked first
    from fvhooks.store.verification import verify_store  # noqa: PLC0415 - the words are checked first

    verify_store(normalised(options.store))
    print("Everything reads as it was written.")
    return 0


def _top(options: argparse.Namespace) -> int:
    from fvhooks.store.reading import open_store  # noqa: PLC0415 - the words are checked first

    if options.images and not options.data:
        raise MissingInputError(f"Pictures are not in a store but in its data set; pass --data: {DATA}.")
    store = open_store(options.store, dataset_of(options.data) if options.data else None)
    found = store.top_images(options.unit, k=options.k, split=options.split)
    for rank in range(found.sizes["top"]):
        one = found.isel(top=rank)
        print(f"{float(one['value']):12.5g}  {one['id'].item()}  label {one['label'].item()}")
    if options.images:
        _save(store.images(found.id.values), Path(options.images))
    return 0


def _judge(options: argparse.Namespace) -> int:
    print(surveys.judge(options))
    return 0


def _save(pictures: Any, folder: Path) -> None:  # noqa: ANN401 - a tensor
    """Pictures as files named by their rank: ids may hold anything, and are no paths."""
    from PIL import Image  # noqa: PLC0415 - the words are checked first

    folder.mkdir(parents=True, exist_ok=True)
    for rank, picture in enumerate(pictures, start=1):
        pixels = (picture * 255).round().byte().movedim(0, -1).squeeze(-1).numpy()
        Image.fromarray(pixels).save(folder / f"{rank:03d}.png")
    print(f"{len(pictures)} pictures in {folder}")


def _client(options: argparse.Namespace) -> AbstractContextManager[Any]:
    """A Dask client where one is asked for; closed at the end, with the processes that it started."""
    if options.workers is None and options.scheduler is None:
        return nullcontext()
    distributed = require("distributed", feature="collecting on several workers", extra="cluster")
    if options.scheduler is not None:
        made: AbstractContextManager[Any] = distributed.Client(options.scheduler)
    else:
        import dask  # noqa: PLC0415 - the words are checked first

        with dask.config.set({_ONE_HEAP: 1}):
            made = distributed.Client(n_workers=options.workers, threads_per_worker=1, dashboard_address=":0")
    return made


def _unit(word: str) -> Unit:
    try:
        return Unit.parse(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
