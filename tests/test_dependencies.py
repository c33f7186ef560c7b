"""Optional libraries."""

import pytest

from fvhooks.dependencies import require
from fvhooks.errors import MissingDependencyError


def test_a_missing_library_names_feature_package_and_extra() -> None:
    expected = (
        r"The unit card needs 'no_such_library', which is not installed\. "
        r"Install it with: pip install 'fvhooks\[jupyter\]'"
    )
    with pytest.raises(MissingDependencyError, match=expected) as caught:
        require("no_such_library.part", feature="The unit card", extra="jupyter")
    assert isinstance(caught.value, ImportError)


def test_a_library_that_is_broken_speaks_for_itself(tmp_path, monkeypatch) -> None:
    (tmp_path / "broken_library.py").write_text("import no_such_library")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_library'") as caught:
        require("broken_library", feature="The unit card", extra="jupyter")
    assert not isinstance(caught.value, MissingDependencyError)
