"""The command line: its words, its exit codes, and that it calls the work."""

import subprocess
import sys
from pathlib import Path

import pytest

from fvhooks import __version__
from fvhooks.cli import main
from fvhooks.demo import tours


def test_demo_passes_its_options_on_and_says_what_to_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def make_demo(out: str, scale: tours.Scale) -> Path:
        calls.append((out, scale))
        return tmp_path / "index.html"

    monkeypatch.setattr(tours, "make_demo", make_demo)
    assert main(["demo", "--quick", "--out", "there"]) == 0
    assert main(["demo"]) == 0
    assert calls == [("there", tours.QUICK), ("fvhooks-demo", tours.FULL)]
    assert (tmp_path / "index.html").as_uri() in capsys.readouterr().out


@pytest.mark.parametrize("package", ["safetensors", "skimage", "sklearn"])
def test_a_missing_extra_is_one_line_and_exit_code_1(package: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from fvhooks.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "demo", "--out", str(tmp_path / "demo")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"needs '{package}" in done.stderr
    assert "pip install 'fvhooks[demo]'" in done.stderr
    assert not (tmp_path / "demo" / "stats.zarr").exists()


def test_a_file_in_the_place_of_the_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("mine")
    assert main(["demo", "--out", str(tmp_path / "taken")]) == 1
    assert "taken is a file; name another with --out" in capsys.readouterr().err
    assert (tmp_path / "taken").read_text() == "mine"


def test_without_a_command_it_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "demo" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"fvhooks {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom fvhooks.cli import main\ntry: main(['demo', '--help'])\nexcept SystemExit: pass\n"
        "loaded = {'xarray', 'zarr', 'skimage', 'sklearn'} & sys.modules.keys()\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
