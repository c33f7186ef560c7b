"""The pages of this site run: what their blocks print and show stands below each of them.

    python docs/executed.py [PAGE …]

A build of the site runs each page that was not run with the same text and the same package before. Tests
run them all, and keep what comes out, so that a build after them has nothing left to run. While the site is
served for writing, only what is kept is shown. Views are shown as their static pages.
"""

import argparse
import ast
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout, suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

PAGES = Path(__file__).resolve().parent
ROOT = PAGES.parent
PACKAGE = ROOT / "fvhooks"
KEPT = ROOT / ".pages_cache"
DIGITS = 20
LIBRARIES = ("numpy", "torch", "xarray")
LONGEST = 1800  # seconds that a page may take
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Output:
    """What came of a block: what it printed or is worth, and the name of its view's page."""

    text: str = ""
    view: str = ""


def blocks(text: str) -> list[tuple[int, str]]:
    """Line number and code of each block that is to run."""
    found = [match for match in BLOCK.finditer(text) if match["reason"] is None]
    return [(text.count("\n", 0, match.start("code")), match["code"]) for match in found]


def run(page: Path, kept: Path = KEPT) -> list[Output]:
    """Run the blocks of a page one after the other, as a notebook does; what came out is kept."""
    import torch  # noqa: PLC0415 - mkdocs loads this file, and runs no page itself

    torch.manual_seed(0)
    text = page.read_text(encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": page.stem}
    kept.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=kept))
    try:
        outputs = []
        for place, (line, code) in enumerate(blocks(text)):
            printed = io.StringIO()
            with redirect_stdout(printed):
                value = _value(compile_block(code, line, page), namespace)
            outputs.append(_output(value, printed.getvalue(), made / f"{place}.html"))
        said = json.dumps([asdict(output) for output in outputs], ensure_ascii=False)
        (made / "outputs.json").write_text(said, encoding="utf-8")
        _keep(made, place_of(page, kept))
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return outputs


def _keep(made: Path, place: Path) -> None:
    """Put what was made in its place, whole, and forget what was there of other texts and packages."""
    for older in place.parent.glob(f"{place.name.rpartition('-')[0]}-{'?' * DIGITS}"):
        shutil.rmtree(older, ignore_errors=True)
    made.chmod(0o755)
    with suppress(OSError):  # another process has put the same there
        made.rename(place)


def compile_block(code: str, line: int, page: Path) -> tuple[Any, Any]:
    """The statements of a block, and its last expression, compiled so that errors name the page's lines."""
    tree = ast.parse("\n" * line + code, str(page))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = None if last is None else compile(ast.Expression(last.value), str(page), "eval")
    return compile(tree, str(page), "exec"), value


def _value(block: tuple[Any, Any], namespace: dict[str, Any]) -> object:
    statements, last = block
    exec(statements, namespace)  # noqa: S102 - the site's own pages
    return None if last is None else eval(last, namespace)  # noqa: S307


def _output(value: object, printed: str, page: Path) -> Output:
    if type(value).__module__.startswith("fvhooks.") and hasattr(value, "to_html"):
        value.to_html(page)
        return Output(printed, page.name)
    worth = "" if value is None else repr(value)
    return Output(printed if ADDRESS.search(worth) else printed + worth)


def place_of(page: Path, kept: Path = KEPT) -> Path:
    """Where the outputs of a page are kept: by its text, by all of the package, and by what both run on."""
    name = "-".join(page.resolve().relative_to(ROOT).with_suffix("").parts)
    return kept / f"{name}-{hashlib.sha256(page.read_bytes() + _package()).hexdigest()[:DIGITS]}"


@cache
def _package() -> bytes:
    versions = [sys.version, *(f"{name} {version(name)}" for name in LIBRARIES)]
    found = hashlib.sha256(Path(__file__).read_bytes() + "\n".join(versions).encode())
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return found.digest()


def known(page: Path, kept: Path = KEPT) -> list[Output] | None:
    """The outputs of a page that was run already."""
    path = place_of(page, kept) / "outputs.json"
    return [Output(**one) for one in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else None


def with_outputs(text: str, outputs: list[Output], folder: str) -> str:
    """A page's Markdown with what each block printed and shows behind it; `folder` holds the views."""
    left = iter(outputs)

    def shown(match: re.Match[str]) -> str:
        if match["reason"] is not None:
            return match[0]
        output, parts = next(left), [match[0]]
        if output.text.strip():
            fence = max(["``", *re.findall("`+", output.text)], key=len) + "`"
            parts.append(f'{fence}text title="Output"\n{output.text.rstrip()}\n{fence}')
        if output.view:
            look = "width: 100%; height: 36rem; border: 1px solid var(--md-default-fg-color--lightest)"
            address = f"{folder}/{output.view}"
            parts.append(f'<iframe src="{address}" title="Output" loading="lazy" style="{look}"></iframe>')
        return "\n\n".join(parts)

    return BLOCK.sub(shown, text)


def run_missing(pages: list[Path]) -> None:
    """Run what was not run before, each page in a process and a folder of its own, one a core at a time.

    Raises:
        RuntimeError: a page fails; says which, and how.
    """
    missing = [page for page in pages if blocks(page.read_text(encoding="utf-8")) and known(page) is None]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for page, said in zip(missing, pool.map(_run_elsewhere, missing), strict=True):
            if said:
                raise RuntimeError(f"{page.relative_to(ROOT)} does not run:\n{said}")


def _run_elsewhere(page: Path) -> str:
    """What a page that fails says; nothing if it runs."""
    command = [sys.executable, Path(__file__).resolve(), page]
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {"cwd": folder, "env": os.environ | {"OMP_NUM_THREADS": "1"}}
        try:
            done = subprocess.run(  # noqa: S603
                command, capture_output=True, text=True, check=False, timeout=LONGEST, **options
            )
        except subprocess.TimeoutExpired:
            return f"It took longer than {LONGEST} s."
    last = "\n".join(done.stderr.splitlines()[-20:])
    return f"exit status {done.returncode}\n{last}" if done.returncode else ""


# What mkdocs calls

_asked = {"command": "build"}


def on_startup(*, command: str, dirty: bool) -> None:  # noqa: ARG001 - mkdocs gives it by name
    _asked["command"] = command


def on_files(files: Any, config: Any) -> None:  # noqa: ANN401, ARG001
    """Run the pages before the first of them is rendered."""
    if _asked["command"] != "serve":
        run_missing([Path(file.abs_src_path) for file in files.documentation_pages()])


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ANN401, ARG001
    """Put what came out behind each block, and the views beside the page."""
    source = Path(page.file.abs_src_path)
    outputs = known(source) if blocks(markdown) else None
    if outputs is None:  # nothing to run, or not run while somebody writes
        return markdown
    written = Path(config["site_dir"]) / page.file.dest_uri
    views = written.parent / "views" / written.stem
    for output in (output for output in outputs if output.view):
        views.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place_of(source) / output.view, views / output.view)
    return with_outputs(markdown, outputs, f"views/{written.stem}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "pages", type=Path, nargs="*", help="run here; by default all that were not, elsewhere"
    )
    pages = [page.resolve() for page in parser.parse_args().pages]
    for page in pages:
        run(page)
    if not pages:
        run_missing(sorted(PAGES.rglob("*.md")))


if __name__ == "__main__":
    main()
