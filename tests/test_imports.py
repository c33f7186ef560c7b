"""What `import fvhooks` loads."""

import subprocess
import sys

import pytest

LATE = (
    "anywidget",
    "captum",
    "dask",
    "distributed",
    "matplotlib",
    "pandas",
    "scipy",
    "skimage",
    "sklearn",
    "torchvision",
    "transformer_lens",
    "transformers",
    "umap",
    "xarray",
    "zarr",
)


def _loaded_by(statement: str) -> set[str]:
    """Top-level packages that a fresh interpreter has after a statement."""
    code = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return _loaded_by("import fvhooks")


@pytest.mark.parametrize("library", LATE)
def test_a_library_comes_when_it_is_first_used(library: str, loaded: set[str]) -> None:
    assert library not in loaded


def test_torch_and_numpy_come_at_once(loaded: set[str]) -> None:
    assert {"torch", "numpy"} <= loaded


def test_the_test_can_fail() -> None:
    assert "zarr" in _loaded_by("import fvhooks, zarr")
