"""What the answers of raters say: how well each recipe's pictures are recognised, and how sure that is."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fvhooks.errors import MissingInputError, StoreError
from fvhooks.metrics.groups import group_interval
from fvhooks.metrics.intervals import Interval, percentile_interval
from fvhooks.surveys.power import clustering, raters_needed
from fvhooks.surveys.raters import rater_agreement


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer with what it was about; `score` is 1 or 0 for right or wrong, or the rating."""

    rater: str
    question: str
    task: str
    recipe: str
    unit: str
    given: str
    score: float
    chance: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One recipe in one task.

    Args:
        task: "naming", "choice" or "rating".
        recipe: whose pictures.
        score: share of right answers, or mean rating; the interval draws units, then answers within each.
        chance: what guessing reaches; NaN for ratings.
        answers: how many.
    """

    task: str
    recipe: str
    score: Interval
    chance: float
    answers: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Two recipes in one task: the first one's score less the second's, unit by unit.

    `raters`: how many tell two recipes apart of which the second is as good as here and the first better by
    the difference looked for; None where no number of raters is enough without more units, or for ratings.
    """

    task: str
    first: str
    second: str
    score: Interval
    raters: int | None


@dataclass(frozen=True, slots=True)
class SurveyReport:
    """What a survey found.

    Args:
        findings: each recipe in each task.
        differences: each pair of recipes in each task.
        agreement: Krippendorff's alpha of the raters in each task.
        raters: how many answered.
        looked_for: the difference in accuracy that `differences` count raters for.
    """

    findings: tuple[Finding, ...]
    differences: tuple[Difference, ...]
    agreement: dict[str, float]
    raters: int
    looked_for: float

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.raters} raters"]
        for task, alpha in self.agreement.items():
            lines += ["", f"{task}: agreement (Krippendorff's alpha) {alpha:.2f}"]
            found = [finding for finding in self.findings if finding.task == task]
            lines += [f"  {f.recipe}: {f.score} of {f.answers} answers" + _guessed(f.chance) for f in found]
            pairs = [pair for pair in self.differences if pair.task == task]
            lines += [f"  {p.first} − {p.second}: {p.score}" + self._needed(p) for p in pairs]
        return "\n".join(lines)

    def _needed(self, pair: Difference) -> str:
        if pair.task == "rating":
            return ""
        sees = f"to see {self.looked_for:.0%}"
        return f"; {sees}: {pair.raters} raters" if pair.raters else f"; {sees}: more units are needed"


def _guessed(chance: float) -> str:
    return "" if np.isnan(chance) else f", by chance {chance:.3g}"


def analyse_survey(
    answers: Sequence[str | Path],
    key: str | Path,
    *,
    difference: float = 0.1,
    draws: int = 1000,
    seed: int = 0,
) -> SurveyReport:
    """Read the files that raters saved, and say how well each recipe's pictures are recognised.

    Examples:
        >>> print(analyse_survey(["anna.json", "ben.json"], "survey/key.json"))  # doctest: +SKIP

    Args:
        answers: one file a rater.
        key: what `write_survey` wrote beside its pages.
        difference: in accuracy, that raters are counted for.
        draws: bootstrap resamples.
        seed: of the bootstrap.

    Raises:
        StoreError: a file that is no answer file or no key.
        MissingInputError: no answers, answers to another survey, to a question or with an answer that it does
            not have, or two files of one rater.
    """
    known = _read(key, ("survey", "questions"))
    found = [answer for path in _once(answers) for answer in _answers(path, known)]
    if not found:
        raise MissingInputError("There are no answers; pass the files that the raters saved.")
    tasks = list(dict.fromkeys(answer.task for answer in found))
    findings, differences = [], []
    for task in sorted(tasks):
        here = [answer for answer in found if answer.task == task]
        recipes = sorted({answer.recipe for answer in here})
        findings += [_finding([a for a in here if a.recipe == r], draws, seed) for r in recipes]
        for place, first in enumerate(recipes):
            pairs = [(first, second) for second in recipes[place + 1 :]]
            differences += [_difference(here, pair, difference, draws, seed) for pair in pairs]
    agreement = {task: _agreement([a for a in found if a.task == task]) for task in sorted(tasks)}
    raters = len({answer.rater for answer in found})
    return SurveyReport(tuple(findings), tuple(differences), agreement, raters, difference)


def _read(path: str | Path, needed: Sequence[str]) -> dict[str, Any]:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StoreError(f"{path} is no JSON: {error}") from error
    missing = [name for name in needed if not isinstance(found, dict) or name not in found]
    if missing:
        raise StoreError(f"{path} has no {missing[0]!r}; pass answer files and the key of one survey.")
    return dict(found)


def _once(paths: Sequence[str | Path]) -> Iterator[str | Path]:
    """Each file, where no rater has two: the same answers twice would look like two people."""
    raters: dict[str, str | Path] = {}
    for path in paths:
        rater = str(_read(path, ("survey", "rater", "answers"))["rater"])
        if rater in raters:
            raise MissingInputError(f"{raters[rater]} and {path} are both of {rater!r}; pass one of them.")
        raters[rater] = path
        yield path


def _answers(path: str | Path, key: dict[str, Any]) -> Iterator[Answer]:
    given = _read(path, ("survey", "rater", "answers"))
    if given["survey"] != key["survey"]:
        raise MissingInputError(
            f"{path} answers survey {given['survey']!r}, the key is of {key['survey']!r}; pass the key that "
            "lies beside the pages."
        )
    for one in given["answers"]:
        question = key["questions"].get(one["question"])
        if question is None or one["answer"] not in question["options"]:
            raise MissingInputError(f"{path}: no such answer in this survey: {one}.")
        rating = question["task"] == "rating"
        score = float(one["answer"]) if rating else float(one["answer"] == question["right"])
        chance = float("nan") if rating else 1 / len(question["options"])
        about = question["task"], question["recipe"], question["unit"]
        yield Answer(str(given["rater"]), one["question"], *about, one["answer"], score, chance)


def _scores(answers: Sequence[Answer]) -> tuple[np.ndarray, np.ndarray]:
    """The scores, and which unit each is of."""
    units = np.unique([answer.unit for answer in answers], return_inverse=True)[1]
    return np.array([answer.score for answer in answers]), units.astype(np.int64)


def _finding(answers: Sequence[Answer], draws: int, seed: int) -> Finding:
    one = answers[0]
    score = group_interval(*_scores(answers), draws=draws, seed=seed)
    return Finding(one.task, one.recipe, score, one.chance, len(answers))


def _difference(
    answers: Sequence[Answer], pair: tuple[str, str], looked_for: float, draws: int, seed: int
) -> Difference:
    """Units are drawn for both recipes together: hard ones are hard for both."""
    sides = [[answer for answer in answers if answer.recipe == recipe] for recipe in pair]
    units = sorted({answer.unit for answer in sides[0]} & {answer.unit for answer in sides[1]})
    scores = [[np.array([a.score for a in side if a.unit == u]) for u in units] for side in sides]
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(draws if units else 0):
        chosen = rng.integers(len(units), size=len(units))
        drawn.append(np.mean([_drawn(scores[0][u], rng) - _drawn(scores[1][u], rng) for u in chosen]))
    gaps = [a.mean() - b.mean() for a, b in zip(*scores, strict=True)]
    interval = percentile_interval(float(np.mean(gaps)) if gaps else float("nan"), drawn)
    task = answers[0].task
    raters = None if task == "rating" or not units else _raters(sides, looked_for)
    return Difference(task, *pair, interval, raters)


def _drawn(scores: np.ndarray, rng: np.random.Generator) -> float:
    return float(scores[rng.integers(len(scores), size=len(scores))].mean())


def _raters(sides: Sequence[Sequence[Answer]], looked_for: float) -> int | None:
    """How many raters see the difference, with the clustering of these answers."""
    values = np.concatenate([_scores(side)[0] - _scores(side)[0].mean() for side in sides])
    groups = [f"{answer.recipe}/{answer.unit}" for side in sides for answer in side]
    base = float(_scores(sides[1])[0].mean())
    better = base + looked_for if base + looked_for <= 1 else base - looked_for
    units = len({answer.unit for answer in sides[1]})
    each = len({answer.question for answer in sides[1]}) // units
    return raters_needed(
        base, better, units=units, per_unit=max(each, 1), clustering=clustering(values, groups)
    )


def _agreement(answers: Sequence[Answer]) -> float:
    items = [answer.question for answer in answers]
    if answers[0].task == "rating":
        return rater_agreement(items, [answer.score for answer in answers], numeric=True)
    return rater_agreement(items, [answer.given for answer in answers])
