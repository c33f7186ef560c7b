"""Every example in a docstring runs and gives what it says."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import fvhooks

ROOT = Path(fvhooks.__file__).parents[1]
FILES = [path.relative_to(ROOT).with_suffix("") for path in sorted((ROOT / "fvhooks").rglob("*.py"))]
MODULES = [".".join(file.parts).removesuffix(".__init__") for file in FILES]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)  # examples may write files
    failed, _ = doctest.testmod(import_module(name), optionflags=OPTIONS)
    assert not failed, capsys.readouterr().out
