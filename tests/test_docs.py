"""Documentation that runs: every Python block of every page, and the commands of the README."""

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from fvhooks import cli, registries

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_spec = importlib.util.spec_from_file_location("executed", ROOT / "docs" / "executed.py")
executed = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = executed  # its data classes look their module up by name
_spec.loader.exec_module(executed)


def _blocks(page: Path) -> list[tuple[int, str]]:
    """Line number and code of each block that is to run."""
    return executed.blocks(page.read_text(encoding="utf-8"))


PAGE = """
```python
print(6)
7
```

<!-- not run: it cannot -->
```python
broken(
```

```python
import fvhooks as fv
fv.AttributionGraph.of(["1:3", "logits:0"], [(0, 1)], weight=[1.0], layers=["1", "logits"])
```
"""


@pytest.mark.parametrize("page", [page for page in PAGES if _blocks(page)], ids=lambda page: page.stem)
def test_the_examples_of_a_page_run_one_after_the_other(page: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    outputs = executed.run(page)  # kept: the site is built of them
    assert len(outputs) == len(_blocks(page))
    assert executed.known(page) == outputs
    assert not [one.text for one in outputs if " at 0x" in one.text]
    assert all((executed.place_of(page) / one.view).stat().st_size > 1_000 for one in outputs if one.view)


def test_what_a_page_prints_and_shows_stands_behind_its_blocks(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(executed, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    outputs = executed.run(page, tmp_path / "kept")
    assert [(one.text, one.view) for one in outputs] == [("6\n7", ""), ("", "1.html")]
    assert "<table" in (executed.place_of(page, tmp_path / "kept") / "1.html").read_text(encoding="utf-8")
    shown = executed.with_outputs(PAGE, outputs, "views")
    assert re.findall(r"```text title=\"Output\"\n(.*?)\n```", shown, re.DOTALL) == ["6\n7"]
    assert re.findall(r'<iframe src="(\S+)"', shown) == ["views/1.html"]
    assert shown.index("6\n7") < shown.index("not run") < shown.index("broken(") < shown.index("<iframe")
    before = executed.place_of(page, tmp_path / "kept")
    page.write_text(PAGE.replace("6", "8"), encoding="utf-8")
    assert executed.known(page, tmp_path / "kept") is None
    executed.run(page, tmp_path / "kept")
    assert not before.exists()


def test_the_site_holds_the_views_of_a_page(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(executed, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    place = executed.place_of(page)
    place.mkdir(parents=True)
    (place / "1.html").write_text("a view")
    (place / "outputs.json").write_text('[{"text": "some ```` fences"}, {"view": "1.html"}]')
    file = SimpleNamespace(abs_src_path=str(page), dest_uri="guide/page/index.html")
    asked = {
        "page": SimpleNamespace(file=file),
        "config": {"site_dir": str(tmp_path / "site")},
        "files": None,
    }
    try:
        shown = executed.on_page_markdown(PAGE, **asked)
    finally:
        shutil.rmtree(place)
    (address,) = re.findall(r'<iframe src="(\S+)"', shown)
    assert (tmp_path / "site" / "guide" / "page" / address).read_text() == "a view"
    assert '\n`````text title="Output"\nsome ```` fences\n`````\n' in shown
    assert executed.on_page_markdown(PAGE, **asked) == PAGE  # nothing is kept any more


@pytest.mark.parametrize(
    ("code", "said"),
    [("import os; os._exit(9)", "exit status 9"), ("1 / 0", r"line 2, in <module>(.|\n)*ZeroDivisionError")],
    ids=["killed", "raises"],
)
def test_a_page_that_does_not_run_stops_the_build(tmp_path: Path, monkeypatch, code: str, said: str) -> None:
    monkeypatch.setattr(executed, "ROOT", tmp_path)
    monkeypatch.setattr(executed, "known", lambda page: None)
    page = tmp_path / "page.md"
    page.write_text(f"```python\n{code}\n```\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match=f"page.md does not run:(.|\n)*{said}"):
        executed.run_missing([page])


def test_a_page_that_fails_is_named_with_its_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(executed, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("Some text.\n\n```python\n1 / 0\n```\n", encoding="utf-8")
    with pytest.raises(ZeroDivisionError) as raised:
        executed.run(page, tmp_path / "kept")
    assert raised.traceback[-1].lineno + 1 == 4
    assert not list((tmp_path / "kept").iterdir())


def test_every_page_with_examples_becomes_a_notebook(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    script = ROOT / "docs" / "notebooks.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=True)
    written = [Path(line) for line in done.stdout.splitlines()]
    pages = [page for page in PAGES[1:] if _blocks(page)]
    assert len(set(written)) == len(pages)
    for page, path in zip(pages, written, strict=True):
        book = nbformat.read(path, as_version=4)
        nbformat.validate(book)
        code = [cell.source for cell in book.cells if cell.cell_type == "code"]
        assert code == [block.strip() for _, block in _blocks(page)], page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_is_marked_so_that_it_runs(page: Path) -> None:
    fences = re.findall(r"^```+ *(\S*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(fences) <= {"", "python", "bash", "text"}


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def _anchors(page: Path) -> set[str]:
    """What a link may name behind `#`: headings, and the names that the API page documents."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = set(re.findall(r"^::: (\S+)$", text, re.MULTILINE))
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = unicodedata.normalize("NFKD", re.sub(r"\[(.+?)\]\(.+?\)", r"\1", heading))
        words = re.sub(r"[^\w\s-]", "", plain.encode("ascii", "ignore").decode()).strip().lower()
        found.add(re.sub(r"[-\s]+", "-", words))
    return found


def test_links_into_pages_lead_to_a_heading() -> None:
    seen = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text):
            known = _anchors(page.parent / target if target else page)
            assert anchor in known, f"{page.name}: {target}#{anchor}"
            seen += 1
    assert seen > 10


def _commands() -> Iterator[tuple[str, list[str]]]:
    """The page and the words of each command in a `bash` block, without the variables before it."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            for command in re.split(r"\n| && ", block):
                words = command.partition(" #")[0].split()
                while words and re.match(r"^[A-Z_]+=", words[0]):
                    words.pop(0)
                if words:
                    yield page.name, words


def test_commands_on_the_pages_exist() -> None:
    """They are too long to run, all but those of the README; what they name is there."""
    tools = {"pip", "uv", "npm", "ruff", "mypy", "lint-imports", "pytest", "mkdocs", "codespell", ".ci/wheel"}
    for page, command in _commands():
        words = command[3:] if command[:3] == ["uv", "run", "--no-sync"] else command
        said = f"{page}: {' '.join(words)}"
        words = [word.strip("\"'") for word in words]
        if words[0] == "fvhooks":
            cli._parser().parse_args(words[1:])
        elif words[:2] == ["python", "-m"]:
            assert importlib.util.find_spec(words[2]), said
        elif words[0] == "python":
            assert (ROOT / words[1]).is_file(), said
        else:
            assert words[0] in tools, said


def test_every_benchmark_has_its_command_on_the_page() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        command = f"python benchmarks/{path.name}"
        if command in (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""):
            assert command in page, f"docs/benchmarks.md should name {command}"


@pytest.mark.skipif(shutil.which("codespell") is None, reason="needs codespell, which the group `lint` has")
def test_the_pages_are_spelt_right() -> None:
    done = subprocess.run(["codespell"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr


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
