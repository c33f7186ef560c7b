"""The built browser files: found, fresh, self-contained."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fvhooks.errors import MissingInputError
from fvhooks.widgets.assets import STATIC, find_asset

SOURCES = Path(__file__).parents[2] / "widgets"


def test_an_unknown_file_says_how_it_is_built() -> None:
    with pytest.raises(MissingInputError, match=r"Did you mean 'card\.js'.*npm run build"):
        find_asset("cart.js")


@pytest.mark.parametrize("file", sorted(STATIC.glob("*.js")), ids=lambda file: file.name)
def test_a_script_needs_no_other_file(file: Path) -> None:
    script = file.read_text(encoding="utf-8")
    assert not re.search(r"\bimport\b|https?://(?!www\.w3\.org/2000/svg)|innerHTML|\beval\(", script)
    assert "export{" in script


@pytest.mark.parametrize("file", sorted(STATIC.glob("*.css")), ids=lambda file: file.name)
def test_a_style_sheet_touches_only_its_own(file: Path) -> None:
    sheet = file.read_text(encoding="utf-8")
    assert not re.search(r"@import|url\(", sheet)
    selectors = re.findall(r"(?:^|[{}])([^{}@]+)\{", re.sub(r"@(media|container)[^{]+\{", "}", sheet))
    assert selectors
    assert all(".fvhooks" in selector for selector in selectors)


@pytest.mark.parametrize("file", sorted(STATIC.glob("*.js")), ids=lambda file: file.stem)
def test_a_view_has_its_two_halves(file: Path) -> None:
    assert (STATIC.parent / f"{file.stem}.py").is_file()
    assert (SOURCES / f"{file.stem}.ts").is_file()


def _npm(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("npm") is None:
        pytest.skip("no npm here, so the browser files cannot be built")
    if not (SOURCES / "node_modules").is_dir():
        pytest.skip("the build's packages are not installed: run `npm ci` in widgets/")
    return subprocess.run(
        ["npm", "run", "--silent", *words], cwd=SOURCES, capture_output=True, text=True, check=False
    )


def test_the_committed_files_are_those_of_a_fresh_build() -> None:
    done = _npm("check-stale")
    assert done.returncode == 0, done.stderr


def test_the_build_check_can_fail(tmp_path: Path) -> None:
    _npm("check-stale")  # for its reasons to skip
    copy = tmp_path / "widgets"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("node_modules"))
    (copy / "node_modules").symlink_to(SOURCES / "node_modules")
    shutil.copytree(STATIC, tmp_path / "fvhooks" / "widgets" / "static")
    (tmp_path / "fvhooks" / "widgets" / "static" / "old.js").write_text("1")
    with (copy / "card.css").open("a") as sheet:
        sheet.write(".fvhooks .more{color:red}")
    done = subprocess.run(
        ["node", "build.mjs", "--check"], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "stale: card.css" in done.stderr
    assert "has no source: old.js" in done.stderr


def test_the_lock_file_carries_no_addresses() -> None:
    assert '"resolved"' not in (SOURCES / "package-lock.json").read_text(encoding="utf-8")
