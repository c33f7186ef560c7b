"""Names that find objects, by the files of one folder."""

import sys

import pytest

from fvhooks.errors import NotRegisteredError
from fvhooks.registries import Registry


@pytest.fixture
def registry(tmp_path, monkeypatch):
    folder = tmp_path / "plugged"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from fvhooks.registries import Registry\nTHINGS = Registry('plugged', 'thing')\n"
    )
    for name in ("zebra", "apple"):
        (folder / f"{name}.py").write_text(
            f"from plugged import THINGS\n\n@THINGS.register('{name}')\ndef {name}():\n    return '{name}'\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    from plugged import THINGS

    yield THINGS
    for module in [name for name in sys.modules if name.partition(".")[0] == "plugged"]:
        del sys.modules[module]


def test_files_register_themselves_at_the_first_look_up(registry) -> None:
    assert "plugged.apple" not in sys.modules
    assert list(registry) == ["apple", "zebra"]
    assert registry["zebra"]() == "zebra"
    assert len(registry) == 2


def test_an_unknown_name_gives_the_known_ones(registry) -> None:
    with pytest.raises(NotRegisteredError) as caught:
        registry["aple"]
    assert str(caught.value) == "No thing is registered as 'aple'. Did you mean 'apple'? Known: apple, zebra."


def test_a_taken_name_says_by_whom(registry) -> None:
    assert "apple" in registry
    with pytest.raises(
        ValueError, match="'apple' of .*test_registries is already registered by plugged.apple"
    ):
        registry.register("apple")(test_an_unknown_name_gives_the_known_ones)


def test_an_entry_can_be_forgotten_and_registered_anew(registry) -> None:
    registry.register("mine")(Registry)
    registry.unregister("mine")
    assert list(registry) == ["apple", "zebra"]
    registry.register("mine")(test_an_unknown_name_gives_the_known_ones)
    assert registry["mine"] is test_an_unknown_name_gives_the_known_ones
    with pytest.raises(NotRegisteredError, match=r"registered as 'zebr'. Did you mean 'zebra'\?"):
        registry.unregister("zebr")


def test_another_package_adds_its_own(registry, monkeypatch) -> None:
    class Point:
        def load(self) -> None:
            registry.register("mine")(Registry)

    monkeypatch.setattr(
        "fvhooks.registries.entry_points", lambda group: [Point()] if group == "plugged" else []
    )
    assert registry["mine"] is Registry


def test_nothing_can_be_set(registry) -> None:
    with pytest.raises(TypeError):
        registry["apple"] = 1


def test_a_plugin_that_fails_is_not_forgotten(registry, monkeypatch) -> None:
    class Broken:
        def load(self) -> None:
            raise ImportError("no module named 'lost'")

    monkeypatch.setattr("fvhooks.registries.entry_points", lambda group: [Broken()])
    for _ in range(2):
        with pytest.raises(ImportError, match="lost"):
            list(registry)
    monkeypatch.setattr("fvhooks.registries.entry_points", lambda group: [])
    assert list(registry) == ["apple", "zebra"]


def test_a_plugin_may_look_others_up_while_it_is_imported(registry, monkeypatch) -> None:
    class Point:
        def load(self) -> None:
            registry.register("zebra twin")(registry["zebra"])

    monkeypatch.setattr("fvhooks.registries.entry_points", lambda group: [Point()])
    assert list(registry) == ["apple", "zebra", "zebra twin"]
