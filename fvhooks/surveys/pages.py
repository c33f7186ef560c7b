"""The page that asks people: one file, no network, no names of recipes in it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from fvhooks.errors import StoreError
from fvhooks.images import as_bytes
from fvhooks.surveys.questions import Place, Question, SurveyPlan, ask
from fvhooks.synthesis.visualizations import Visualizations
from fvhooks.widgets.encodings import encode
from fvhooks.widgets.markup import data_uri

_PAGE = Path(__file__).with_name("page.html")
_WORDS = {
    "naming": "What does this picture show?",
    "choice": "Which of the two pictures shows: {}?",
    "rating": "How clearly does this picture show: {}?",
}
_RATINGS = ("1", "2", "3", "4", "5")


def write_survey(
    pictures: Mapping[str, Visualizations],
    labels: Sequence[str],
    folder: str | Path,
    *,
    plan: SurveyPlan | None = None,
) -> list[Path]:
    """Write a page for each rater, and the key that says what was right.

    A page holds pictures and questions in an order of its own, and nothing that tells a recipe. Keep
    `key.json` from the raters. Each page ends with a file of answers to download, for `analyse_survey`.

    Examples:
        >>> pages = write_survey({"vital": vis}, ["cat", "dog"], "survey")  # doctest: +SKIP

    Args:
        pictures: of each recipe; real images, as `real_pictures` gives them, make one more.
        labels: what to call each unit.
        folder: where to write; made where it is not there.
        plan: what is asked of how many.

    Returns:
        The pages; `key.json` lies beside them.

    Raises:
        MissingInputError: no pictures, or of other units for each recipe.
        ShapeError: pictures of different sizes, or names that are not one for each unit.
        StoreError: the folder holds the key of another survey.
    """
    asked = plan or SurveyPlan()
    questions = ask(pictures, labels, asked)
    key = _key(questions, pictures, labels, asked)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    _write_key(target / "key.json", key)
    pages = []
    for rater in range(asked.raters):
        rng = np.random.default_rng([asked.seed, rater])
        shuffled = [questions[place] for place in rng.permutation(len(questions))]
        data = _page(shuffled, pictures, labels) | {"survey": key["survey"]}
        pages.append(target / f"survey-{rater + 1}.html")
        safe = json.dumps(data).replace("<", "\\u003c")  # so that no label can end the script
        pages[-1].write_text(
            Template(_PAGE.read_text(encoding="utf-8")).substitute(data=safe), encoding="utf-8"
        )
    return pages


def _page(
    questions: Sequence[Question], pictures: Mapping[str, Visualizations], labels: Sequence[str]
) -> dict[str, Any]:
    """Pictures in the order in which they are first shown, each once."""
    order: dict[Place, int] = {}
    for place in (place for question in questions for place in question.shown):
        order.setdefault(place, len(order))
    return {
        "images": [_encoded(pictures, place) for place in order],
        "questions": [
            {
                "name": question.name,
                "task": question.task,
                "text": _WORDS[question.task].format(labels[question.about[1]]),
                "shown": [order[place] for place in question.shown],
                "options": _options(question, labels),
            }
            for question in questions
        ],
    }


def _options(question: Question, labels: Sequence[str]) -> list[str]:
    return {"naming": sorted(labels), "choice": ["1", "2"], "rating": list(_RATINGS)}[question.task]


def _encoded(pictures: Mapping[str, Visualizations], place: Place) -> str:
    recipe, unit, seed = place
    images = pictures[recipe].images.transpose("unit", "seed", "rgb", "y", "x")
    return data_uri(encode(as_bytes(images.values[unit, seed])))


def _key(
    questions: Sequence[Question],
    pictures: Mapping[str, Visualizations],
    labels: Sequence[str],
    plan: SurveyPlan,
) -> dict[str, Any]:
    known = {
        question.name: {
            "task": question.task,
            "recipe": question.about[0],
            "unit": labels[question.about[1]],
            "seed": question.about[2],
            "right": question.right,
            "options": _options(question, labels),
        }
        for question in questions
    }
    sums = [vis.checksums.values.tolist() for vis in pictures.values()]
    digest = hashlib.sha256(json.dumps([known, sums], sort_keys=True).encode()).hexdigest()[:16]
    return {"survey": digest, "seed": plan.seed, "questions": known}


def _write_key(path: Path, key: dict[str, Any]) -> None:
    text = json.dumps(key, indent=1)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise StoreError(
            f"{path} is the key of another survey, and answers to it could not be read without; name another "
            "folder."
        )
    path.write_text(text, encoding="utf-8")
