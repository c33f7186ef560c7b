"""Picture files that are broken: rows without numbers, their errors, an exit code; the others as ever."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fvhooks as fv
from fvhooks.cli import main

WORDS = ["--layers", "stage2", "stage3", "--shard-size", "8", "--batch-size", "4", "--quiet"]
PER_IMAGE = ("peak", "average", "position")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of ten small photographs, as JPEG files."""
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 256, (70, 80, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{number}.jpg")
    return tmp_path / "data"


def corrupt(content: bytes) -> bytes:
    """A byte of its Huffman tables is another one."""
    place = content.index(b"\xff\xc4") + 5
    return content[:place] + b"\xff" + content[place + 1 :]


BROKEN = {
    "cat/4.jpg": (corrupt, "broken data stream|cannot identify|image file"),
    "cat/5.jpg": (lambda content: content[: len(content) // 2], "truncated"),
    "dog/3.jpg": (lambda content: b"", "cannot identify image file"),
}


def test_broken_pictures(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, where = str(tmp_path / "whole.zarr"), str(tmp_path / "s.zarr")
    assert main(["collect", "fvhooks.demo:load_network", str(folder), whole, *WORDS]) == 0
    for name, (change, _) in BROKEN.items():
        file = folder / name
        file.write_bytes(change(file.read_bytes()))
    assert main(["collect", "fvhooks.demo:load_network", str(folder), where, *WORDS]) == 3
    assert "17 images of 20" in capsys.readouterr().out
    expected, store = fv.open_store(whole), fv.open_store(where)
    store.verify()
    errors = store.errors
    assert sorted(errors.id.values) == sorted(BROKEN)
    for name, (_, said) in BROKEN.items():
        assert errors.error.sel(image=errors.id == name).str.contains(said).all()
    bad = np.isin(store["stage2"].id.values, list(BROKEN))
    for layer in ("stage2", "stage3", "logits"):
        for array in PER_IMAGE:
            found, before = store[layer][array].values, expected[layer][array].values
            assert found[~bad].tobytes() == before[~bad].tobytes()
            assert (found[bad] == -1).all() if array == "position" else np.isnan(found[bad]).all()
