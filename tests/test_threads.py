"""Threads end with their block, and one that never began is not waited for for ever."""

import _thread
import os
import signal
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


def once(monkeypatch, owner, name, after=False):
    """An interrupt the first time that something is called, before or after it does its work."""
    whole, interrupts = getattr(owner, name), [KeyboardInterrupt()]

    def interrupted(*args, **options):
        if interrupts and not after:
            raise interrupts.pop()
        found = whole(*args, **options)
        if interrupts:
            raise interrupts.pop()
        return found

    monkeypatch.setattr(owner, name, interrupted)


def twenty(begun):
    def work(number):
        begun.append(number)
        time.sleep(0.05)

    with thread_pool(2, "test-stop") as pool:
        for number in range(20):
            pool.submit(work, number)


def test_a_pool_that_was_interrupted_while_a_thread_began_is_gone(monkeypatch) -> None:
    begun = []
    once(monkeypatch, threading.Thread, "start", after=True)
    with pytest.raises(KeyboardInterrupt):
        twenty(begun)
    assert begun in ([], [0])
    assert not named("test-stop")


def test_a_thread_that_begins_after_the_interrupt_is_waited_for() -> None:
    late = threading.Thread(target=time.sleep, args=[0.1], name="test-late")
    threading._limbo[late] = late  # as `start` notes it before it begins
    timer = threading.Timer(0.2, _thread.start_new_thread, [late._bootstrap, ()])
    timer.start()
    wait_for(late)
    assert not named("test-late")
    assert late.ident is not None
    timer.join()


def test_what_waits_is_not_begun_after_an_interrupt(monkeypatch) -> None:
    begun = []
    once(monkeypatch, ThreadPoolExecutor, "shutdown")
    with pytest.raises(KeyboardInterrupt):
        twenty(begun)
    assert not named("test-stop")
    assert len(begun) < 20


def test_an_interrupt_while_threads_end_waits_for_them() -> None:
    """A real one, while they are joined, after which Python takes them for ended."""
    ended = []

    def work():
        time.sleep(0.6)
        ended.append(True)

    def leave():
        with thread_pool(1, "test-end") as pool:
            pool.submit(work)

    timer = threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        leave()
    assert ended == [True]
    assert not named("test-end")
    timer.join()


def test_another_pool_of_that_name_is_left_alone() -> None:
    with thread_pool(1, "test-twin") as outer:
        outer.submit(int).result()
        with thread_pool(1, "test-twin") as inner:
            inner.submit(int).result()
            assert len(named("test-twin")) == 2
        assert len(named("test-twin")) == 1
        assert outer.submit(abs, -3).result() == 3


def test_a_thread_that_never_begins_is_waited_for_a_moment_only() -> None:
    never = threading.Thread(target=print)
    threading._limbo[never] = never
    try:
        wait_for(never)
        assert never in threading.enumerate()
    finally:
        del threading._limbo[never]
