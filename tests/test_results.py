"""Saving, loading and showing results."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import fvhooks as fv
from fvhooks import results
from fvhooks.errors import SchemaError, StoreError
from fvhooks.results import Result


class Numbers(Result):
    """A result of a test."""

    kind = "numbers_of_a_test"


class NumbersViewer:
    """Shows them, and counts how often a widget was asked for."""

    widgets = 0

    def html(self, result: Numbers, budget: int | None = None) -> str:
        return f"<p>{result.data['x'].values.tolist()} {budget}</p>"

    def widget(self, result: Numbers) -> object:
        self.widgets += 1
        return Live()


class Live:
    """Stands for an anywidget."""

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict[str, object], dict[str, object]]:
        return {"text/plain": "live", "application/vnd.jupyter.widget-view+json": {"model_id": "7"}}, {}


@pytest.fixture
def viewer(monkeypatch: pytest.MonkeyPatch) -> NumbersViewer:
    shown = NumbersViewer()
    monkeypatch.setattr(results, "VIEWERS", {Numbers.kind: shown})
    return shown


def numbers() -> Numbers:
    text = np.array(["a", "ü & <b>", ""])
    data = {"x": ("unit", np.array([1.0, np.nan, 3.0])), "word": ("unit", text)}
    return Numbers(xr.Dataset(data, coords={"unit": text.astype(object)}, attrs={"recipe": "none"}))


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    saved = numbers()
    again = fv.load(saved.save(tmp_path / "numbers"))
    assert type(again) is Numbers
    assert again.data.attrs == {"recipe": "none"}
    np.testing.assert_array_equal(again.data["x"], saved.data["x"])
    assert list(again.data["word"].values) == ["a", "ü & <b>", ""]


def test_plain_xarray_opens_it(tmp_path: Path) -> None:
    path = numbers().save(tmp_path / "numbers")
    opened = xr.open_zarr(path, consolidated=False, chunks=None)
    assert opened.attrs["fvhooks"]["kind"] == Numbers.kind


def test_saving_leaves_the_result_itself_alone(tmp_path: Path) -> None:
    saved = numbers()
    saved.save(tmp_path / "numbers")
    assert "fvhooks" not in saved.data.attrs
    assert saved.data["word"].dtype.kind == "U"


def test_saving_again_replaces_the_result(tmp_path: Path) -> None:
    numbers().save(tmp_path / "numbers")
    Numbers(numbers().data.isel(unit=[0])).save(tmp_path / "numbers")
    assert fv.load(tmp_path / "numbers").data.sizes == {"unit": 1}


def test_saving_never_replaces_anything_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(StoreError, match="holds no saved result, so it is not replaced"):
        numbers().save(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "all of it"


def test_saving_never_replaces_another_zarr_group(tmp_path: Path) -> None:
    xr.Dataset({"x": ("a", np.arange(3))}).to_zarr(tmp_path / "mine", consolidated=False, zarr_format=3)
    with pytest.raises(StoreError, match="not replaced"):
        numbers().save(tmp_path / "mine")


def test_nothing_there_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no such folder"):
        fv.load(tmp_path / "nowhere")


def test_a_folder_of_something_else_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(StoreError, match="No saved result can be read"):
        fv.load(tmp_path)


def _rewrite(path: Path, **about: object) -> None:
    file = path / "zarr.json"
    meta = json.loads(file.read_text())
    meta["attributes"]["fvhooks"] |= about
    file.write_text(json.dumps(meta))


def test_a_newer_version_says_to_upgrade(tmp_path: Path) -> None:
    path = numbers().save(tmp_path / "numbers")
    _rewrite(path, version=results.VERSION + 1)
    with pytest.raises(SchemaError, match="upgrade fvhooks"):
        fv.load(path)


def test_a_file_cannot_name_a_module_outside_fvhooks(tmp_path: Path) -> None:
    path = numbers().save(tmp_path / "numbers")
    _rewrite(path, kind="unheard_of", home="antigravity")
    with pytest.raises(StoreError, match="import antigravity first"):
        fv.load(path)
    assert "antigravity" not in sys.modules


def test_a_fresh_interpreter_loads_a_result_that_it_never_imported(tmp_path: Path) -> None:
    pictures = np.zeros((1, 1, 3, 4, 4), np.uint8)
    path = fv.as_visualizations([fv.Unit("a", 0)], pictures).save(tmp_path / "vis")
    code = f"import fvhooks as fv; print(type(fv.load({str(path)!r})).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Visualizations"


def test_a_page_stands_alone(tmp_path: Path, viewer: NumbersViewer) -> None:
    page = numbers().to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<p>[1.0, nan, 3.0] None</p>" in page  # a file may be as large as it needs


def test_a_notebook_gets_both_the_static_and_the_live_view(viewer: NumbersViewer) -> None:
    bundle = numbers()._repr_mimebundle_()
    assert str(results.INLINE_BYTES) in bundle["text/html"]
    assert bundle["application/vnd.jupyter.widget-view+json"] == {"model_id": "7"}
    assert bundle["text/plain"] == "Numbers(unit: 3)"


def test_the_widget_is_made_once(viewer: NumbersViewer) -> None:
    shown = numbers()
    shown._repr_mimebundle_()
    assert shown.widget is shown.widget
    assert viewer.widgets == 1
