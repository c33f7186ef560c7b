"""A process that forks others which collect, so that each of them may be killed, and begins at once.

Run as `python nursery.py FOLDER`: it loads the libraries and FOLDER/inputs.pt, then takes one JSON object a
line. `{"start": NAME, …}` forks a child and answers its process id; `{"wait": NAME}` answers how it ended:
its exit code, or the negative of the signal that killed it. What a child prints is in FOLDER/NAME.log.
"""

import faulthandler
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import torch
import zarr.storage._local as local
from torch.utils.data import TensorDataset

import fvhooks as fv

LONGEST = 120.0  # seconds that a child may run


class Watched(TensorDataset):
    """Pictures that take a while, and write down each time that a task reads them.

    Args:
        tensors: images and labels.
        file: gets one line a picture that is read.
        pause: seconds that a picture takes.
    """

    def __init__(self, tensors: tuple[torch.Tensor, ...], file: str, pause: float) -> None:
        super().__init__(*tensors)
        self.file, self.pause = file, pause

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        if threading.current_thread().name.startswith("fvhooks-decode"):
            time.sleep(self.pause)
            with Path(self.file).open("a") as file:
                file.write(f"{index}\n")
        return super().__getitem__(index)


class Trap:
    """Something that happens instead of the n-th object that is written, or of every one from there on.

    Args:
        what: "count" only counts, "kill" kills the process, "tear" after half of the object is in its
            temporary file, "full" says that there is no space for it.
        number: of the object, from 0; of those that match.
        match: only objects count whose path contains it.
        delay: seconds after which it is killed, wherever it is by then.
    """

    def __init__(self, what: str, number: int = 0, match: str = "", delay: float = 0.0) -> None:
        self.what, self.number, self.match, self.delay = what, number, match, delay
        self.seen: list[str] = []
        self.put, self.lock = local._put, threading.Lock()

    def __call__(self, path: Path, value: Any, exclusive: bool = False) -> int:
        with self.lock:
            if self.match in str(path) and not (exclusive and path.exists()):
                self.seen.append(str(path))
                if self.what == "full" and len(self.seen) > self.number:
                    raise OSError(28, os.strerror(28), str(path))
                if self.what in ("kill", "tear") and len(self.seen) == self.number + 1:
                    if self.what == "tear":
                        self.half(path, value)
                    threading.Thread(target=self.kill, daemon=True).start() if self.delay else self.kill()
        return self.put(path, value, exclusive)

    def kill(self) -> None:
        time.sleep(self.delay)
        os.kill(os.getpid(), signal.SIGKILL)

    @staticmethod
    def half(path: Path, value: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = bytes(value.as_buffer_like())
        path.with_suffix(".0123456789abcdef.partial").write_bytes(content[: len(content) // 2])


def collect(order: dict[str, Any], saved: dict[str, Any]) -> int:
    """What a child does; its exit code."""
    torch.set_num_threads(1)
    trap = Trap(**order.get("trap", {"what": "count"}))
    local._put = trap
    hooked = fv.attach(saved["net"], mean=[0.5] * 3, std=[0.25] * 3, input_shape=(3, 12, 12))
    data = Watched(saved["tensors"], order["reads"], order.get("pause", 0.0))
    try:
        fv.collect(
            hooked,
            data,
            order["where"],
            **({"layers": ["1", "3"], "shard_size": 20, "batch_size": 8, "references": 9} | order["options"]),
            show_progress=False,
        )
    except KeyboardInterrupt:
        facts = {
            "threads": [one.name for one in threading.enumerate() if one.name.startswith("fvhooks")],
            "hooks": sum(
                len(part._forward_hooks) + len(part._forward_pre_hooks) for part in saved["net"].modules()
            ),
            "children": children_of(os.getpid()),
        }
        Path(order["facts"]).write_text(json.dumps(facts))
        return 130
    if order.get("facts"):
        Path(order["facts"]).write_text(json.dumps(trap.seen))
    return 0


def children_of(process: int) -> list[int]:
    """The processes that a process has started and that are alive."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended since
            continue
        if int(fields[1]) == process and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def fork(log: Path, work: Callable[[], int]) -> int:
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)
        code = work()
    except Exception:  # noqa: BLE001 - the log is what a test looks at
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def wait(process: int) -> int:
    end = time.monotonic() + LONGEST
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.002)


def preload(folder: Path, saved: dict[str, Any]) -> None:
    """Import what a collection imports, seconds of it, once for all children.

    A first child tells, since to collect here would start threads, which do not survive a fork.
    """
    order = {"where": str(folder / "preload.zarr"), "reads": str(folder / "preload.reads"), "options": {}}
    names = folder / "modules.json"

    def work() -> int:
        code = collect(order, saved)
        names.write_text(json.dumps([*sys.modules]))
        return code

    assert wait(fork(folder / "preload.log", work)) == 0
    for name in json.loads(names.read_text()):
        with suppress(ImportError):
            import_module(name)


def main(folder: Path, orders: BinaryIO) -> None:
    saved = torch.load(folder / "inputs.pt", weights_only=False)
    preload(folder, saved)
    running: dict[str, int] = {}
    for line in orders:
        order = json.loads(line)
        if "wait" in order:
            answer = wait(running.pop(order["wait"]))
        else:
            name = order["start"]
            assert threading.active_count() == 1  # else what is forked may wait for a lock for ever
            running[name] = fork(folder / f"{name}.log", lambda order=order: collect(order, saved))
            answer = running[name]
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.stdin.buffer)
