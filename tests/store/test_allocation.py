"""Memory is kept while a task runs, and handed back when the last one ends."""

import platform
import subprocess
import sys

import pytest

from fvhooks.collecting import allocation


class Library:
    """Writes down what glibc is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, ...]] = []

    def mallopt(self, what: int, value: int) -> None:
        self.told.append((what, value))

    def malloc_trim(self, rest: int) -> None:
        self.told.append((rest,))


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    found = Library()
    monkeypatch.setattr(allocation, "_glibc", lambda: found)
    return found


TRIM, THRESHOLD, MAPPED = -1, -3, -4


def test_what_was_asked_for_comes_back_with_the_last_task(library, monkeypatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    with allocation.memory_kept():
        with pytest.raises(ZeroDivisionError), allocation.memory_kept():
            raise ZeroDivisionError
        assert (0,) not in library.told  # the other task still uses it
        assert library.told[-2:] == [(TRIM, 2**30), (MAPPED, 0)]
    assert library.told[-4:] == [(TRIM, 65536), (THRESHOLD, 2**25), (MAPPED, 2**16), (0,)]


def test_where_nothing_was_asked_for_glibc_ends_where_it_comes_to_by_itself(library, monkeypatch) -> None:
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_"):
        monkeypatch.delenv(name, raising=False)
    with allocation.memory_kept():
        pass
    assert library.told[-4:] == [(TRIM, 2**26), (THRESHOLD, 2**25), (MAPPED, 2**16), (0,)]


def test_another_c_library_is_left_alone(monkeypatch) -> None:
    monkeypatch.setattr(allocation, "_glibc", lambda: None)
    with allocation.memory_kept():
        pass
    assert allocation._USERS.count == 0


PAGES = """
import resource, torch
from fvhooks.collecting.allocation import memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(16 * 2**20).mul_(2)  # 64 MB, more than glibc keeps
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
outside = faults()
with memory_kept():
    faults()
    inside = faults()
print(outside, inside)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_that_is_kept_is_not_asked_for_again() -> None:
    done = subprocess.run([sys.executable, "-c", PAGES], capture_output=True, text=True, check=True)
    outside, inside = map(int, done.stdout.split())
    assert inside < outside / 10
