"""The demo from end to end, with few steps: everything is written, and the page needs nothing but itself."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fvhooks as fv
from fvhooks.demo import CLASSES, STAGES, photographs
from fvhooks.demo.networks import stated_accuracy
from fvhooks.demo.tours import Scale, make_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "out"
    page = make_demo(folder, Scale(seeds=1, steps=4, inner_units=2), show_progress=False)
    assert page == folder / "index.html"
    return folder


@pytest.fixture(scope="module")
def page(demo: Path) -> str:
    return (demo / "index.html").read_text(encoding="utf-8")


class _References(HTMLParser):
    """Everything in a page that a browser would load or follow."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: set[str] = set()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [
            value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "poster")
        ]
        self.ids |= {value or "" for name, value in attrs if name == "id"}


def test_every_class_has_a_card(page: str) -> None:
    for name in CLASSES:
        assert f'id="{name}"' in page
        assert f"<h3>{name}</h3>" in page


def test_the_page_refers_to_nothing_outside_itself(page: str) -> None:
    parsed = _References()
    parsed.feed(page)
    assert {"script", "link", "iframe"}.isdisjoint(parsed.tags)
    assert all(value.startswith(("data:image/", "#")) for value in parsed.found)
    assert {value[1:] for value in parsed.found if value.startswith("#")} <= parsed.ids
    assert not re.search(r"@import|https?://(?!www\.w3\.org)", page)
    assert all(
        target.startswith(("data:", "'data:", '"data:')) for target in re.findall(r"url\(([^)]*)", page)
    )


def test_the_page_shows_the_accuracy_measured_in_this_run(page: str) -> None:
    assert f"{100 * stated_accuracy()['held_out']:.1f} %" in page


def test_the_page_says_how_to_read_it_and_has_a_verdict_for_each_unit(page: str) -> None:
    assert "How to read this" in page
    assert len(re.findall(r"(?:not contradicted|contradicted|inconclusive)</b>", page)) >= 14


def test_labels_are_shown_by_name(page: str) -> None:
    labels = set(re.findall(r'<span class="fvh-label">([^<]*)</span>', page))
    assert labels
    assert labels <= set(CLASSES)


def test_pictures_are_files_too(demo: Path) -> None:
    pictures = {file.name: np.asarray(Image.open(file)) for file in (demo / "pictures").iterdir()}
    assert {f"{name}-0.png" for name in CLASSES} < set(pictures)
    assert len(pictures) == len(CLASSES) + 2
    assert all(picture.shape == (64, 64, 3) and picture.std() > 1 for picture in pictures.values())
    with Image.open(demo / "the-classes.png") as sheet:
        assert sheet.width > 300


def test_the_store_opens_again_with_its_data_set(demo: Path) -> None:
    store = fv.open_store(demo / "stats.zarr", dataset=photographs())
    assert store.layers == [*STAGES, "logits"]
    assert store.images(["cat/held_out-003"]).shape == (1, 3, 64, 64)


def test_again_into_the_same_folder_uses_the_store_and_replaces_the_pictures(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {
        file: file.stat().st_mtime_ns
        for file in (demo / "stats.zarr" / "images").rglob("*")
        if file.is_file()
    }
    pictures, mine = demo / "pictures", demo / "pictures" / "mine.png"
    stale = [pictures / "stage3-9999-0.png", pictures / f"{CLASSES[0]}-7.png"]
    for file in (mine, *stale):
        file.write_bytes(b"")
    page = make_demo(demo, Scale(seeds=1, steps=1, inner_units=2), show_progress=False)
    assert page.is_file()
    assert mine.is_file()
    mine.unlink()
    assert not any(file.exists() for file in stale)
    assert len(list(pictures.iterdir())) == len(CLASSES) + 2
    assert before == {file: file.stat().st_mtime_ns for file in before}
