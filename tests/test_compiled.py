"""Runs tests of compiled code in a process without checks of types, which would be compiled as well."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

APART = ("hooks/compiled_reading.py", "synthesis/compiled_pictures.py")


@pytest.mark.real
def test_compiled_code_does_what_the_model_does() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider"]
    command += [str(Path(__file__).parent / name) for name in APART]  # one process: the compiler loads slowly
    alone = os.environ | {"TORCHINDUCTOR_COMPILE_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500, env=alone)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
