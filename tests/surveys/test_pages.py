"""The pages that ask: what they hold, and what they must not."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fvhooks as fv
from fvhooks.cli import main
from fvhooks.errors import MissingInputError, ShapeError, StoreError
from fvhooks.surveys.pages import write_survey
from fvhooks.surveys.questions import SurveyPlan

LABELS = ["cat", "dog", "ship"]


def pictures(shade: int, side: int = 8, units: int = 3) -> fv.Visualizations:
    """Plain pictures: red tells the recipe, green the unit, blue the seed."""
    images = np.zeros((units, 2, 3, side, side), np.uint8)
    images[:, :, 0] = shade
    images[:, :, 1] = 50 * np.arange(units)[:, None, None, None]
    images[:, :, 2] = 90 * np.arange(2)[None, :, None, None]
    return fv.as_visualizations([fv.Unit.logit(unit) for unit in range(units)], images)


def data_of(page: Path) -> dict:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL
    )
    assert found
    return json.loads(found[1])


def colour(uri: str) -> tuple[int, ...]:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB").getpixel((4, 4))


def test_every_picture_is_asked_about_and_the_key_tells_which(tmp_path: Path) -> None:
    made = {"vital": pictures(100), "fourier": pictures(200)}
    (page,) = write_survey(made, LABELS, tmp_path)
    data, key = data_of(page), json.loads((tmp_path / "key.json").read_text())
    assert len(data["questions"]) == len(key["questions"]) == 3 * 2 * 3 * 2
    shades = {"vital": 100, "fourier": 200}
    for question in data["questions"]:
        about, shown = (
            key["questions"][question["name"]],
            [colour(data["images"][i]) for i in question["shown"]],
        )
        place = int(about["right"]) - 1 if about["task"] == "choice" else 0
        wanted = (shades[about["recipe"]], 50 * LABELS.index(about["unit"]), 90 * about["seed"])
        assert shown[place] == wanted
        assert {picture[0] for picture in shown} == {wanted[0]}  # both pictures of a pair are of one recipe
        if about["task"] == "choice":
            assert shown[0][1] != shown[1][1]
        if about["task"] == "naming":
            assert about["right"] == about["unit"]
            assert about["unit"] not in question["text"]


def test_nothing_on_a_page_tells_a_recipe_and_orders_differ(tmp_path: Path) -> None:
    made = {"vital": pictures(100), "fourier": pictures(200)}
    pages = write_survey(made, LABELS, tmp_path, plan=SurveyPlan(raters=2))
    first, second = (data_of(page) for page in pages)
    for page in pages:
        text = page.read_text()
        assert not any(word in text for word in ("vital", "fourier", "logits", "seed"))
        assert "https:" not in text  # no network
    orders = [[question["name"] for question in data["questions"]] for data in (first, second)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    recipes = [
        json.loads((tmp_path / "key.json").read_text())["questions"][name]["recipe"] for name in orders[0]
    ]
    assert recipes != sorted(recipes)
    assert recipes != sorted(recipes, reverse=True)


def test_the_same_seed_gives_the_same_page_and_another_key_is_not_lost(tmp_path: Path) -> None:
    made = {"vital": pictures(100)}
    (page,) = write_survey(made, LABELS, tmp_path)
    before = page.read_bytes()
    assert write_survey(made, LABELS, tmp_path)[0].read_bytes() == before
    with pytest.raises(StoreError, match="key of another survey"):
        write_survey(made, LABELS, tmp_path, plan=SurveyPlan(seed=1))


def test_labels_cannot_end_the_script(tmp_path: Path) -> None:
    (page,) = write_survey({"vital": pictures(1)}, ["</script><b>", "dog", "ship"], tmp_path)
    assert page.read_text().count("</script>") == 2
    options = [option for question in data_of(page)["questions"] for option in question["options"]]
    assert "</script><b>" in options


def test_bad_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="sizes would tell them apart"):
        write_survey({"a": pictures(1), "b": pictures(1, side=9)}, LABELS, tmp_path)
    with pytest.raises(MissingInputError, match="'a' and 'b' differ"):
        write_survey({"a": pictures(1), "b": pictures(1, units=2)}, LABELS, tmp_path)
    with pytest.raises(ShapeError, match="name of its own for each of 3 units"):
        write_survey({"a": pictures(1)}, ["cat", "cat", "dog"], tmp_path)
    with pytest.raises(MissingInputError, match="no pictures to ask about"):
        write_survey({}, LABELS, tmp_path)
    with pytest.raises(MissingInputError, match="Expected tasks out of naming, choice, rating, got"):
        SurveyPlan(tasks=("naming", "guessing"))
    with pytest.raises(MissingInputError, match="a rater at least, got 2 and 0"):
        SurveyPlan(raters=0)


def test_the_command_writes_pages_and_reads_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(100).save(tmp_path / "vital.zarr")
    words = ["judge", str(tmp_path / "vital.zarr"), "--out", str(tmp_path / "s"), "--tasks", "naming"]
    assert main([*words, "--labels", *LABELS]) == 0
    assert (tmp_path / "s" / "survey-1.html").as_uri() in capsys.readouterr().out
    data = data_of(tmp_path / "s" / "survey-1.html")
    given = [{"question": question["name"], "answer": "cat", "ms": 5} for question in data["questions"]]
    answers = {"survey": data["survey"], "rater": "anna", "answers": given}
    (tmp_path / "anna.json").write_text(json.dumps(answers))
    asked = ["judge", "--answers", str(tmp_path / "anna.json"), "--out", str(tmp_path / "s")]
    assert main([*asked, "--json", str(tmp_path / "report.json")]) == 0
    assert "vital: 0.333" in capsys.readouterr().out
    assert json.loads((tmp_path / "report.json").read_text())["findings"][0]["score"][
        "value"
    ] == pytest.approx(1 / 3)
    assert main(["judge"]) == 1
    assert "Give saved visualizations to ask about" in capsys.readouterr().err
