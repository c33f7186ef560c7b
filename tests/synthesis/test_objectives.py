"""Each objective against a few lines of its definition."""

import pytest
import torch

from fvhooks.synthesis.objectives import Seen
from fvhooks.synthesis.objectives.activation import Activation
from fvhooks.synthesis.objectives.pixel_norm import PixelNorm
from fvhooks.synthesis.objectives.sort_matching import SortMatching
from fvhooks.synthesis.objectives.total_variation import TotalVariation
from fvhooks.units import Direction, Layout, Unit

LAYOUT = Layout("map", 4, (3, 3))


def seen(pictures: torch.Tensor | None = None, owner: list[int] | None = None) -> Seen:
    values = torch.arange(2 * 4 * 9, dtype=torch.float32).view(2, 4, 9)
    return Seen(
        {"a": values},
        torch.zeros(2, 3, 4, 4) if pictures is None else pictures,
        torch.tensor(owner or [0, 1]),
    )


def test_activation_of_channels_positions_and_directions() -> None:
    units = [
        Unit("a", 2),
        Unit("a", 1, (0, 2)),
        Direction("a", torch.tensor([0.0, 1.0, 0.0, 1.0]).numpy(), "d"),
    ]
    values = seen().activations["a"]
    assert Activation(units[:2], LAYOUT)(seen()).tolist() == [-values[0, 2].mean(), -values[1, 1, 2]]
    expected = -(values[0, 1] + values[0, 3]).mean()
    assert Activation(units, LAYOUT)(seen(owner=[2, 0]))[0] == pytest.approx(expected.item())


@pytest.mark.parametrize("relative", [True, False])
def test_sort_matching_weighs_channels_and_layers(relative: bool) -> None:
    values = torch.randn(2, 4, 9)
    profiles, weights = torch.randn(2, 4, 9).sort(-1).values, torch.rand(2, 4)
    objective = SortMatching("a", profiles, weights, relative)
    got = objective(Seen({"a": values}, torch.zeros(2, 3, 4, 4), torch.tensor([1, 0])))
    for picture, which in enumerate([1, 0]):
        squares = ((values[picture].sort(-1).values - profiles[which]) ** 2).sum(-1)
        scale = (weights[which] * (profiles[which] ** 2).sum(-1)).sum() if relative else 4 * 9
        assert got[picture].item() == pytest.approx(
            ((weights[which] * squares).sum() / scale).item(), rel=1e-4
        )


def test_sort_matching_of_equal_weights_is_the_mean_square() -> None:
    values, profile = torch.randn(1, 4, 9), torch.randn(1, 4, 9).sort(-1).values
    loss = SortMatching("a", profile, torch.ones(1, 4), relative=False)
    got = loss(Seen({"a": values}, torch.zeros(1, 3, 4, 4), torch.tensor([0])))
    torch.testing.assert_close(got[0], (values.sort(-1).values - profile).square().mean())


def test_total_variation_of_a_step() -> None:
    pictures = torch.zeros(2, 1, 3, 4)
    pictures[0, ..., 2:] = 1  # one step down the middle: 3 rows across, 2 on each diagonal, none down
    got = TotalVariation()(seen(pictures))
    assert got.tolist() == pytest.approx([3**0.5 + 0 + 2 * 2**0.5, 0])


def test_pixel_norm_is_not_squared() -> None:
    picture = torch.zeros(2, 3, 2, 2)
    picture[0, 0, 0] = torch.tensor([3.0, 4.0])
    assert PixelNorm()(seen(picture)).tolist() == [5.0, 0.0]
