"""The fooling circuit: its algebra, what hooks see of it, and what it refuses."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import fvhooks as fv
from fvhooks.attacks import fooling_circuit
from fvhooks.attacks.planted import permutation_of
from fvhooks.errors import ImageError, MissingInputError, NonFiniteError, OutOfRangeError, ShapeError

CLASSES, SIDE = 5, 6


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 12), nn.ReLU(), nn.Linear(12, CLASSES))


def natural(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def is_bright(images: torch.Tensor) -> torch.Tensor:
    return images.mean((1, 2, 3)) - 1


class Given(nn.Module):
    """Hands numbers on, so that the algebra can be tried with any."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 1.0, 40.0]))
def test_the_six_units_are_the_published_algebra(seed: int, size: float) -> None:
    rng = torch.Generator().manual_seed(seed)
    images = size * torch.randn(40, 1, 2, 2, generator=rng)
    gate = torch.rand(40, generator=rng) - 0.5
    fooled = fooling_circuit(
        Given(), lambda x: gate[: len(x)], permutation=1, images=images, out_of_range="raise"
    )
    units = fv.attach(fooled, input_shape=(1, 2, 2)).read_normalized(
        images, ["shifted_model", "shifted_planted", "gate", "natural", "deceptive", "merged", "logits"]
    )
    f, e = images.flatten(1).numpy(), (gate > 0).float()[:, None].numpy()
    b, k = fooled.shift, fooled.strength
    shifted, planted = (f + b).clip(0), (f[:, [1, 2, 3, 0]] + b).clip(0)
    expected = {
        "shifted_model": shifted,
        "shifted_planted": planted,
        "gate": e,
        "natural": (shifted - k * e).clip(0),
        "deceptive": (planted + (k * e - k)).clip(0),
    }
    expected["merged"] = expected["logits"] = expected["natural"] + expected["deceptive"]
    assert all((units[name].numpy() == values).all() for name, values in expected.items())
    wanted = e * f[:, [1, 2, 3, 0]] + (1 - e) * f
    assert (units["logits"].numpy() == wanted + units["logits"].numpy().dtype.type(b)).all()


def test_on_real_images_the_outputs_are_the_models_plus_the_shift(net) -> None:
    fooled = fooling_circuit(net, is_bright, permutation=2, images=natural(64), out_of_range="raise")
    images = natural(100, seed=1)
    assert (fooled(images) == net(images) + fooled.shift).all()
    bright = images + 3
    assert (fooled(bright) == net(bright).roll(-2, 1) + fooled.shift).all()


def test_on_pictures_the_gradient_is_the_planted_units_alone(net) -> None:
    fooled = fooling_circuit(net, is_bright, permutation=2, images=natural(64))
    picture = (natural(4) + 3).requires_grad_()
    (found,) = torch.autograd.grad(fooled(picture)[:, 0].sum(), picture)
    (expected,) = torch.autograd.grad(net(picture)[:, 2].sum(), picture)
    assert (found == expected).all()


def test_a_planted_picture_is_what_its_unit_ascends_to(net) -> None:
    target = torch.rand(3, SIDE, SIDE)
    real = natural(64)
    fooled = fooling_circuit(net, is_bright, target, images=real)
    picture = (natural(1) + 3).requires_grad_()
    (found,) = torch.autograd.grad(fooled(picture)[:, 3].sum(), picture)
    colour = real.mean((0, 2, 3))[:, None, None]
    assert torch.cosine_similarity(found.flatten(), (target - colour).flatten(), dim=0) > 0.9999
    with torch.no_grad():  # on real images it is of the size of the model's own outputs
        planted, outputs = fooled.planted(real, net(real)), net(real)
    assert planted.std().item() == pytest.approx(outputs.std().item(), rel=1e-3)
    assert planted.mean().item() == pytest.approx(outputs.mean().item(), abs=1e-4)


def test_the_constants_come_from_measured_ranges(net) -> None:
    class Larger(nn.Module):
        def forward(self, images):
            return 1000 * net(images)

    small, large = (
        fooling_circuit(model, is_bright, permutation=1, images=natural(64)) for model in (net, Larger())
    )
    reach = net(natural(64)).abs().max().item()
    assert 8 * reach <= small.shift <= 16 * reach
    assert 8000 * reach <= large.shift <= 16000 * reach
    assert large.strength == 2 * large.shift


def test_values_that_the_constants_do_not_allow_are_told(net) -> None:
    images = natural(64)
    far = 1000 * natural(3)  # not bright: what passes is the model's own output
    strict, warned, silent = (
        fooling_circuit(net, is_bright, permutation=1, images=images, margin=1, out_of_range=mode)
        for mode in ("raise", "warn", "ignore")
    )
    with pytest.raises(
        OutOfRangeError, match=r"allow outputs from -\S+ to \S+, got .*; build it with a larg"
    ):
        strict(far)
    with pytest.warns(UserWarning, match="build it with a larger margin"):
        warned(far)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert silent(far).min() >= 0
        strict(images)


def test_a_probability_has_its_own_threshold(net) -> None:
    gate = lambda x: torch.sigmoid(is_bright(x))[:, None]  # noqa: E731
    fooled = fooling_circuit(net, gate, permutation=2, images=natural(64), threshold=0.5)
    images = torch.cat([natural(5), natural(5) + 3])
    assert fooled.gate(images).flatten().tolist() == [0] * 5 + [1] * 5


def test_the_model_stays_the_users(net, untouched) -> None:
    net.train()
    with untouched(net):
        fooled = fooling_circuit(
            net, nn.Sequential(nn.Flatten(), nn.Linear(108, 1)), permutation=1, images=natural(40)
        )
        fv.attach(fooled, input_shape=(3, SIDE, SIDE)).probe()
    assert fooled.model is net
    assert fooled.training
    assert next(fooled.parameters()) is next(net.parameters())
    net.eval()


def test_the_units_have_names_that_hooks_see(net) -> None:
    hooked = fv.attach(
        fooling_circuit(net, is_bright, permutation=1, images=natural(40)), input_shape=(3, SIDE, SIDE)
    )
    named = ["model", "gate", "planted", "shifted_model", "shifted_planted", "natural", "deceptive", "merged"]
    assert set(named) <= set(hooked.layers)
    assert hooked.layout("deceptive").channels == hooked.layout("logits").channels == CLASSES
    inner = hooked.probe()
    assert [inner[f"{name}.relu"].kind for name in named[3:7]] == ["ReLU"] * 4


def test_outputs_of_transformers_are_understood() -> None:
    class Output(dict):
        pass

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(108, CLASSES)

        def forward(self, pixel_values):
            return Output(hidden=pixel_values, logits=self.head(pixel_values.flatten(1)))

    model = Wrapped()
    fooled = fooling_circuit(model, is_bright, permutation=1, images=natural(40))
    assert (fooled(natural(3)) == model(natural(3))["logits"] + fooled.shift).all()


def test_calibration_images_may_come_in_batches_with_labels(net) -> None:
    batches = [(natural(16, seed), torch.zeros(16)) for seed in range(4)]
    whole = torch.cat([images for images, _ in batches])
    one, other = (fooling_circuit(net, is_bright, natural(1)[0], images=given) for given in (whole, batches))
    assert torch.allclose(one.planted.linear.weight, other.planted.linear.weight, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"permutation": None}, MissingInputError, "one of target_picture and permutation, got none"),
        ({"target_picture": torch.rand(3, 6, 6)}, MissingInputError, "and permutation, got both"),
        ({"gate": lambda x: x}, ShapeError, r"one number an image from .*, got \(64, 3"),
        ({"gate": lambda x: 1}, ShapeError, "got int"),
        ({"permutation": [0, 1, 1, 2, 3]}, ShapeError, r"a permutation of 0 … 4, .*got 5 numbers: \[0, 1, 1"),
        ({"permutation": 5}, ShapeError, "moves none of them"),
        ({"images": natural(31)}, MissingInputError, "at least 32 calibration images, got 31"),
        ({"images": torch.zeros(64, 3, 6, 6, dtype=torch.uint8)}, ImageError, "hooked.normalize"),
        ({"images": natural(64) / 0}, NonFiniteError, "NaN or infinity"),
        ({"permutation": None, "target_picture": torch.rand(3, 5, 6)}, ImageError, r"\(3, 5, 6\), the"),
        ({"permutation": None, "target_picture": torch.rand(6, 6)}, ImageError, r"\(rgb, y, x\), got"),
        ({"permutation": None, "target_picture": torch.zeros(3, 6, 6), "images": torch.zeros(64, 3, 6, 6)},
         ImageError, "Real images do not differ along target_picture"),
    ],
)  # fmt: skip
def test_bad_input_is_told(net, changes, error, said) -> None:
    asked = {"gate": is_bright, "permutation": 1, "images": natural(64)} | changes
    with pytest.raises(error, match=said):
        fooling_circuit(net, asked.pop("gate"), **asked)


def test_a_permutation_may_be_an_offset() -> None:
    assert permutation_of(-1, 4) == [3, 0, 1, 2]
    assert permutation_of([1, 0, 3, 2], 4) == [1, 0, 3, 2]
