"""Optional libraries."""

import sys

import numpy as np
import pytest

import fvhooks as fv
from fvhooks.dependencies import require
from fvhooks.errors import MissingDependencyError
from fvhooks.specifiers import dataset_of, model_of


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


@pytest.mark.parametrize(
    ("package", "extra", "use"),
    [
        ("torchvision", "models", lambda: model_of("torchvision:resnet18")),
        ("torchvision", "models", lambda: dataset_of(".")),
        ("timm", "models", lambda: model_of("timm:resnet18")),
        ("transformers", "transformers", lambda: model_of("hf:nobody/nothing")),
        ("datasets", "transformers", lambda: dataset_of("hf:nobody/nothing:train")),
    ],
)
def test_what_is_asked_for_by_a_word_names_its_extra(package: str, extra: str, use, monkeypatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"needs '{package}[\w.]*'.*fvhooks\[{extra}\]"):
        use()


def test_a_result_without_anywidget_is_its_static_page(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    amap = fv.atlas(features=np.eye(4), items=["a", "b", "c", "d"], layout="pca")
    assert list(amap._repr_mimebundle_()) == ["text/plain", "text/html"]
