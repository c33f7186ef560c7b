"""A rater at the page of a survey, by keyboard, and what the answers say afterwards."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fvhooks as fv
from fvhooks.surveys.analysis import analyse_survey
from fvhooks.surveys.pages import write_survey
from fvhooks.surveys.questions import SurveyPlan

pytestmark = pytest.mark.browser


def test_a_rater_answers_by_keyboard_and_the_file_is_read(chromium: Any, tmp_path: Path) -> None:
    images = np.zeros((3, 1, 3, 8, 8), np.uint8)
    images[:, :, 0] = 80 * np.arange(3)[:, None, None, None]
    units = [fv.Unit.logit(unit) for unit in range(3)]
    made = {"vital": fv.as_visualizations(units, images), "other": fv.as_visualizations(units, images + 9)}
    (path,) = write_survey(made, ["ape", "bee", "cow"], tmp_path, plan=SurveyPlan(per_unit=1))
    questions = json.loads((tmp_path / "key.json").read_text())["questions"]
    page = chromium.new_page(accept_downloads=True)
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(path.as_uri())
    page.locator("#rater").fill("anna")
    page.keyboard.press("Enter")
    order = page.evaluate("data.questions.map((question) => question.name)")
    page.keyboard.press("1")  # taken back and given again
    page.keyboard.press("Backspace")
    for place, name in enumerate(order):
        page.wait_for_function(f"place === {place}")
        right = questions[name]["right"]
        option = questions[name]["options"].index(right) if right else 3  # every rating is a 4
        page.keyboard.press(str(option + 1))
    with page.expect_download() as download:
        page.locator("#save").click()
    download.value.save_as(tmp_path / "anna.json")
    page.close()
    report = analyse_survey([tmp_path / "anna.json"], tmp_path / "key.json", draws=20)
    assert not failures
    assert [(f.task, f.recipe, f.score.value, f.answers) for f in report.findings] == [
        ("choice", "other", 1, 3),
        ("choice", "vital", 1, 3),
        ("naming", "other", 1, 3),
        ("naming", "vital", 1, 3),
        ("rating", "other", 4, 3),
        ("rating", "vital", 4, 3),
    ]
