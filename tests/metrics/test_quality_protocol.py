"""The frozen protocol of `benchmarks/quality.py`: what it says of who wins, and what it takes in."""

import csv
import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from fvhooks.errors import ImageError, MissingInputError

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def _scripts() -> Iterator[None]:
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))
    for name in set(sys.modules) - before:
        if name.startswith("quality_") or name == "trained":
            del sys.modules[name]


DIGESTS = {
    "cifar10_resnet20": "1560e055f762",
    "cifar10_resnet56": "48cd63a51e69",
    "cifar10_vit": "064a79fa0424",
    "tinyimagenet_mcunet": "d2a9344fb1c2",
}


def test_version_1_is_frozen_and_no_network_judges_itself() -> None:
    protocol = import_module("quality_protocol").load_protocol()
    assert protocol.version == "1"  # another content of a track is another version
    assert {name: track.digest for name, track in protocol.tracks.items()} == DIGESTS
    assert protocol.seeds >= 20
    for track in protocol.tracks.values():
        assert track.network not in [judge.name for judge in track.judges]
    families = {judge.family for judge in protocol.tracks["cifar10_resnet20"].judges}
    assert families == {"convolutional", "transformer"}


INNER_DIGESTS = {
    "cifar10_resnet20": "a95c3a450b1b",
    "cifar10_resnet56": "8e7fc726bd5f",
    "tinyimagenet_mcunet": "305ff23a7224",
    "imagenet_squeezenet1_1": "9d0a19bb25ef",
    "cifar10_vit": "f287df77764c",
}


def test_the_protocol_of_inner_units_is_frozen_too() -> None:
    tracks = import_module("quality_inner_world").load_tracks()
    assert {name: track.digest for name, track in tracks.items()} == INNER_DIGESTS
    for track in tracks.values():
        assert track.layer in track.layers
        assert {judge.family for judge in track.judges} >= {"convolutional"}
        assert track.network not in [judge.name for judge in track.judges]


def test_who_does_as_well_as_the_best_recipe_is_named_and_nobody_else() -> None:
    table = import_module("quality_table")
    say = str
    known = [
        table.Column("high", "g", say, lambda scores, real: scores["v"]),
        table.Column("near", "g", say, lambda scores, real: -abs(scores["v"] - real["v"])),
        table.Column("cost", "g", say),
    ]
    values = {"real, fresh": 5.0, "a": 3.0, "b": 4.0, "b@swapped": 4.0, "grey": 4.5, "copy": float("nan")}
    results = {name: {"v": value} for name, value in values.items()}
    kinds = dict(zip(values, ["real", "recipe", "recipe", "control", "floor", "floor"], strict=True))
    high, near = table.winners(results, kinds, known)
    expected = {"best": "b", "floor": ["grey"], "control": ["b@swapped"], "shown": []}
    assert high == {"column": "high"} | expected
    assert near == {"column": "near"} | expected
    results["grey"]["v"] = 3.9
    assert [row["floor"] for row in table.winners(results, kinds, known)] == [[], []]


def test_the_front_counts_only_columns_that_no_trivial_entry_wins() -> None:
    table = import_module("quality_table")
    known = [
        table.Column(place, "g", str, lambda scores, real, p=int(place): scores["v"][p]) for place in "012"
    ]
    values = {"real, fresh": [9, 9, 9], "a": [1, 3, 9], "b": [3, 1, 0], "c": [1, 2, 9], "grey": [0, 0, 9]}
    results = {name: {"v": value} for name, value in values.items()}
    kinds = dict(zip(values, ["real", "recipe", "recipe", "recipe", "floor"], strict=True))
    assert table.front(results, kinds, known) == ["a", "b"]  # a is never below c; grey wins the third column
    results["b"]["v"] = [1, 1, 99]
    assert table.front(results, kinds, known) == ["a", "b"]  # now no one else wins the third column
    results["grey"]["v"] = [0, 0, 99]
    assert table.front(results, kinds, known) == ["a"]


def test_a_submitted_folder_is_taken_whole_or_refused(tmp_path: Path) -> None:
    entries = import_module("quality_entries")
    world = SimpleNamespace(
        track=SimpleNamespace(units=2),
        protocol=SimpleNamespace(seeds=2),
        store=SimpleNamespace(image_shape=(3, 4, 4)),
    )

    def draw(unit: int, seed: int, side: int = 4) -> None:
        (tmp_path / str(unit)).mkdir(exist_ok=True)
        pixels = np.full((side, side, 3), 10 * unit + seed, np.uint8)
        Image.fromarray(pixels).save(tmp_path / str(unit) / f"{seed}.png")

    draw(0, 0), draw(0, 1), draw(1, 0)
    with pytest.raises(MissingInputError, match="Expected 2 pictures of each unit, got 1 of unit 1"):
        entries.submitted(world, tmp_path)
    draw(1, 1)
    found = entries.submitted(world, tmp_path).images
    np.testing.assert_allclose(found[:, :, 0, 0, 0] * 255, [[0, 1], [10, 11]], atol=1e-4)
    draw(1, 1, side=5)
    with pytest.raises(ImageError, match="pictures of one size"):
        entries.submitted(world, tmp_path)
    (tmp_path / "0").rename(tmp_path / "away")
    with pytest.raises(MissingInputError, match="No pictures of unit 0"):
        entries.submitted(world, tmp_path)


def _entry(name: str, seed: int) -> object:
    images = torch.rand((3, 2, 3, 4, 5), generator=torch.Generator().manual_seed(seed))
    return import_module("quality_entries").Entry(name, "recipe", images)


def _scores(first: float) -> dict[str, object]:
    each = [first, *np.linspace(0, 1, 5).tolist()]
    judge = {"family": "f", "log_odds": {"each": each, "percentile": each}, "novelty": {"each": each}}
    unit = {"identity": {"each": each}, "activation": {"percentile": each}, "seconds": 1.0}
    return unit | {"percentiles": {"layer1": {"percentile": each}}, "judge": judge, "clip": {"skipped": ""}}


def test_released_sheets_are_the_pictures_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = import_module("quality_protocol").load_protocol()
    entries = [_entry("a", 0), _entry("a@swapped", 1), _entry("accentuate", 2)]
    results = {entry.name: _scores(float("nan")) for entry in entries}
    track = protocol.tracks["cifar10_resnet20"]
    left_out = import_module("quality_release").release(tmp_path / "out", entries, results, protocol, track)
    assert left_out == ["accentuate"]  # a photograph with some changes
    monkeypatch.chdir(tmp_path / "out")
    assert {path.name for path in Path().iterdir()} == {
        "a.webp",
        "a@swapped.webp",
        "scores.csv",
        "about.json",
    }
    about = json.loads(Path("about.json").read_text(encoding="utf-8"))
    assert about["protocol"] == {"version": protocol.version, "digest": track.digest}
    assert about["sheets"] == {"a": "a.webp", "a@swapped": "a@swapped.webp"}
    found: dict[str, np.ndarray] = {}
    exec("\n".join(about["how_to_cut"]), found)
    np.testing.assert_array_equal(found["pictures"], (entries[0].images * 255).round().byte().numpy())
    rows = list(csv.DictReader(Path("scores.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["entry"], row["unit"], row["seed"]) for row in rows[5:8]] == [
        ("a", "2", "1"),
        ("a@swapped", "0", "0"),
        ("a@swapped", "0", "1"),
    ]
    assert [row["log_odds:judge"] for row in rows[:6]] == ["", "0", "0.25", "0.5", "0.75", "1"]


def test_a_released_sheet_can_be_submitted(tmp_path: Path) -> None:
    entries, entry = import_module("quality_entries"), _entry("b", 3)
    import_module("quality_release").write_sheet(tmp_path / "b.webp", entry)
    world = SimpleNamespace(
        track=SimpleNamespace(units=3),
        protocol=SimpleNamespace(seeds=2),
        store=SimpleNamespace(image_shape=(3, 4, 5)),
    )
    found = entries.submitted(world, tmp_path / "b.webp")
    assert found.name == "b"
    torch.testing.assert_close(found.images, entry.images, rtol=0, atol=0.5 / 255 + 1e-6)
    world.track.units = 4
    with pytest.raises(ImageError, match="Expected a sheet of 4 columns .* got 8 × 15 pixels in b.webp"):
        entries.submitted(world, tmp_path / "b.webp")
