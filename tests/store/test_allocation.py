"""Memory is kept while a task runs, and handed back when the last one ends."""

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


def test_what_dask_asked_for_comes_back_with_the_last_task(library, monkeypatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    with allocation.memory_kept():
        with pytest.raises(ZeroDivisionError), allocation.memory_kept():
            raise ZeroDivisionError
        assert (0,) not in library.told  # the other task still uses it
        assert library.told[-2:] == [(-1, 2**30), (-3, 2**25)]
    assert library.told[-3:] == [(-1, 65536), (-3, 2**17), (0,)]


def test_a_process_that_nobody_has_told_so_is_left_alone(library, monkeypatch) -> None:
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    with allocation.memory_kept():
        pass
    assert library.told == []


def test_another_c_library_is_left_alone(monkeypatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    monkeypatch.setattr(allocation, "_glibc", lambda: None)
    with allocation.memory_kept():
        pass
    assert allocation._USERS.count == 0
