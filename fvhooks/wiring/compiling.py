"""A small C++ library, compiled once for the processor at hand where there is a compiler."""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

_log = logging.getLogger("fvhooks")
_SOURCE = Path(__file__).with_name("pair_maps.cpp")
_FLAGS = ("-std=c++17", "-O3", "-march=native", "-shared", "-fPIC")
_COMPILERS = ("c++", "g++", "clang++")
_SECONDS = 120
OFF = "FVHOOKS_NO_COMPILER"
"""An environment variable: where it is set, nothing is compiled."""


@cache
def library() -> ctypes.CDLL | None:
    """The compiled pair maps; None where there is no compiler, or it fails: torch does the same, slower.

    They lie in the user's cache folder, under a name that changes with the source, the compiler and the
    processor; several processes may come at once.
    """
    if os.environ.get(OFF):
        return None
    compiler = os.environ.get("CXX") or next(filter(None, map(shutil.which, _COMPILERS)), None)
    try:
        if compiler is None:
            raise OSError("no C++ compiler is installed")
        return _opened(_built(compiler))
    except (OSError, subprocess.SubprocessError, AttributeError) as error:
        _log.info("Influence is counted without compiled code, which is slower: %s.", error)
        return None


def _built(compiler: str) -> Path:
    folder = _folder()
    target = folder / f"pair_maps-{_digest(compiler)}.so"
    if target.exists():
        return target
    handle, name = tempfile.mkstemp(suffix=".so", dir=folder)
    os.close(handle)
    made = Path(name)
    try:
        subprocess.run(  # noqa: S603 - the compiler is the user's own, the source is ours
            [*compiler.split(), *_FLAGS, str(_SOURCE), "-o", name],
            check=True,
            capture_output=True,
            timeout=_SECONDS,
        )
        made.replace(target)  # in one step: another process sees all of it or nothing
    finally:
        made.unlink(missing_ok=True)
    return target


def _folder() -> Path:
    """Where compiled code is kept: only its owner can write there."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "fvhooks"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(folder, os.W_OK) and _is_private(folder):
            return folder
    except (OSError, RuntimeError):
        pass
    return Path(tempfile.mkdtemp(prefix="fvhooks-"))


def _is_private(folder: Path) -> bool:
    """Whether nobody else could have put code there."""
    known = folder.stat()
    return not hasattr(os, "getuid") or (known.st_uid == os.getuid() and not known.st_mode & 0o022)


def _digest(compiler: str) -> str:
    said = subprocess.run(  # noqa: S603 - as above
        [*compiler.split(), "--version"], check=True, capture_output=True, timeout=_SECONDS
    ).stdout
    parts = [_SOURCE.read_bytes(), said, repr(_FLAGS).encode(), _processor().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _processor() -> str:
    """What the code is compiled for: a cache folder may be shared by several machines."""
    words = [platform.system(), platform.machine(), platform.processor()]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        words += [line for line in lines if line.startswith(("flags", "Features", "model name"))][:2]
    except OSError:  # no Linux
        pass
    return "\n".join(words)


def _opened(path: Path) -> ctypes.CDLL:
    found = ctypes.CDLL(str(path))
    pointers = [ctypes.c_void_p] * 7
    found.fvhooks_pairs.argtypes, found.fvhooks_pairs.restype = pointers, None
    found.fvhooks_ranges.argtypes, found.fvhooks_ranges.restype = [*pointers, ctypes.c_void_p], None
    found.fvhooks_lanes.restype = ctypes.c_int32
    return found
