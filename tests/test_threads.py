"""Threads end with their block, and one that never began is not waited for for ever."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fvhooks.threads import thread_pool, wait_for


def named(name):
    return [one for one in threading.enumerate() if one.name.startswith(name)]


def test_a_pool_does_its_work_and_is_gone() -> None:
    with thread_pool(3, "test-work") as pool:
        assert list(pool.map(lambda number: number**2, range(10))) == [number**2 for number in range(10)]
        assert named("test-work")
    assert not named("test-work")


@pytest.mark.parametrize("place", ["start", "shutdown"])
def test_an_interrupted_pool_is_gone_and_what_waits_is_not_begun(monkeypatch, place) -> None:
    owner = {"start": threading.Thread, "shutdown": ThreadPoolExecutor}[place]
    whole, begun, interrupts = getattr(owner, place), [], [KeyboardInterrupt()]

    def interrupted(given, *args, **options):
        if place == "start":
            whole(given)
        if interrupts:
            raise interrupts.pop()
        if place == "shutdown":
            whole(given, *args, **options)

    def work(number):
        begun.append(number)
        time.sleep(0.05)

    def twenty():
        with thread_pool(2, "test-stop") as pool:
            for number in range(20):
                pool.submit(work, number)

    monkeypatch.setattr(owner, place, interrupted)
    with pytest.raises(KeyboardInterrupt):
        twenty()
    assert not named("test-stop")
    assert len(begun) < 20


def test_another_pool_of_that_name_is_left_alone() -> None:
    with thread_pool(1, "test-twin") as outer:
        outer.submit(int).result()
        with thread_pool(1, "test-twin") as inner:
            inner.submit(int).result()
            assert len(named("test-twin")) == 2
        assert len(named("test-twin")) == 1
        assert outer.submit(abs, -3).result() == 3


def test_a_thread_that_never_began_is_waited_for_a_moment_only() -> None:
    begun = time.monotonic()
    wait_for(threading.Thread(target=print))
    assert time.monotonic() - begun < 30
