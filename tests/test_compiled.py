"""Runs tests of compiled code in a process without checks of types, which would be compiled as well."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.real
@pytest.mark.parametrize("name", ["hooks/compiled_reading.py", "synthesis/compiled_pictures.py"])
def test_compiled_code_does_what_the_model_does(name: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider"]
    command.append(str(Path(__file__).parent / name))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
