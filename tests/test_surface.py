"""The public names: listed, sorted, visible, documented."""

import ast
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import fvhooks as fv
from fvhooks import attacks, circuits, wiring

ROOT = Path(__file__).parents[1]
SOURCE = ast.parse(Path(fv.__file__).read_text(encoding="utf-8"))


def _imported_for_type_checkers() -> set[str]:
    """The names under `if TYPE_CHECKING:`, which are what an editor sees of the lazy ones."""
    blocks = [node for node in SOURCE.body if isinstance(node, ast.If)]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports for alias in node.names}


def test_the_list_is_sorted_and_has_no_name_twice() -> None:
    assert fv.__all__ == sorted(set(fv.__all__))


def test_what_is_visible_is_what_is_listed() -> None:
    visible = {name for name in dir(fv) if not name.startswith("_")}
    assert {name for name in visible if not isinstance(getattr(fv, name), ModuleType)} == set(fv.__all__)


def test_lazy_names_are_listed_and_known_to_type_checkers() -> None:
    assert set(fv._LAZY) <= set(fv.__all__)
    assert _imported_for_type_checkers() == set(fv._LAZY)


@pytest.mark.parametrize("name", fv.__all__)
def test_every_name_is_there_and_explains_itself(name: str) -> None:
    thing = getattr(fv, name)
    assert thing.__module__.startswith("fvhooks")
    text = inspect.getdoc(thing)
    assert text
    assert "Examples:" in text or not inspect.isfunction(thing)


def test_no_public_function_hides_a_module() -> None:
    folder = Path(fv.__file__).parent
    modules = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not modules & set(fv.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'fvhooks' has no attribute 'visualise'"):
        fv.visualise  # noqa: B018


def test_every_public_name_has_its_place_on_the_api_page() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    documented = re.findall(r"^::: fvhooks\.(\w+)$", page, re.MULTILINE)
    assert sorted(documented) == fv.__all__


@pytest.mark.parametrize("module", [attacks, circuits, wiring], ids=lambda module: module.__name__)
def test_every_name_of_a_public_module_has_its_place_on_the_api_page(module: ModuleType) -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    name = re.escape(module.__name__)
    documented = re.findall(rf"^::: {name}\.(\w+)$", page, re.MULTILINE)
    elsewhere = set(re.findall(r"^::: fvhooks\.(\w+)$", page, re.MULTILINE))
    assert sorted(documented) == sorted(set(module.__all__) - elsewhere)


def test_the_version_is_the_packages_and_the_changelogs() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f'version = "{fv.__version__}"' in project
    assert f"## {fv.__version__}" in changes
