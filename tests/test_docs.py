"""Documentation that runs: every Python block of every page, and the commands of the README."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fvhooks import registries

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+) -->\n)?```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


def _blocks(page: Path) -> Iterator[tuple[int, str]]:
    """Line number and code of each block that is to run."""
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        if match["reason"] is None:
            yield text.count("\n", 0, match.start("code")), match["code"]


@pytest.mark.parametrize("page", [page for page in PAGES if list(_blocks(page))], ids=lambda page: page.stem)
def test_the_examples_of_a_page_run_one_after_the_other(page: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": page.stem}
    for line, code in _blocks(page):
        exec(compile("\n" * line + code, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_is_marked_so_that_it_runs(page: Path) -> None:
    fences = re.findall(r"^```+ *(\S*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(fences) <= {"", "python", "bash", "text"}


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_guide_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]]
    assert not [page for page in pages if page not in navigation]


@pytest.mark.parametrize("ending", ["fvhooks demo", "pytest"])
def test_the_readmes_commands_bring_what_they_need(ending: str) -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    (command,) = [line for line in lines if line.endswith(f" {ending}")]
    assert command.startswith("pip install uv && uv venv ")
    assert " -c constraints.txt " in command


def test_nothing_names_an_index_or_an_address() -> None:
    for name in ("constraints.txt", "pyproject.toml", ".ci/run"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.findall(r"https?://|--(?:extra-)?index-url|find-links", text), name


def test_every_extra_that_an_error_names_exists() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    sources = Path(registries.__file__).parent.rglob("*.py")
    named = {
        extra
        for path in sources
        for extra in re.findall(r'extra="([\w-]+)"', path.read_text(encoding="utf-8"))
    }
    assert not [extra for extra in named if not re.search(rf"^{extra} = \[", project, re.MULTILINE)]
