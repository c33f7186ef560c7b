"""The house rules that a parser can hold."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fvhooks

PACKAGE = Path(fvhooks.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
NAMES = sorted(TREES)
PLUGINS = ("reliability/checks", "synthesis/objectives", "synthesis/recipes")
LONGEST_FUNCTION = 40
LONGEST_FILE = 300


LINTER = Path(sys.executable).with_name("lint-imports")


@pytest.mark.skipif(not LINTER.exists(), reason="needs import-linter, which the group `lint` has")
def test_imports_point_one_way() -> None:
    command = [LINTER, "--no-cache"]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _registered(tree: ast.Module) -> list[str]:
    """The names that a file puts into registries: `@RECIPES.register("vital")`."""
    decorators = [
        decorator
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        for decorator in node.decorator_list
    ]
    calls = [
        call for call in decorators if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    ]
    return [ast.literal_eval(call.args[0]) for call in calls if call.func.attr == "register"]


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_plugged_in(name: str) -> bool:
    path = Path(name)
    return path.stem != "__init__" and (path.parent.as_posix() in PLUGINS or bool(_registered(TREES[name])))


@pytest.mark.parametrize("name", [name for name in NAMES if _is_plugged_in(name)])
def test_what_is_plugged_in_imports_no_sibling(name: str) -> None:
    folder = Path(name).parent
    siblings = {other for other in NAMES if _is_plugged_in(other) and Path(other).parent == folder} - {name}
    modules = {"fvhooks." + other.removesuffix(".py").replace("/", ".") for other in siblings}
    assert not modules & set(_imported(TREES[name]))


@pytest.mark.parametrize("name", [name for name in NAMES if _registered(TREES[name])])
def test_a_plugged_in_file_is_called_what_it_registers(name: str) -> None:
    assert _registered(TREES[name]) == [Path(name).stem]


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("hooks/")])
def test_hooks_are_registered_in_one_place(name: str) -> None:
    attributes = {node.attr for node in ast.walk(TREES[name]) if isinstance(node, ast.Attribute)}
    assert not [attribute for attribute in attributes if re.fullmatch(r"register_\w*hook", attribute)]


@pytest.mark.parametrize("name", NAMES)
def test_devices_are_those_of_the_tensors(name: str) -> None:
    nodes = list(ast.walk(TREES[name]))
    assert "is_available" not in {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [text for text in texts if re.fullmatch(r"(cuda|mps)(:\d+)?", text)]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cli.py"])
def test_nothing_is_printed(name: str) -> None:
    called = {
        node.func.id
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "print" not in called


@pytest.mark.parametrize("name", NAMES)
def test_files_and_functions_are_short(name: str) -> None:
    text = (PACKAGE / name).read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE
    functions = [n for n in ast.walk(TREES[name]) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    assert not [f.name for f in functions if _body_lines(f) > LONGEST_FUNCTION]


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1


def test_the_rules_see_what_they_forbid() -> None:
    tree = ast.parse('@RECIPES.register("vital")\ndef vital(): ...\nfrom fvhooks.hooks import attach\n')
    assert _registered(tree) == ["vital"]
    assert list(_imported(tree)) == ["fvhooks.hooks", "fvhooks.hooks.attach"]
