"""A disk that takes nothing more: one line that says so, and a store that is finished once there is room."""

import shutil
import subprocess

import pytest

from fvhooks.errors import StoreError

SAID = "the disk takes nothing more .* What is done is kept: make room and collect again"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 600 kB, and what makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount")
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"file systems cannot be mounted here: {done.stderr}")
    yield folder, ["mount", "-o", "remount,size=30m", str(folder)]
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(hooked, data, collect, path, values, same, small_disk) -> None:
    folder, enlarge = small_disk
    with pytest.raises(StoreError, match=SAID) as info:
        collect(hooked, data, folder / "s.zarr")
    assert "\n" not in str(info.value)
    subprocess.run(enlarge, check=True)
    store = collect(hooked, data, folder / "s.zarr")
    same(values(path), values(store.path))
    store.verify()


@pytest.mark.parametrize(
    "match",
    ["layers/1/group/zarr.json", "layers/1/peak/c/2", "3/quantiles"],  # while made, filled and folded
)
def test_no_room_for_an_object(nursery, check, tmp_path, match) -> None:
    where = tmp_path / "s.zarr"
    name, _ = nursery.start(where, trap={"what": "full", "match": match})
    assert nursery.wait(name) == 1
    last = nursery.said(name).splitlines()[-1]
    assert last.startswith("fvhooks.errors.StoreError: Expected to write to")
    assert last.endswith("What is done is kept: make room and collect again.")
    nursery.finish(where)
    check(where)
