"""`fvhooks collect` and `fvhooks store`, as a person types them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import transformers
import zarr
from PIL import Image

import fvhooks as fv
from fvhooks.cli import main
from fvhooks.errors import MissingInputError
from fvhooks.specifiers import dataset_of, model_of

NETWORK = "fvhooks.demo:load_network"
LAYERS = ["--layers", "stage2", "stage3"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of ten small photographs."""
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 256, (70, 80, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{number}.png")
    return tmp_path / "data"


def test_collect_then_look(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = str(tmp_path / "s.zarr")
    assert main(["collect", NETWORK, str(folder), where, *LAYERS, "--references", "3"]) == 0
    assert "20 images of 20" in capsys.readouterr().out
    store = fv.open_store(where)
    assert store.layers == ["stage2", "stage3", "logits"]
    assert main(["store", "info", where]) == 0
    said = capsys.readouterr().out
    assert "complete" in said
    assert f"layer    stage2: {store['stage2'].sizes['channel']} channels" in said
    assert main(["store", "verify", where]) == 0
    capsys.readouterr()
    assert main(["store", "top", where, "stage3:4", "-k", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    expected = store.top_images(fv.Unit("stage3", 4), k=2)
    assert [line.split()[1] for line in lines] == [str(name) for name in expected["id"].values]


def test_a_broken_picture_is_a_row_and_an_exit_code(folder: Path, tmp_path: Path, capsys) -> None:
    (folder / "cat" / "3.png").write_bytes(b"no picture")
    where = str(tmp_path / "s.zarr")
    assert main(["collect", NETWORK, str(folder), where, *LAYERS]) == 3
    assert "19 images of 20" in capsys.readouterr().out
    assert fv.open_store(where).errors.sizes["image"] == 1


def test_damage_is_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = tmp_path / "s.zarr"
    assert main(["collect", NETWORK, str(folder), str(where), *LAYERS]) == 0
    array = zarr.open_group(where, mode="r+")["layers/stage3/peak"]
    array[0, 0] = 123.0
    assert main(["store", "verify", str(where)]) == 1
    assert "damaged in 1 objects: layers/stage3/peak (shard 0)" in capsys.readouterr().err


def test_an_interrupt_is_clean_and_the_same_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "slowly.py").write_text(
        "import time\n"
        "from fvhooks.demo import photographs\n"
        "class Slow:\n"
        "    def __init__(self): self.data = photographs('held_out')\n"
        "    def __len__(self): return 120\n"
        "    def __getitem__(self, i):\n"
        "        time.sleep(0.02)\n"
        "        return self.data[i]\n"
        "def data(): return Slow()\n"
    )
    words = [sys.executable, "-m", "fvhooks.cli", "collect", NETWORK, "slowly:data", "s.zarr", *LAYERS]
    words += ["--shard-size", "20", "--batch-size", "10"]
    running = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    ledger = tmp_path / "s.zarr" / "ledger"
    until = time.monotonic() + 120
    while not list(ledger.rglob("c/*")) and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "the same command goes on from here" in said
    assert "Traceback" not in said
    info = subprocess.run(
        [sys.executable, "-m", "fvhooks.cli", "store", "info", "s.zarr"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "half-written" in info.stdout
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "120 images of 120" in done.stdout


@pytest.mark.real
def test_a_hugging_face_folder(shared, folder: Path, tmp_path: Path, capsys) -> None:
    model = shutil.copytree(Path(shared.__file__).parent / "models" / "imagenet_vit_tiny", tmp_path / "vit")
    words = ["collect", f"hf:{model}", str(folder), str(tmp_path / "s.zarr"), "--layers", "vit.layers.2"]
    assert main(words) == 1
    assert "has no image processor" in capsys.readouterr().err
    transformers.ViTImageProcessor(size={"height": 224, "width": 224}).save_pretrained(model)
    assert main(words) == 0
    assert fv.open_store(tmp_path / "s.zarr")["vit.layers.2"].sizes["channel"] == 192


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("resnet18", "Expected a model as torchvision:NAME"),
        ("torchvision:resnet19", "torchvision has no model 'resnet19'"),
        ("timm:no_such_model", "timm has no trained model"),
        ("hf:/nowhere/at/all", "No image classifier could be loaded"),
        ("no_such_module:make", "There is no module 'no_such_module'"),
        ("fvhooks.demo:nothing", "The module 'fvhooks.demo' has no 'nothing'"),
    ],
)
def test_a_model_that_is_not_there(word: str, said: str) -> None:
    with pytest.raises(MissingInputError, match=said):
        model_of(word)


def test_data_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="there is no folder '/nowhere'"):
        dataset_of("/nowhere")
    with pytest.raises(MissingInputError, match="one folder a class"):
        dataset_of(str(tmp_path))


def test_wrong_words_are_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = str(tmp_path / "s.zarr")
    assert main(["collect", NETWORK, str(folder), where, "--layers", "stage9"]) == 1
    assert "has no layer 'stage9'" in capsys.readouterr().err
    assert main(["store", "info", str(tmp_path / "none.zarr")]) == 1
    assert "none.zarr" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["store", "top", where, "stage3"])
    assert "Expected a unit such as 'layer4:7'" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["data"]  # noqa: PTH208
