"""The words of `fvhooks judge`, and what it does; the command line prints what comes back."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from fvhooks.errors import MissingInputError

_JUDGE = (
    "Ask people about pictures: write offline pages from saved visualizations (blind, in an order of each "
    "rater's own), or with --answers say what the saved answers show."
)
_DATA = "the data set of the store, as `fvhooks collect` takes it"


def add_words(parser: argparse.ArgumentParser) -> None:
    """The options of `fvhooks judge`."""
    parser.description = _JUDGE
    parser.add_argument("pictures", nargs="*", help="folders of saved visualizations, one a recipe")
    parser.add_argument("--out", default="survey", help="folder to write (default: %(default)s)")
    parser.add_argument("--labels", nargs="+", metavar="NAME", help="of each unit (default: its id)")
    parser.add_argument("--tasks", nargs="+", default=["naming", "choice", "rating"], metavar="TASK")
    parser.add_argument("--per-unit", type=int, default=2, metavar="N", help="pictures of a unit and recipe")
    parser.add_argument("--raters", type=int, default=1, metavar="N", help="pages to write")
    parser.add_argument("--seed", type=int, default=0, help="of orders and pairs")
    parser.add_argument("--store", help="adds photographs of each unit that no picture was made from")
    parser.add_argument("--data", help=_DATA)
    parser.add_argument("--answers", nargs="+", metavar="FILE", help="files that raters saved")
    parser.add_argument("--key", help="key.json of the survey (default: in the folder of --out)")
    parser.add_argument("--difference", type=float, default=0.1, help="in accuracy, to count raters for")
    parser.add_argument("--json", metavar="FILE", help="write what the answers show there, too")


def judge(options: argparse.Namespace) -> str:
    """Write pages, or analyse answers; what to print.

    Raises:
        MissingInputError: neither pictures nor answers.
    """
    if options.answers:
        return _analyse(options)
    if not options.pictures:
        raise MissingInputError("Give saved visualizations to ask about, or --answers to analyse.")
    return _write(options)


def _analyse(options: argparse.Namespace) -> str:
    from fvhooks.surveys.analysis import analyse_survey  # noqa: PLC0415 - the words are checked first

    key = options.key or Path(options.out) / "key.json"
    report = analyse_survey(options.answers, key, difference=options.difference)
    if options.json:
        Path(options.json).write_text(json.dumps(report.to_dict(), indent=1), encoding="utf-8")
    return str(report)


def _write(options: argparse.Namespace) -> str:
    from fvhooks.results import load  # noqa: PLC0415 - the words are checked first
    from fvhooks.specifiers import dataset_of  # noqa: PLC0415
    from fvhooks.store.reading import open_store  # noqa: PLC0415
    from fvhooks.surveys.pages import write_survey  # noqa: PLC0415
    from fvhooks.surveys.questions import SurveyPlan, real_pictures  # noqa: PLC0415
    from fvhooks.synthesis.visualizations import Visualizations  # noqa: PLC0415
    from fvhooks.units import Unit  # noqa: PLC0415

    plan = SurveyPlan(tuple(options.tasks), options.per_unit, options.raters, options.seed)
    found = {Path(path).stem: load(path) for path in options.pictures}
    pictures = {name: vis for name, vis in found.items() if isinstance(vis, Visualizations)}
    wrong = [name for name in found if name not in pictures]
    if wrong or len(found) < len(options.pictures):
        raise MissingInputError(f"Expected saved visualizations of different names, got {options.pictures}.")
    units = [str(unit) for unit in next(iter(pictures.values())).data["unit"].values]
    if options.store:
        if not options.data:
            raise MissingInputError(f"Photographs are in the data set of the store; pass --data: {_DATA}.")
        store = open_store(options.store, dataset_of(options.data))
        pictures["real"] = real_pictures(store, [Unit.parse(unit) for unit in units], options.per_unit)
    pages = write_survey(pictures, options.labels or units, options.out, plan=plan)
    return _written(pages)


def _written(pages: Sequence[Path]) -> str:
    lines = [f"Open {page.resolve().as_uri()}" for page in pages]
    return "\n".join([*lines, f"Keep {pages[0].parent / 'key.json'} from the raters."])
