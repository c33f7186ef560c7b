"""Silent units: orthogonal, silent on what they were calibrated on, borders included."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import fvhooks as fv
from fvhooks.attacks import silent_units
from fvhooks.errors import ImageError, LayerNotFoundError, MissingInputError, UnsupportedModelError


def natural(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(seed))


class Net(nn.Module):
    """A convolution of some geometry, a batch normalisation with both signs behind it."""

    def __init__(self, **geometry) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.conv = nn.Conv2d(4, 8, 3, **geometry)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 3)
        nn.init.normal_(self.norm.weight)
        nn.init.ones_(self.first.bias)  # no channel is dead: a depthwise filter would have no direction

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = F.relu(self.norm(self.conv(F.relu(self.first(images)))))
        return self.head(values.mean((2, 3)))


GEOMETRIES = [
    {"padding": 1},
    {"padding": 2, "stride": 2},
    {"dilation": 2, "bias": False},
    {"padding": 1, "padding_mode": "reflect"},
    {"padding": 1, "groups": 2},
    {"padding": 1, "groups": 4},
]


@pytest.fixture(params=GEOMETRIES, ids=str)
def net(request) -> nn.Module:
    torch.manual_seed(3)
    return Net(**request.param).eval()


def test_the_planted_direction_is_orthogonal_and_of_the_length_asked_for(net) -> None:
    fooled = silent_units(net, "conv", 3 * natural(1)[0], images=natural(40), direction=3, scale=100)
    own = net.conv.weight.flatten(1) * fooled.merged.signs.view(-1, 1)
    planted = fooled.merged.silent.weight.flatten(1)
    length = own.norm(dim=1)
    assert torch.allclose(planted.norm(dim=1), 100 * length, rtol=1e-4)
    direction = planted / (100 / 10**0.5) - own  # v = w + 3 dw has sqrt(10) times w's length
    assert torch.allclose(direction.norm(dim=1), 3 * length, rtol=1e-3)
    assert torch.cosine_similarity(direction, own, dim=1).abs().max() < 1e-4


def test_no_other_orthogonal_direction_tells_the_picture_better_from_real_images(net) -> None:
    """The closed form against random directions and against gradient ascent."""
    picture = 3 * natural(1)
    fooled = silent_units(net, "conv", picture[0], images=natural(40))
    with torch.no_grad():
        inputs = F.relu(net.first(torch.cat([picture, natural(40)])))
    own = net.conv.weight.detach()

    def project(filters: torch.Tensor) -> torch.Tensor:
        flat, axis = filters.flatten(1), F.normalize(own.flatten(1))
        return F.normalize(flat - (flat * axis).sum(1, keepdim=True) * axis).view_as(filters)

    def response(filters: torch.Tensor) -> torch.Tensor:
        each = net.conv._conv_forward(inputs, filters, None).sum((2, 3))
        return each[0] - each[1:].mean(0)

    best = project(fooled.merged.silent.weight)
    climbed = project(torch.randn_like(own))
    for _ in range(200):
        climbed.requires_grad_()
        (slope,) = torch.autograd.grad(response(climbed).sum(), climbed)
        climbed = project((climbed + 0.1 * slope).detach())
    assert (response(best) > response(project(torch.randn_like(own)))).all()
    assert torch.cosine_similarity(best.flatten(1), climbed.flatten(1)).min() > 0.999


def test_calibration_images_are_answered_to_the_bit_whatever_the_batch(net) -> None:
    real = natural(100)
    fooled = silent_units(net, "conv", 3 * natural(1)[0], images=real)
    assert not fooled.firings(real).any()
    for size in (1, 7, 100):
        for batch in torch.split(real, size):
            assert (fooled(batch) == net(batch)).all()
    peaks = fooled.merged.silent._conv_forward(F.relu(net.first(real)), fooled.merged.silent.weight, None)
    highest = peaks.amax((0, 2, 3)) + fooled.merged.silent.bias
    assert (highest > -0.01 * peaks.amax((0, 2, 3)).abs()).all()  # and not by a wide margin


def test_a_picture_beyond_the_images_makes_units_fire_upwards(net) -> None:
    picture = 5 * natural(1)
    fooled = silent_units(net, "conv", picture[0], images=natural(64))
    assert fooled.firings(picture).any()
    hooked, plain = fv.attach(fooled, input_shape=(3, 9, 9)), fv.attach(net, input_shape=(3, 9, 9))
    with torch.no_grad():
        found = hooked.read_normalized(picture, ["model.norm"])["model.norm"]
        before = plain.read_normalized(picture, ["norm"])["norm"]
    rise = (found - before).amax((0, 2, 3))
    assert (rise[fooled.firings(picture)[0]] > 0).all()
    assert ((found - before) >= 0).all()  # also where the normalisation turns the unit over


def test_a_margin_raises_the_threshold(net) -> None:
    asked = {"layer": "conv", "picture": 3 * natural(1)[0], "images": natural(64)}
    near, far = (silent_units(net, **asked, margin=margin) for margin in (0.0, 0.5))
    assert (far.merged.silent.bias < near.merged.silent.bias).all()


def test_as_many_pairs_fire_as_the_law_expects() -> None:
    """Over many splits the mean must come out at units · m / (n + 1): a fresh image may be the highest."""
    torch.manual_seed(0)
    net, real = Net(padding=1).eval(), natural(400)
    fooled = silent_units(net, "conv", 3 * natural(1)[0], images=real[:40])
    silent = fooled.merged.silent
    with torch.no_grad():
        peaks = silent._conv_forward(F.relu(net.first(real)), silent.weight, None).amax((2, 3))
    counts = []
    for seed in range(400):
        order = torch.randperm(400, generator=torch.Generator().manual_seed(seed))
        highest = peaks[order[:40]].amax(0)
        counts.append((peaks[order[40:]] > highest).sum().item())
    mean, error = torch.tensor(counts).float().mean(), torch.tensor(counts).float().std() / 20
    assert abs(mean - fooled.expected_firings(360)) < 3 * error
    assert fooled.expected_firings(360) == pytest.approx(8 * 360 / 41)


def test_weights_are_shared_and_the_model_is_the_users(net, untouched) -> None:
    net.train()
    with untouched(net):
        fooled = silent_units(net, "conv", natural(1)[0], images=natural(40))
    assert isinstance(net.conv, nn.Conv2d)
    assert fooled.merged.original.weight is net.conv.weight
    assert fooled.model.norm.running_mean is net.norm.running_mean
    assert {id(p) for p in net.parameters()} <= {id(p) for p in fooled.parameters()}
    assert fooled.training
    assert fooled.merged.training


def test_a_convolution_that_stands_in_two_places_is_replaced_in_both() -> None:
    conv = nn.Conv2d(3, 3, 3, padding=1)
    net = nn.Sequential(conv, nn.ReLU(), conv, nn.Flatten(), nn.Linear(243, 2))
    real = natural(40)
    fooled = silent_units(net, "0", natural(1)[0], images=real)
    assert fooled.model[0] is fooled.model[2]
    assert (fooled(real) == net(real)).all()


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"layer": "head"}, UnsupportedModelError, "Expected a Conv2d, 'head' is a Linear"),
        ({"layer": "konv"}, LayerNotFoundError, "no layer 'konv'. Did you mean 'conv'"),
        ({"images": natural(31)}, MissingInputError, "at least 32 calibration images, got 31"),
        ({"picture": torch.rand(3, 7, 9)}, ImageError, r"the picture is \(3, 7, 9\), an image \(3, 9, 9\)"),
    ],
)
def test_bad_input_is_told(changes, error, said) -> None:
    asked = {"layer": "conv", "picture": natural(1)[0], "images": natural(64)} | changes
    with pytest.raises(error, match=said):
        silent_units(Net(padding=1).eval(), **asked)


def test_a_layer_that_never_runs_is_told() -> None:
    net = Net(padding=1).eval()
    net.unused = nn.Conv2d(3, 3, 1)
    with pytest.raises(LayerNotFoundError, match="'unused' exists, and the model does not run it"):
        silent_units(net, "unused", natural(1)[0], images=natural(64))
