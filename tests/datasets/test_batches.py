"""Batches come in order from threads and processes, with an error for each image that has one."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future
from multiprocessing.process import BaseProcess

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

import fvhooks as fv
from fvhooks.datasets.batches import read_batches
from fvhooks.datasets.sources import Source
from fvhooks.errors import WorkerError

KNOWN = fv.Preprocessing(input_shape=(3, 4, 4))
READERS = [{"threads": 1}, {"threads": 3}, {"processes": 2}]


class Numbered:
    """Item i is all i; some raise."""

    def __init__(self, bad=(), length=30):
        self.bad, self.length = bad, length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if index in self.bad:
            raise OSError(f"item {index} is broken")
        return torch.full((3, 4, 4), index, dtype=torch.uint8)


@pytest.fixture(autouse=True)
def children():
    """No process may be left behind."""
    yield
    end = time.monotonic() + 5
    while multiprocessing.active_children() and time.monotonic() < end:
        time.sleep(0.05)
    assert multiprocessing.active_children() == []


def read(dataset, indices=None, **options):
    source = Source(dataset, KNOWN)
    given = {"shape": (3, 4, 4), "size": 4, "start": 100} | options
    return read_batches(source, range(len(source)) if indices is None else indices, **given)


@pytest.mark.parametrize("reader", READERS)
def test_batches_are_in_order_and_errors_stay_with_their_image(reader) -> None:
    order = [7, 3, 29, 0, 11, 12, 13, 5, 6]
    found = list(read(Numbered(bad=(0, 12)), order, **reader))
    assert [batch.start for batch in found] == [100, 104, 108]
    values = torch.cat([batch.images for batch in found])[:, 0, 0, 0].tolist()
    assert values == [7, 3, 29, 0, 11, 0, 13, 5, 6]
    assert [batch.errors for batch in found] == [
        {3: "OSError: item 0 is broken"},
        {1: "OSError: item 12 is broken"},
        {},
    ]


@pytest.mark.parametrize("reader", READERS)
def test_closing_early_ends_at_once(reader) -> None:
    batches = read(Numbered(length=255), **reader)
    next(batches)
    began = time.monotonic()
    batches.close()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("reader", READERS)
def test_a_broken_file_in_the_middle_costs_one_row(reader, tmp_path) -> None:
    (tmp_path / "cat").mkdir()
    for number in range(9):
        path = tmp_path / "cat" / f"{number}.jpg"
        Image.fromarray(np.full((4, 4, 3), 20 * number, np.uint8)).save(path)
    (tmp_path / "cat" / "4.jpg").write_bytes((tmp_path / "cat" / "5.jpg").read_bytes()[:200])
    found = list(read(ImageFolder(str(tmp_path)), **reader))
    assert [sorted(batch.errors) for batch in found] == [[], [0], []]
    assert "OSError: " in found[1].errors[0] or "UnidentifiedImageError: " in found[1].errors[0]
    means = torch.cat([batch.images for batch in found]).float().mean((1, 2, 3))
    assert torch.allclose(means[[3, 5]], torch.tensor([60.0, 100.0]), atol=2)


def test_processes_read_in_other_processes() -> None:
    class Where(Numbered):
        def __getitem__(self, index):
            return torch.full((3, 4, 4), float(os.getpid() % 1000) / 1000)

    there = {float(value) for batch in read(Where(), processes=2) for value in batch.images[:, 0, 0, 0]}
    assert len(there) == 2
    assert not any(abs(value - (os.getpid() % 1000) / 1000) < 1e-6 for value in there)


def test_the_death_of_a_process_is_said() -> None:
    class Deadly(Numbered):
        def __getitem__(self, index):
            if index == 20:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__getitem__(index)

    seen = []
    with pytest.raises(WorkerError, match=r"decodes images died: .*What is done is kept"):
        seen.extend(batch.start for batch in read(Deadly(), processes=2))
    assert seen == [100, 104, 108, 112, 116][: len(seen)]


def test_a_death_interrupts_no_work_between_batches() -> None:
    class Deadly(Numbered):
        def __getitem__(self, index):
            if index >= 8:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__getitem__(index)

    batches = read(Deadly(), processes=1)
    next(batches)
    time.sleep(0.5)  # a model at work: here nothing may be raised
    batches.close()


@pytest.mark.parametrize("step", ["begin", "end"])
def test_an_interrupt_while_processes_begin_or_end_leaves_none(monkeypatch, step) -> None:
    """A collection starts and ends processes at every shard, so that is where many an interrupt comes."""
    owner, name = {"begin": (Future, "result"), "end": (BaseProcess, "join")}[step]
    whole, interrupts = getattr(owner, name), [KeyboardInterrupt()]

    def interrupted(*args, **given):
        if interrupts:
            raise interrupts.pop()
        return whole(*args, **given)

    monkeypatch.setattr(owner, name, interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        list(read(Numbered(), processes=2))
    assert caught.traceback  # which keeps all that it passed through alive
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("reader", READERS)
def test_an_interrupt_while_a_thread_begins_leaves_none(monkeypatch, reader) -> None:
    whole, interrupts = threading.Thread.start, [KeyboardInterrupt()]

    class Slow(Numbered):
        def __getitem__(self, index):
            time.sleep(0.05)
            return super().__getitem__(index)

    def interrupted(thread):
        whole(thread)
        if interrupts and thread.name.startswith("fvhooks"):
            raise interrupts.pop()

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        list(read(Slow(), **reader))
    assert caught.traceback
    assert not [one for one in threading.enumerate() if one.name.startswith("fvhooks")]
    assert multiprocessing.active_children() == []


def test_a_process_that_may_have_no_children_uses_threads(monkeypatch) -> None:
    class Daemon:
        daemon = True

    monkeypatch.setattr(multiprocessing, "current_process", Daemon)
    found = list(read(Numbered(), processes=2))
    assert sum(len(batch.images) for batch in found) == 30


def test_pictures_of_another_shape_are_errors_of_their_own() -> None:
    class Mixed(Numbered):
        def __getitem__(self, index):
            return torch.zeros(3, 4, 4 if index else 5)

    source = Source(Mixed(), fv.Preprocessing())
    first, *_ = list(read_batches(source, [0, 1], shape=(3, 4, 4), size=2))
    assert list(first.errors) == [0]
    assert "shape (3, 4, 4), got (3, 4, 5)" in first.errors[0]


@pytest.mark.gpu
@pytest.mark.parametrize("reader", READERS)
def test_pinned_batches_are_page_locked(reader) -> None:
    if not torch.cuda.is_available():
        pytest.skip("page-locked memory needs a CUDA device")
    assert all(batch.images.is_pinned() for batch in read(Numbered(), pin=True, **reader))


def test_pinning_is_asked_of_every_batch(monkeypatch) -> None:
    pinned = []

    def pin(images):
        pinned.append(len(images))
        return images

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    assert len(list(read(Numbered(), pin=True))) == len(pinned) == 8
