"""Groups of images, and the pictures that the Mind's Eye makes of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.errors import MissingInputError
from fvhooks.synthesis.engine import Plan
from fvhooks.synthesis.gradients import term_gradients
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.objectives import Seen
from fvhooks.synthesis.objectives.set_response import RaisedChannels
from fvhooks.synthesis.recipes import Request
from fvhooks.synthesis.recipes.minds_eye import MindsEye
from fvhooks.synthesis.sets import find_clusters, mean_activations, strongest_channels

COLOURS = torch.eye(3)


@pytest.fixture(scope="module")
def hooked() -> fv.HookedModel:
    """A layer of three channels that are the colours, and one of six that mix them."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU(), nn.Conv2d(3, 6, 3), nn.ReLU())
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(3)[..., None, None])
    return fv.attach(net, mean=[0.0] * 3, std=[1.0] * 3, input_shape=(3, 8, 8))


def coloured(each: int = 6) -> torch.Tensor:
    """Pictures in three colours, one colour after the other."""
    generator = torch.Generator().manual_seed(1)
    noise = 0.1 * torch.rand(3 * each, 3, 8, 8, generator=generator)
    return (0.1 + 0.7 * COLOURS.repeat_interleave(each, 0)[..., None, None] + noise).clamp(0, 1)


def test_planted_groups_are_found_and_the_nearest_stand_for_them(hooked: fv.HookedModel) -> None:
    images = coloured()
    images[0] = torch.tensor([0.5, 0.3, 0.1])[:, None, None]  # of the first group, but far from its centre
    found = find_clusters(hooked, "1", images, 3, members=4)
    groups = [set(np.flatnonzero(found.group == cluster).tolist()) for cluster in range(3)]
    assert sorted(groups, key=min) == [set(range(6)), set(range(6, 12)), set(range(12, 18))]
    for members, weights in zip(found.members, found.weights, strict=True):
        assert len(members) == 4
        assert 0 not in members  # nearest, not farthest
        assert weights.sum() == pytest.approx(1)
        assert (np.diff(weights) <= 0).all()
    targets = [
        weights @ found.means[members] for members, weights in zip(found.members, found.weights, strict=True)
    ]
    np.testing.assert_allclose(found.targets, np.stack(targets), rtol=1e-6)


def test_equal_images_have_equal_weights(hooked: fv.HookedModel) -> None:
    found = find_clusters(hooked, "1", torch.full((5, 3, 8, 8), 0.5), 1)
    np.testing.assert_allclose(found.weights[0], 0.2)
    one = find_clusters(hooked, "1", torch.full((1, 3, 8, 8), 0.5), 1)
    assert one.weights[0].tolist() == [1.0]


def test_exactly_so_many_channels_under_ties() -> None:
    targets = np.array([[0.0, 2.0, 2.0, 2.0, 0.0], [0.0] * 5], np.float32)
    plain, ones = np.zeros_like(targets), np.ones_like(targets)
    assert strongest_channels(targets, 2, plain, ones).tolist() == [[1, 2], [0, 1]]
    mean = np.array([[0, 2, 2, 1, 0]] * 2, np.float32)
    assert strongest_channels(targets, 1, mean, ones)[0].tolist() == [3]


def test_too_few_images_for_groups(hooked: fv.HookedModel) -> None:
    with pytest.raises(MissingInputError, match="2 images are too few for 3 groups"):
        find_clusters(hooked, "1", torch.rand(2, 3, 8, 8), 3)
    with pytest.raises(MissingInputError, match="do not fall into 2 groups"):
        find_clusters(hooked, "1", torch.full((5, 3, 8, 8), 0.5), 2)


def test_sets_are_named_and_checked() -> None:
    images = torch.zeros(2, 3, 8, 8)
    assert fv.ImageSet("1", images, name="a").id == "1:a"
    assert fv.ImageSet("1", images).id == fv.ImageSet("1", images.numpy()).id
    assert fv.ImageSet("1", images).id != fv.ImageSet("1", images + 0.1).id
    with pytest.raises(MissingInputError, match="one image or more"):
        fv.ImageSet("1", images[:0])


def test_each_facet_shows_its_own_group(hooked: fv.HookedModel) -> None:
    images = coloured()
    colours = fv.ImageSet("1", images, name="colours")
    recipe = MindsEye(channels=1, start="noise", rate=0.5)  # far from grey is far in natural colours
    vis = fv.visualize(hooked, colours, recipe, facets=3, seeds=3, show_progress=False)
    assert vis.recipe == "minds_eye"
    found = find_clusters(hooked, "1", images, 3)
    shown = mean_activations(hooked, "1", torch.from_numpy(vis.images.values[0]))
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)  # noqa: E731
    likeness = unit(shown) @ unit(found.targets).T
    assert likeness.argmax(1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(vis.data.activation.values[0], np.diag(likeness), atol=0.02)
    assert vis.data.activation.min() > 0.9
    assert vis.data.unit.values.tolist() == ["1:colours"]
    assert vis.data.channel.values.tolist() == [-1]


@pytest.mark.parametrize("start", ["blend", "medoid", "noise"])
def test_every_start(hooked: fv.HookedModel, start: str) -> None:
    images = coloured()[:6]
    vis = fv.visualize(
        hooked,
        fv.ImageSet("3", images),
        MindsEye(start=start, noise=0.0),
        seeds=1,
        steps=1,
        show_progress=False,
    )
    distance = np.abs(vis.images.values[0, 0] - images.mean(0).numpy()).mean()
    assert (distance < 0.05) == (start != "noise")


def test_wrong_starts_sizes_and_targets(hooked: fv.HookedModel) -> None:
    with pytest.raises(MissingInputError, match="Expected start to be one of"):
        fv.visualize(hooked, fv.ImageSet("1", coloured()), MindsEye(start="grey"), show_progress=False)
    with pytest.raises(MissingInputError, match=r"Expected images of shape \(3, 8, 8\), got \(3, 9, 9\)"):
        fv.visualize(hooked, fv.ImageSet("1", torch.rand(2, 3, 9, 9)), "minds_eye", show_progress=False)
    with pytest.raises(MissingInputError, match="shows a set of images"):
        fv.visualize(hooked, fv.Direction("1", np.ones(3), "d"), "minds_eye", show_progress=False)
    both = [fv.ImageSet("1", coloured()), fv.Unit("1", 0)]
    with pytest.raises(MissingInputError, match="sets of images or units of a layer, got both"):
        fv.visualize(hooked, both, "minds_eye", show_progress=False)
    with pytest.raises(MissingInputError, match="does not fire: show it with recipe='minds_eye'"):
        fv.visualize(hooked, fv.ImageSet("1", coloured()), "fourier", show_progress=False)


def planned(hooked: fv.HookedModel, images: torch.Tensor, recipe: MindsEye, facets: int = 1) -> Plan:
    return recipe.plan(Request(hooked, [fv.ImageSet("3", images)], None, None, facets, facets, (3, 8, 8)))


def test_as_coded_takes_the_activations_as_they_are(hooked: fv.HookedModel) -> None:
    """The loss of the public code, written out: minus ΣT a t, the mean of √(1+(a−t)²)−1, λ Σ|z|."""
    images = coloured()[:6]
    recipe = replace(MindsEye.as_coded(penalty_layer="1"), channels=2, jitter=0.0, variation=0.0)
    plan = planned(hooked, images, recipe)
    shown = torch.rand(2, 3, 8, 8)
    means = mean_activations(hooked, "3", images)
    groups = find_clusters(hooked, "3", images)
    target = groups.weights[0] @ means[groups.members[0]]
    strongest = np.argsort(-target)[:2]
    penalised = hooked.read(shown, ["1"])["1"].abs().sum((1, 2, 3)).numpy()
    for row, answer in enumerate(mean_activations(hooked, "3", shown)):
        wanted = [
            -(answer[strongest] * target[strongest]).sum(),
            (np.sqrt(1 + (answer - target) ** 2) - 1).mean(),
            0.0,
            3e-4 * penalised[row],
        ]
        seen = Seen(look(hooked, shown, plan.layers), shown, torch.zeros(2, dtype=torch.long))
        found = [weight * float(term(seen)[row]) for weight, term in plan.terms]
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_every_group_is_pulled_by_its_own_target_alone(hooked: fv.HookedModel) -> None:
    """The public code pushes every picture towards the channels of every group."""
    plan = planned(hooked, coloured(), MindsEye(channels=1), facets=3)
    shown = torch.rand(1, 3, 8, 8)
    raised = [term_gradients(hooked, plan, shown, [owner])["RaisedChannels"].item() for owner in range(3)]
    term = plan.terms[0][1]
    assert isinstance(term, RaisedChannels)
    other = replace(term, targets=term.targets * torch.tensor([[1.0], [9.0], [9.0]]))
    changed = replace(plan, terms=[(1.0, other), *plan.terms[1:]])
    assert term_gradients(hooked, changed, shown, [0])["RaisedChannels"].item() == raised[0]
    assert term_gradients(hooked, changed, shown, [1])["RaisedChannels"].item() != raised[1]


def test_lengths_of_gradients_by_finite_differences(hooked: fv.HookedModel) -> None:
    recipe = MindsEye(penalty_layer=("1", 0.5))
    plan, shown = planned(hooked, coloured(), recipe), torch.rand(2, 3, 8, 8)
    found = term_gradients(hooked, plan, shown, [0, 0])
    assert list(found) == ["RaisedChannels", "NearTargets", "TotalVariation", "Sparsity"]
    twice = term_gradients(
        hooked, planned(hooked, coloured(), replace(recipe, near_weight=2.0)), shown, [0, 0]
    )
    torch.testing.assert_close(twice["NearTargets"], 2 * found["NearTargets"])

    def loss(images: torch.Tensor) -> torch.Tensor:
        return plan.terms[1][1](Seen(look(hooked, images, plan.layers), images, torch.tensor([0])))

    one = shown[:1].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(one).sum(), one)
    assert found["NearTargets"][0].item() == pytest.approx(float(gradient.norm()))
    direction = 0.02 * gradient / gradient.norm()
    change = loss(shown[:1] + direction / 2) - loss(shown[:1] - direction / 2)
    assert float(change) == pytest.approx(0.02 * found["NearTargets"][0].item(), rel=0.05)
