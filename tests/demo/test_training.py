"""Training: it learns, it is repeatable, and it writes what it measured."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from fvhooks.demo import training
from fvhooks.demo.training import accuracy, attach_network, augmented, main, save, train


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "POOL", 6)
    monkeypatch.setattr(training, "BATCH", 16)


def test_the_same_seed_gives_the_same_network() -> None:
    first, second = (train(2, show_progress=False).model.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_few_steps_teach_something_about_regions_never_seen() -> None:
    assert accuracy(train(20, show_progress=False)) > 0.25  # one in twelve by chance


def test_augmentation_takes_colour_away_from_some_and_stays_in_range() -> None:
    images = torch.zeros(200, 3, 8, 8)
    images[:, 0] = 0.8
    made = augmented(images, torch.Generator().manual_seed(1))
    assert made.min() >= 0
    assert made.max() <= 1
    red = made[:, 0].mean((1, 2)) - made[:, 2].mean((1, 2))
    assert 0.2 < (red < 0.2).float().mean() < 0.4


def test_augmentation_moves_pictures_differently() -> None:
    ramp = torch.linspace(0, 1, 16).expand(8, 3, 16, 16).clone()
    made = augmented(ramp, torch.Generator().manual_seed(2))
    assert len({tuple(picture.flatten().tolist()) for picture in made}) == 8


def test_the_file_states_what_is_measured_on_the_rounded_weights(tmp_path: Path) -> None:
    stated = save(attach_network(), tmp_path / "net.safetensors")
    with safe_open(tmp_path / "net.safetensors", framework="pt") as opened:
        assert opened.metadata() == stated
        kept = {name: opened.get_tensor(name).float() for name in opened.keys()}  # noqa: SIM118 - not a mapping
    assert float(stated["accuracy_held_out"]) == round(accuracy(attach_network(kept)), 4)


def test_the_script_writes_the_file_that_is_asked_for(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    main(["--steps", "0", "--out", str(tmp_path / "fresh.safetensors"), "--threads", str(threads)])
    assert (tmp_path / "fresh.safetensors").is_file()
