"""What a collection says of itself while it runs."""

import io
import re
import threading

import numpy as np
import pytest
import zarr

from fvhooks.collecting.progress import Progress
from fvhooks.store.sizes import stored_bytes, total_bytes


def test_it_shows_speed_time_left_megabytes_and_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # a narrow screen cuts the line
    monkeypatch.setenv("LINES", "24")
    drawn = io.StringIO()
    with Progress(200, done=40, file=drawn) as progress:
        progress.update(32, failed=2)
        progress.update(written=3_250_000)
    last = drawn.getvalue().replace("\r", "\n").strip().splitlines()[-1]
    assert "72/200" in last
    assert re.search(r"\[\d\d:\d\d<\S+, +\S+ ?image/s, 3.2 MB written, 2 failed\]", last), last


def test_images_of_an_earlier_run_do_not_count_for_the_speed() -> None:
    drawn = io.StringIO()
    with Progress(10, done=10, file=drawn):
        pass
    assert "10/10" in drawn.getvalue()
    assert "?image/s" in drawn.getvalue()


def test_without_drawing_it_still_counts() -> None:
    drawn = io.StringIO()
    with Progress(10, show=False, file=drawn) as progress:
        progress.update(4, failed=1, written=10)
        progress.update(3)
    assert (progress.done, progress.failed, progress.written) == (7, 1, 10)
    assert drawn.getvalue() == ""


def test_several_threads_may_report() -> None:
    with Progress(8000, show=False) as progress:
        threads = [
            threading.Thread(target=lambda: [progress.update(1, failed=1) for _ in range(1000)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (progress.done, progress.failed) == (8000, 8000)


def test_the_bar_is_closed_when_something_goes_wrong() -> None:
    drawn = io.StringIO()

    def interrupted() -> None:
        with Progress(10, file=drawn) as progress:
            progress.update(5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "5/10" in drawn.getvalue()
    assert drawn.getvalue().endswith("\n")


@pytest.mark.parametrize("kind", ["folder", "url", "sub-group"])
def test_bytes_are_those_of_the_objects(tmp_path, kind) -> None:
    root = zarr.create_group(f"memory://{tmp_path}" if kind == "url" else str(tmp_path / "s.zarr"))
    group = root.create_group("inner") if kind == "sub-group" else root
    plain = group.create_array("plain", shape=(20,), dtype="float32", chunks=(10,), compressors=None)
    wide = group.create_array(
        "wide", shape=(20, 6), dtype="float32", chunks=(10, 2), shards=(10, 6), fill_value=np.nan
    )
    plain[:10] = 1
    wide[10:] = np.random.default_rng(0).random((10, 6))
    assert stored_bytes(group, 0, ["plain", "wide"]) == 40
    assert stored_bytes(group, 1, ["plain"]) == 0
    assert stored_bytes(group, 1, ["plain", "wide"]) > 240 / 2
    if kind == "folder":
        files = [file.stat().st_size for file in (tmp_path / "s.zarr").rglob("*") if file.is_file()]
        assert total_bytes(root) == sum(files)
    assert total_bytes(root) > stored_bytes(group, 0, ["plain"]) + stored_bytes(group, 1, ["wide"])
