"""Answers of simulated raters whose truth is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from fvhooks.errors import MissingInputError, StoreError
from fvhooks.surveys.analysis import analyse_survey

UNITS = [f"u{number}" for number in range(20)]


def survey(folder: Path, truth: dict[str, float], raters: int = 6, task: str = "choice") -> list[Path]:
    """A key and answer files: each recipe's answers are right with its own probability."""
    rng = np.random.default_rng(0)
    options = {"choice": ["1", "2"], "naming": UNITS, "rating": ["1", "2", "3", "4", "5"]}[task]
    questions = {
        f"{recipe}-{unit}-{seed}": {
            "task": task, "recipe": recipe, "unit": unit, "seed": seed, "options": options,
            "right": {"choice": "1", "naming": unit, "rating": ""}[task],
        }
        for recipe in truth for unit in UNITS for seed in range(2)
    }  # fmt: skip
    (folder / "key.json").write_text(json.dumps({"survey": "s", "questions": questions}))
    files = []
    for rater in range(raters):
        given = []
        for name, about in questions.items():
            hit = rng.random() < truth[about["recipe"]]
            if task == "rating":
                answer = str(int(truth[about["recipe"]]) + int(rng.integers(2)))
            else:
                wrong = [option for option in options if option != about["right"]]
                answer = about["right"] if hit else wrong[rng.integers(len(wrong))]
            given.append({"question": name, "answer": answer, "ms": 900})
        files.append(folder / f"{rater}.json")
        files[-1].write_text(json.dumps({"survey": "s", "rater": f"r{rater}", "answers": given}))
    return files


def test_accuracies_differences_and_chance_of_simulated_raters(tmp_path: Path) -> None:
    report = analyse_survey(survey(tmp_path, {"good": 0.9, "poor": 0.5}), tmp_path / "key.json", draws=400)
    good, poor = report.findings
    assert (good.recipe, poor.recipe, good.answers, good.chance) == ("good", "poor", 240, 0.5)
    assert 0.9 in good.score
    assert 0.5 in poor.score
    (gap,) = report.differences
    assert 0.4 in gap.score
    assert gap.score.low > 0.2
    assert report.raters == 6
    assert gap.raters is not None
    # a difference of 0.1 from about 0.5 takes some 390 answers a recipe, 40 of each rater
    assert 8 <= gap.raters <= 14


def test_no_difference_is_found_where_there_is_none(tmp_path: Path) -> None:
    report = analyse_survey(survey(tmp_path, {"a": 0.7, "b": 0.7}, task="naming"), tmp_path / "key.json")
    assert 0.0 in report.differences[0].score
    assert report.findings[0].chance == 1 / 20
    assert -0.1 < report.agreement["naming"] < 1


def test_ratings_have_a_mean_and_no_chance(tmp_path: Path) -> None:
    report = analyse_survey(survey(tmp_path, {"a": 3, "b": 1}, task="rating"), tmp_path / "key.json")
    assert report.findings[0].score.value == pytest.approx(3.5, abs=0.2)
    assert np.isnan(report.findings[0].chance)
    assert report.differences[0].score.value == pytest.approx(2, abs=0.2)
    assert report.agreement["rating"] > 0.5
    assert "a − b" in str(report)
    json.dumps(report.to_dict())


def test_bad_answers_are_named(tmp_path: Path) -> None:
    files, key = survey(tmp_path, {"a": 0.5}, raters=2), tmp_path / "key.json"
    with pytest.raises(MissingInputError, match="both of 'r0'"):
        analyse_survey([files[0], files[0]], key)
    with pytest.raises(MissingInputError, match="There are no answers"):
        analyse_survey([], key)
    given = json.loads(files[0].read_text())
    files[0].write_text(json.dumps(given | {"survey": "t"}))
    with pytest.raises(MissingInputError, match="answers survey 't', the key is of 's'"):
        analyse_survey([files[0]], key)
    strange = [{"question": "a-u0-0", "answer": "3"}]
    files[0].write_text(json.dumps(given | {"answers": strange}))
    with pytest.raises(MissingInputError, match="no such answer in this survey"):
        analyse_survey([files[0]], key)
    files[0].write_text("nothing")
    with pytest.raises(StoreError, match="is no JSON"):
        analyse_survey([files[0]], key)
    with pytest.raises(StoreError, match="has no 'questions'"):
        analyse_survey([files[1]], files[1])
