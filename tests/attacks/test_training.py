"""The gate: what it is trained on, what it is measured on, and what it refuses."""

import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.attacks import Trajectories, train_gate, trajectories
from fvhooks.attacks.training import _network
from fvhooks.errors import ImageError, MissingInputError

SIDE = 20


@pytest.fixture(scope="module")
def hooked() -> fv.HookedModel:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 5, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 5))
    return fv.attach(net, mean=[0.5] * 3, std=[0.25] * 3, input_shape=(3, SIDE, SIDE))


def smooth(count: int, seed: int = 0) -> torch.Tensor:
    """Real images of a kind: few low frequencies."""
    coarse = torch.rand(count, 3, 3, 3, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear")


def rough(units: int, seeds: int, steps: int, shade: float = 0.0) -> Trajectories:
    """Pictures of a kind: noise that grows with the steps."""
    rows = [(u, s, t) for u in range(units) for s in range(seeds) for t in range(1, steps + 1)]
    noise = torch.rand(len(rows), 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    strength = torch.tensor([0.5 + 0.5 * t / steps for _, _, t in rows]).view(-1, 1, 1, 1)
    names, numbers, done = zip(*((f"logit:{u}", s, t) for u, s, t in rows), strict=True)
    return Trajectories((0.5 + strength * (noise - 0.5) + shade).clamp(0, 1), names, numbers, done)


def test_pictures_are_kept_while_they_form(hooked, untouched) -> None:
    units = [fv.Unit.logit(label) for label in range(3)]
    with untouched(hooked.model):
        made = trajectories(hooked, units, seeds=[4, 7], steps=20, kept=4, show_progress=False)
    assert len(made) == 3 * 2 * 4
    assert set(zip(made.units, made.seeds, made.steps, strict=True)) == {
        (unit.id, seed, step) for unit in units for seed in (4, 7) for step in (1, 3, 7, 20)
    }
    rows = [i for i in range(24) if (made.units[i], made.seeds[i]) == ("logits:1", 7)]
    path = made.subset(rows)
    assert path.steps == [1, 3, 7, 20]
    finished = fv.visualize(hooked, units, "fourier", seeds=[4, 7], steps=20, show_progress=False)
    goal = torch.from_numpy(finished.images.values[1, 1])
    far = (path.images - goal).square().mean((1, 2, 3))
    assert (far[1:] < far[:-1]).all()


def test_a_gate_is_measured_on_units_and_seeds_that_it_has_not_seen(hooked, untouched) -> None:
    state = torch.random.get_rng_state()
    with untouched(hooked.model):
        gate = train_gate(
            hooked, smooth(200), rough(5, 3, 4), others={"paler": rough(2, 1, 4, 0.2)}, show_progress=False
        )
    assert (torch.random.get_rng_state() == state).all()
    data = gate.data
    assert data.part.values.tolist() == ["real", "other_units", "other_seeds", "paler"]
    assert data["count"].values.tolist() == [40, 3 * 4, 4 * 4, 2 * 4]
    assert data.trajectories.values.tolist() == [40, 3, 4, 2]
    assert gate.false_alarms < 0.1
    assert gate.accuracy > 0.9
    assert ((data.low <= data.fired) & (data.fired <= data.high)).all()
    fired = gate.fires(hooked.normalize(rough(2, 1, 4, 0.2).images)).float()
    assert data.fired.sel(part="paler").item() == pytest.approx(fired.mean().item())
    assert data.fired_at.sel(part="paler", step=2).item() == pytest.approx(fired[1::4].mean().item())
    assert data.fired_at.sel(part="real").isnull().all()
    assert not any(parameter.requires_grad for parameter in gate.parameters())


def test_one_seed_gives_one_gate(hooked) -> None:
    asked = {"epochs": 1, "show_progress": False}
    one, same, other = (
        train_gate(hooked, smooth(64), rough(3, 1, 2), seed=seed, **asked) for seed in (0, 0, 1)
    )
    images = hooked.normalize(smooth(5))
    assert (one(images) == same(images)).all()
    assert (one(images) != other(images)).any()
    assert "other_seeds" not in one.data.part


@pytest.mark.parametrize(("side", "weights"), [(224, 26_791), (64, None), (32, None), (19, None)])
def test_the_architecture_is_the_published_one_at_224_pixels(side: int, weights: int | None) -> None:
    network = _network((3, side, side))
    assert network(torch.zeros(2, 3, side, side)).shape == (2, 1)
    assert weights is None or sum(p.numel() for p in network.parameters()) == weights


@pytest.mark.parametrize(
    ("images", "pictures", "error", "said"),
    [
        (smooth(31), rough(3, 1, 2), MissingInputError, "at least 32 real images, got 31"),
        (smooth(64), rough(1, 3, 2), MissingInputError, "at least two units, .* got 1"),
        (
            smooth(64)[..., 1:],
            rough(3, 1, 2),
            ImageError,
            r"of one size, got \(3, 20, 19\) and \(3, 20, 20\)",
        ),
    ],
)
def test_bad_input_is_told(hooked, images, pictures, error, said) -> None:
    with pytest.raises(error, match=said):
        train_gate(hooked, images, pictures, show_progress=False)


def test_images_too_small_for_the_convolutions_are_told(hooked) -> None:
    small = Trajectories(torch.rand(4, 3, 12, 12), ["a", "a", "b", "b"], [0] * 4, [1, 2, 1, 2])
    with pytest.raises(ImageError, match="at least 19 pixels a side, got \\(12, 12\\)"):
        train_gate(hooked, torch.rand(64, 3, 12, 12), small, show_progress=False)
