"""Each objective against a few lines of its definition."""

import pytest
import torch

from fvhooks.synthesis.objectives import Seen, Sum
from fvhooks.synthesis.objectives.activation import Activation
from fvhooks.synthesis.objectives.channel_statistics import ChannelStatistics
from fvhooks.synthesis.objectives.closeness import Closeness
from fvhooks.synthesis.objectives.diversity import Diversity
from fvhooks.synthesis.objectives.evenness import Evenness
from fvhooks.synthesis.objectives.likelihood import Likelihood
from fvhooks.synthesis.objectives.pixel_norm import PixelNorm
from fvhooks.synthesis.objectives.roughness import Roughness
from fvhooks.synthesis.objectives.set_response import NearTargets, RaisedChannels
from fvhooks.synthesis.objectives.sort_matching import SortMatching
from fvhooks.synthesis.objectives.sparsity import Sparsity
from fvhooks.synthesis.objectives.style import Style
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


def test_objectives_are_added_and_weighted() -> None:
    fires, varies = Activation([Unit("a", 1)], LAYOUT), TotalVariation()
    pictures = torch.rand(2, 3, 4, 4)
    look = seen(pictures, [3, 7])  # a single unit is every picture's
    both = 2 * fires - (varies + PixelNorm()) * 0.5
    expected = 2 * fires(look) - 0.5 * varies(look) - 0.5 * PixelNorm()(look)
    torch.testing.assert_close(both(look), expected)
    assert both.layers == ("a",)
    assert isinstance(both, Sum)
    assert [weight for weight, _ in both.terms] == [2.0, -0.5, -0.5]


def test_likelihood_is_cross_entropy_of_each_owner() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.0, 3.0, 1.0]])
    look = Seen({"logits": logits[..., None]}, torch.zeros(2, 3, 4, 4), torch.tensor([1, 0]))
    got = Likelihood([Unit.logit(0), Unit.logit(2)])(look)
    torch.testing.assert_close(got, -torch.log_softmax(logits, 1)[[0, 1], [2, 0]])


def test_evenness_is_the_variance_of_logarithmic_probabilities() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5], [4.0, 4.0, 4.0]])
    look = Seen({"logits": logits[..., None]}, torch.zeros(2, 3, 4, 4), torch.tensor([0, 0]))
    likely = (logits.exp() / logits.exp().sum(1, keepdim=True)).log()
    torch.testing.assert_close(Evenness()(look), ((likely - likely.mean(1, keepdim=True)) ** 2).mean(1))


def test_evenness_is_felt_where_the_model_is_sure() -> None:
    logits = torch.tensor([[[60.0], [0.0], [0.0]]], requires_grad=True)
    Evenness()(Seen({"logits": logits}, torch.zeros(1, 3, 4, 4), torch.tensor([0]))).sum().backward()
    assert logits.grad is not None
    assert logits.grad.flatten().sign().tolist() == [1, -1, -1]


def test_roughness_is_the_same_at_every_size() -> None:
    slopes = [torch.arange(side).float().expand(2, 3, side, side) / 10 for side in (4, 9)]
    for slope in slopes:
        assert Roughness()(seen(slope)).tolist() == pytest.approx([0.01, 0.01])


def test_channel_statistics_are_zero_where_they_agree() -> None:
    values = seen().activations["a"]
    mean, deviation = values[0].mean(-1), values[0].std(-1, unbiased=False)
    exact = ChannelStatistics("a", mean, deviation)(seen())
    assert exact[0].item() == pytest.approx(0, abs=1e-8)
    assert exact[1].item() == pytest.approx(((values[1].mean(-1) - mean) / deviation).square().mean().item())
    without = ChannelStatistics("a", mean * 0 + 5, torch.zeros(4).index_fill(0, torch.tensor([2]), 1.0))(
        seen()
    )
    spread = values[0, 2].std(unbiased=False).item() - 1
    assert without[0].item() == pytest.approx((values[0, 2].mean().item() - 5) ** 2 + spread**2, rel=1e-4)


def test_closeness_is_relative_and_blind_to_shifts() -> None:
    values = seen().activations["a"]
    means = values.mean(-1)
    rolled = Seen({"a": values.roll(3, -1)}, torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]))
    assert Closeness("a", means)(rolled).tolist() == pytest.approx([0, 0], abs=1e-9)
    assert Closeness("a", 2 * means)(rolled).tolist() == pytest.approx([0.25, 0.25])


def test_diversity_couples_only_pictures_of_one_unit() -> None:
    values = torch.randn(3, 4, 9)
    values[1] = values[0]
    look = Seen({"a": values}, torch.zeros(3, 3, 4, 4), torch.tensor([0, 0, 1]))
    assert Diversity("a")(look).tolist() == pytest.approx([1, 1, 0], abs=1e-6)


def test_style_is_blind_to_places() -> None:
    values = torch.randn(2, 4, 9)
    shuffled = Seen({"a": values[:, :, torch.randperm(9)]}, torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]))
    assert Style.of("a", values)(shuffled).tolist() == pytest.approx([0, 0], abs=1e-9)
    assert Style.of("a", values.flip(0))(shuffled).min() > 0.1


def test_set_response_moves_only_the_channels_of_its_own_target() -> None:
    values = torch.rand(2, 4, 9, requires_grad=True)
    targets, channels = torch.rand(2, 4) + 0.5, torch.tensor([[0, 1], [2, 3]])
    look = Seen({"a": values}, torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]))
    centre, scale = torch.full((2, 4), 0.2), torch.full((2, 4), 2.0)
    raised = RaisedChannels("a", targets, channels, centre, scale)(look)
    theirs = targets[0, :2] - 0.2
    expected = -((values[0].mean(-1)[:2] - 0.2) * theirs).sum() / theirs.square().sum()
    torch.testing.assert_close(raised[0], expected)
    raised.sum().backward()
    assert values.grad is not None
    assert (values.grad[0, 2:] == 0).all()
    assert (values.grad[1, :2] == 0).all()
    near = NearTargets("a", targets, scale)(look)
    rest = (values.mean(-1) - targets) / 2
    torch.testing.assert_close(near, ((rest**2 + 1).sqrt() - 1).mean(1))


def test_sparsity_is_the_mean_size() -> None:
    values = seen().activations["a"] - 30
    look = Seen({"a": values}, torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]))
    expected = values.abs().mean((1, 2)) / torch.tensor([2.0, 4.0])
    torch.testing.assert_close(Sparsity("a", torch.tensor([2.0, 4.0]))(look), expected)


def test_how_a_unit_counts_does_not_depend_on_the_others_of_its_plan() -> None:
    generator = torch.Generator().manual_seed(0)
    profiles = torch.rand(7, 33, 517, generator=generator)
    weights = torch.rand(7, 33, generator=generator)
    together = SortMatching("a", profiles, weights).factors
    for unit in range(7):
        alone = SortMatching("a", profiles[unit : unit + 1], weights[unit : unit + 1]).factors
        assert torch.equal(alone[0], together[unit])
