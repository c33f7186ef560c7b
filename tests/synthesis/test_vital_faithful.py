"""The published schedule of VITAL, each part against a few slow lines, and its switches."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from captum.attr import LayerGradientXActivation
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.errors import LayerNotFoundError, MissingInputError, UnsupportedModelError
from fvhooks.hooks import Preprocessing
from fvhooks.relevance.aims import AimedRelevance
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.objectives import Seen
from fvhooks.synthesis.objectives.pixel_norm import PixelNorm
from fvhooks.synthesis.objectives.rank_gather import RankGather
from fvhooks.synthesis.objectives.sort_matching import SortMatching
from fvhooks.synthesis.objectives.total_variation import TotalVariation
from fvhooks.synthesis.parametrisations.pixels import NormalizedPixels
from fvhooks.synthesis.recipes import Request
from fvhooks.synthesis.recipes.vital_faithful import VitalFaithful
from fvhooks.synthesis.references.crops import ranked_patches
from fvhooks.synthesis.references.masking import Masking, importance, measure, minmax_mask
from fvhooks.synthesis.references.published_nodes import published_nodes
from fvhooks.synthesis.transforms import Flip

Untouched = Callable[[nn.Module], AbstractContextManager[None]]
SIZE = (3, 32, 32)
DEEP = tuple(f"encoder.layers.encoder_layer_{number}" for number in (2, 9, 20, 23))
PUBLISHED: dict[str, Any] = {
    "resnet50": (
        ("conv1", "layer1", "layer2", "layer3", "layer4"),
        (1, 1, 1, 1, 1),
        0.0,
        [(64, 112, 112), (256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)],
    ),
    "densenet121": (
        ("features.conv0", *(f"features.denseblock{number}" for number in (1, 2, 3, 4))),
        (1, 1, 1, 1, 100),
        0.0,
        [(64, 112, 112), (256, 56, 56), (512, 28, 28), (1024, 14, 14), (1024, 7, 7)],
    ),
    "convnext_base": (
        ("features.0", "features.2.1", "features.4.1", "features.6.1", "features.7.2"),
        (10, 1, 1, 1, 1),
        0.0,
        [(128, 56, 56), (256, 28, 28), (512, 14, 14), (1024, 7, 7), (1024, 7, 7)],
    ),
    "vit_l_16": (("conv_proj", *DEEP), (1, 1, 1, 1, 1), 3e-3, [(16, 14, 14), *[(197, 16)] * 4]),
    "vit_l_32": (("conv_proj", *DEEP), (1, 1, 1, 1, 0.1), 3e-4, [(16, 7, 7), *[(50, 16)] * 4]),
}
INNER = [fv.Unit("layer3", 4), fv.Unit("layer3", 9)]


def built(architecture: str) -> nn.Module:
    """As torchvision builds it; ViT-L as deep, but narrow."""
    if architecture.startswith("vit_l"):
        return torchvision.models.VisionTransformer(224, int(architecture[-2:]), 24, 2, 16, 32)
    return torchvision.models.get_model(architecture, weights=None)


class Block(nn.Module):
    """A residual block with a functional ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.skip = nn.Conv2d(inputs, outputs, 1, 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        nn.init.constant_(self.bn.bias, 0.5)  # every channel fires

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.bn(self.conv(x)) + self.skip(x))


class Net(nn.Module):
    """A small ResNet with a max-pooling, as the published ones have."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, 1, 1, bias=False), nn.BatchNorm2d(6)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.layer1, self.layer2, self.layer3 = Block(6, 8), Block(8, 10), Block(10, 12)
        self.fc = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.pool(torch.relu(self.bn1(self.conv1(x))))
        return self.fc(self.layer3(self.layer2(self.layer1(maps))).mean((2, 3)))


@pytest.fixture(scope="module")
def hooked() -> fv.HookedModel:
    torch.manual_seed(1)
    return fv.attach(Net(), mean=[0.4, 0.5, 0.6], std=[0.2, 0.25, 0.3], input_shape=SIZE)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(60, *SIZE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def store(hooked: fv.HookedModel, images: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> fv.Store:
    dataset = TensorDataset((images * 255).to(torch.uint8), torch.arange(60) % 3)
    path = tmp_path_factory.mktemp("faithful") / "s.zarr"
    return fv.collect(hooked, dataset, path, layers=["layer3"], show_progress=False)


def made(hooked: fv.HookedModel, units: Any, store: fv.Store | None, **settings: Any) -> fv.Visualizations:
    recipe = VitalFaithful(**{"count": 4, "candidates": 6} | settings)
    return fv.visualize(hooked, units, recipe, store, seeds=1, steps=4, show_progress=False)


def planned(hooked: fv.HookedModel, units: Any, store: fv.Store | None, **settings: Any) -> Any:
    recipe = VitalFaithful(**{"count": 4, "candidates": 6} | settings)
    return recipe.plan(Request(hooked, units, store, None, 1, 1, SIZE))


class TestScaffold:
    def test_learning_rate(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        schedule = planned(hooked, [fv.Unit.logit(0)], store).schedule
        assert (schedule.steps, schedule.betas) == (2000, (0.5, 0.9))
        expected = [0.01, 1.0, 1.0, 0.5, 0.5 * (1 + np.cos(np.pi * 1899 / 1900))]
        np.testing.assert_allclose([schedule.at(t) for t in (0, 99, 100, 1050, 1999)], expected, atol=1e-12)

    def test_pixels_are_clamped_to_the_valid_range(self) -> None:
        known = Preprocessing((0.4, 0.5, 0.6), (0.2, 0.25, 0.3), SIZE)
        pictures = NormalizedPixels(SIZE, [torch.Generator().manual_seed(0)], known)
        assert abs(float(pictures.pixels.detach().std()) - 1) < 0.05  # N(0, 1), where the model takes them
        torch.testing.assert_close(known.normalize(pictures.images()), pictures.pixels)
        with torch.no_grad():
            pictures.pixels.mul_(100)
        pictures.constrain()
        for channel, (mean, std) in enumerate(zip(known.mean, known.std, strict=True)):
            values = pictures.pixels.detach()[:, channel]
            np.testing.assert_allclose(
                [float(values.min()), float(values.max())], [-mean / std, (1 - mean) / std], rtol=1e-5
            )

    def test_norms_of_the_normalised_picture(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        pictures = torch.rand(2, *SIZE)
        with_norms = planned(hooked, [fv.Unit.logit(0)], store, variation=0.3, norm=0.7)
        _, penalty = with_norms.terms[1]
        x = (
            (
                (pictures - torch.tensor([0.4, 0.5, 0.6]).view(-1, 1, 1))
                / torch.tensor([0.2, 0.25, 0.3]).view(-1, 1, 1)
            )
            .double()
            .numpy()
        )
        expected = []
        for one in x:  # each picture alone, whoever is beside it
            across, down = one[..., 1:] - one[..., :-1], one[:, 1:] - one[:, :-1]
            diagonals = one[:, 1:, 1:] - one[:, :-1, :-1], one[:, 1:, :-1] - one[:, :-1, 1:]
            variation = sum(np.sqrt((d**2).sum()) for d in (across, down, *diagonals))
            expected.append(0.3 * variation + 0.7 * np.sqrt((one**2).sum()))
        found = penalty(Seen({}, pictures, torch.tensor([0, 0])))
        np.testing.assert_allclose(found, expected, rtol=1e-5)

    def test_norms_of_a_toy_picture(self) -> None:
        toy = Seen({}, torch.tensor([[[[0.0, 3.0], [4.0, 0.0]]]]), torch.tensor([0]))
        assert PixelNorm()(toy).tolist() == [5.0]
        assert TotalVariation()(toy).tolist() == [5.0 + 5.0 + 0.0 + 1.0]

    def test_mirrored_by_a_coin(self) -> None:
        picture = torch.arange(4.0).view(1, 1, 1, 4)
        seen = {
            tuple(Flip()(picture, [torch.Generator().manual_seed(n)]).flatten().tolist()) for n in range(20)
        }
        assert seen == {(0, 1, 2, 3), (3, 2, 1, 0)}


class TestLoss:
    def test_sorting_anew_gives_the_same_value_and_gradient(self) -> None:
        references, weights = torch.randn(3, 5, 4, 7), torch.rand(3, 4)
        owner = torch.tensor([2, 0, 2])
        values = torch.randn(3, 4, 7, requires_grad=True)
        profiles = references.sort(-1).values.mean(1)
        cached = SortMatching("x", profiles, weights, relative=False)
        anew = RankGather("x", tuple(references), weights)
        gradients = []
        for objective in (cached, anew):
            loss = objective(Seen({"x": values}, torch.zeros(3, 3, 2, 2), owner))
            (gradient,) = torch.autograd.grad(loss.sum(), values)
            gradients.append(torch.cat([loss.detach(), gradient.flatten()]))
        torch.testing.assert_close(gradients[0], gradients[1])
        slow = ((values.detach().sort(-1).values - profiles[owner]) ** 2 * weights[owner][..., None]).mean(
            (1, 2)
        )
        torch.testing.assert_close(gradients[0][:3], slow)

    @pytest.mark.parametrize("units", [[fv.Unit.logit(1)], INNER])
    def test_resorting_changes_nothing_but_the_time(
        self, units: list[fv.Unit], hooked: fv.HookedModel, store: fv.Store
    ) -> None:
        cached, anew = (planned(hooked, units, store, resort=resort) for resort in (False, True))
        pictures, owner = torch.rand(2, *SIZE), torch.tensor([0, len(units) - 1])
        seen = Seen(look(hooked, pictures, cached.layers), pictures, owner)
        torch.testing.assert_close(cached.terms[0][1](seen), anew.terms[0][1](seen), rtol=1e-4, atol=1e-9)

    @pytest.mark.parametrize("relevance", ["lrp_zplus", "lrp_restricted", "guided_bp", "none"])
    def test_the_only_reference_has_no_loss(
        self, relevance: str, hooked: fv.HookedModel, images: torch.Tensor
    ) -> None:
        one = images[:1]
        plan = planned(hooked, INNER[:1], None, images=one, relevance=relevance, variation=0.0, norm=0.0)
        others = torch.cat([one, images[1:2]])
        seen = Seen(look(hooked, others, plan.layers), others, torch.tensor([0, 0]))
        loss = plan.terms[0][1](seen)
        assert loss[0] < 1e-9
        assert loss[1] > 1e3 * loss[0]

    def test_references_are_the_same_however_they_are_cut(
        self, hooked: fv.HookedModel, images: torch.Tensor
    ) -> None:
        found = measure(hooked, images[:11], ["layer1", "layer2"], Masking())
        for node, one in found.items():
            values = hooked.read(images[:11], [node])[node].flatten(2).detach().double()
            torch.testing.assert_close(
                one.profile.double(), values.sort(-1).values.mean(0), rtol=1e-5, atol=1e-6
            )


class TestRelevance:
    @pytest.mark.parametrize(
        "relevance",
        [
            "lrp_zplus",
            "lrp_restricted",
            "guided_bp",
            "captum:LayerGradientXActivation",
            LayerGradientXActivation,
        ],
    )
    def test_masks_and_weights(
        self, relevance: Any, hooked: fv.HookedModel, images: torch.Tensor, untouched: Untouched
    ) -> None:
        recipe = VitalFaithful(relevance=relevance)
        attributor, start = recipe._attributor()
        with untouched(hooked.model):
            aimed = AimedRelevance(hooked, INNER, ["conv1", "layer1", "layer2"], attributor, start)
            owner = torch.tensor([0, 1, 0, 1])
            found = aimed(images[:4], owner)
            alone = aimed(images[1:2], torch.tensor([1]))
        for node, values in found.items():
            torch.testing.assert_close(alone[node], values[1:2], rtol=1e-4, atol=1e-7)
            mask, weight = minmax_mask(values), importance(values)
            for part in (mask, weight):
                assert part.min() >= 0
                assert 0.9 < part.amax() <= 1
            raw = values.clamp(min=0).numpy().astype(np.float64)
            peaks = raw.max(-1)
            slow = (peaks - peaks.min(1, keepdims=True)) / (np.ptp(peaks, 1, keepdims=True) + 1e-6)
            np.testing.assert_allclose(weight, slow, atol=1e-5)

    def test_relevance_starts_from_the_channels_activation(
        self, hooked: fv.HookedModel, images: torch.Tensor
    ) -> None:
        some = images[:3]
        fired = hooked.read(some, ["layer3"])["layer3"][:, 4].flatten(1).detach()
        assert fired.sum(1).min() > 0
        for start, expected in (("lrp_zplus", fired.sum(1)), ("lrp_restricted", torch.ones(3))):
            attributor, said = VitalFaithful(relevance=start, maxpool_rule="winner")._attributor()
            found = AimedRelevance(hooked, INNER[:1], ["conv1", "layer2"], attributor, said)(
                some, torch.zeros(3, dtype=torch.int64)
            )
            for values in found.values():
                kept = values.sum((1, 2)) / expected  # what a bias made has no input to go to
                assert 0.99 < kept.min() <= kept.max() < 1.0001
                assert values.min() >= 0

    def test_average_pooling_spreads_over_the_window(self) -> None:
        from fvhooks.relevance import FlowLRP

        net = nn.Sequential(nn.Identity(), nn.MaxPool2d(3, 2, 1), nn.Flatten(), nn.Linear(4, 1, bias=False))
        net[3].weight.data = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
        x = torch.tensor([[[[1.0, 3.0, 0, 0], [0, 0, 0, 2.0], [5.0, 5.0, 0, 0], [0, 0, 0, 0]]]])
        relevance, lost = FlowLRP(net, net[0], max_pool="average").attribute(
            x, target=0, return_convergence_delta=True
        )
        # each 2 × 2 window shares what its pooled value got: 1·5 of the 3 × 3 windows around 0 and 2, and 3
        pooled = net[1](x)[0, 0]
        windows = relevance[0, 0].unfold(0, 2, 2).unfold(1, 2, 2).sum((2, 3))
        torch.testing.assert_close(windows, pooled * torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
        torch.testing.assert_close(relevance[0, 0, 0, 1], 3 * relevance[0, 0, 0, 0])
        assert lost.tolist() == [0.0]

    def test_the_default_is_what_can_follow_the_model(
        self, hooked: fv.HookedModel, store: fv.Store, images: torch.Tensor
    ) -> None:
        def relevance(model: fv.HookedModel, unit: fv.Unit, nodes: list[str], **given: Any) -> Any:
            found = VitalFaithful(**given)._relevance(model, SIZE, [unit], nodes)
            return found(images[:2], torch.tensor([0, 0]))[nodes[-1]]

        nodes = ["conv1", "layer2"]
        by_flow = relevance(hooked, INNER[0], nodes, relevance="lrp_zplus")
        torch.testing.assert_close(relevance(hooked, INNER[0], nodes), by_flow)
        torch.manual_seed(0)
        vit = torchvision.models.VisionTransformer(32, 8, 4, 2, 16, 32, num_classes=3)
        transformer = fv.attach(vit, input_shape=SIZE)
        unit, first = fv.Unit("encoder.layers.encoder_layer_1", 3), ["encoder.layers.encoder_layer_0"]
        with pytest.raises(UnsupportedModelError, match="FlowLRP has no rule"):
            relevance(transformer, unit, first, relevance="lrp_zplus")
        by_gradient = relevance(transformer, unit, first, relevance="captum:LayerGradientXActivation")
        torch.testing.assert_close(relevance(transformer, unit, first), by_gradient)

    def test_the_picture_is_masked_anew_in_every_step(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        plan = planned(hooked, INNER[:1], store)
        pictures = torch.rand(1, *SIZE)
        seen = Seen(look(hooked, pictures, plan.layers), pictures, torch.tensor([0]))
        other = Seen(seen.activations, torch.rand(1, *SIZE), seen.owner)
        assert plan.terms[0][1](seen) != plan.terms[0][1](other)  # the same activations, other relevance


class TestNodes:
    @pytest.mark.parametrize("architecture", PUBLISHED)
    def test_published(self, architecture: str) -> None:
        nodes, weights, penalty, shapes = PUBLISHED[architecture]
        hooked = fv.attach(built(architecture), input_shape=(3, 224, 224))
        found = published_nodes(hooked)
        assert found.nodes == nodes
        assert found.weights == weights
        assert (found.variation, found.norm) == (penalty, penalty)
        assert [hooked.probe()[node].shape for node in nodes] == shapes

    def test_a_transformer_of_another_depth(self) -> None:
        vit = torchvision.models.VisionTransformer(32, 8, 6, 2, 16, 32, num_classes=3)
        blocks = tuple(f"encoder.layers.encoder_layer_{number}" for number in (0, 2, 4, 5))
        assert published_nodes(fv.attach(vit, input_shape=SIZE)).nodes == ("conv_proj", *blocks)

    def test_inner_units(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        plan = planned(hooked, INNER, store)
        assert plan.layers == ["conv1", "layer1", "layer2"]
        assert [weight for weight, _ in plan.terms[0][1].objective.terms] == [0.1, 1, 1]
        assert [weight for weight, _ in plan.terms[1][1].objective.terms] == [3e-7, 3e-7]

    def test_another_structure_is_told_what_to_pass(self) -> None:
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3600, 2))
        hooked = fv.attach(net, input_shape=SIZE)
        with pytest.raises(
            UnsupportedModelError, match=r"Sequential is built.*VitalFaithful\(nodes=\('0', '1'\)"
        ):
            made(hooked, fv.Unit.logit(0), None, images=torch.rand(2, *SIZE))

    def test_no_node_before_the_unit(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        with pytest.raises(LayerNotFoundError, match="comes before 'conv1'"):
            made(hooked, fv.Unit("conv1", 0), store)


class TestRecipe:
    def test_pictures_of_all_kinds(
        self, hooked: fv.HookedModel, store: fv.Store, untouched: Untouched
    ) -> None:
        with untouched(hooked.model):
            for units in ([fv.Unit.logit(1), fv.Unit.logit(0)], INNER):
                vis = made(hooked, units, store)
                assert not any("no gradient" in flag for flag in vis.data.flag.values.ravel())
                assert vis.data.alpha.max() == 1

    def test_users_images_need_no_store(self, hooked: fv.HookedModel, images: torch.Tensor) -> None:
        mine = fv.ImageSet("layer3", images[:5], name="mine")
        of_set = made(hooked, mine, None, nodes=("conv1", "layer2"))
        of_unit = made(hooked, fv.Unit.logit(0), None, nodes=("conv1", "layer2"), images=images[:5])
        assert 0 < float(of_set.data.activation[0, 0]) <= 1
        np.testing.assert_allclose(of_set.data.loss[0, 0, 0], of_unit.data.loss[0, 0, 0], rtol=0.2)

    def test_references_of_a_class_are_drawn_by_a_seed(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        profiles = [
            planned(hooked, [fv.Unit.logit(1)], store, seed=seed).terms[0][1].terms[-1][1].profiles
            for seed in (0, 0, 1)
        ]
        assert torch.equal(profiles[0], profiles[1])
        assert not torch.equal(profiles[0], profiles[2])

    def test_patches_are_ranked_by_the_mean_over_each(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        whole, patches = ranked_patches(hooked, store, INNER[0], 4, 6)
        means = hooked.read(patches, ["layer3"])["layer3"][:, 4].mean((1, 2)).tolist()
        assert means == sorted(means, reverse=True)
        assert whole.shape == patches.shape == (4, *SIZE)
        assert (
            made(hooked, INNER[0], store, references="patch_crop").data.loss[0, 0, 0]
            != made(hooked, INNER[0], store).data.loss[0, 0, 0]
        )

    def test_tokens_outside_the_picture_can_be_left_out(self) -> None:
        torch.manual_seed(0)
        vit = torchvision.models.VisionTransformer(32, 8, 12, 2, 16, 32, num_classes=3)
        hooked = fv.attach(vit, input_shape=SIZE)
        plans = [
            planned(hooked, [fv.Unit.logit(0)], None, images=torch.rand(3, *SIZE), vit_include_cls=cls)
            for cls in (True, False)
        ]
        pictures = torch.rand(1, *SIZE)
        seen = Seen(look(hooked, pictures, plans[0].layers), pictures, torch.tensor([0]))
        whole, rest = (plan.terms[0][1](seen) for plan in plans)
        assert whole != rest
        moved = {name: values.clone() for name, values in seen.activations.items()}
        for name, values in moved.items():
            values[..., : hooked.layout(name).prefix] += 5.0
        other = Seen(moved, pictures, seen.owner)
        assert plans[0].terms[0][1](other) > whole
        torch.testing.assert_close(plans[1].terms[0][1](other), rest)

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({"references": "whole"}, r"Expected references to be one of \('whole_image', 'patch_crop'\)"),
            ({"mask": "softmax"}, "Expected mask to be one of"),
            ({"maxpool_rule": "max"}, "Expected maxpool_rule to be one of"),
            ({"relevance": "lrp"}, "Expected relevance to be one of .*'captum:NAME'"),
            ({"relevance": "captum:LayerLRPP"}, "Captum has no attributor 'LayerLRPP'"),
            ({"weights": (1.0,)}, "Expected a weight for each of the 3 nodes"),
            ({"images": torch.rand(2, 3, 8, 8)}, r"Expected images of shape \(3, 32, 32\)"),
        ],
    )
    def test_wrong_settings(
        self, settings: dict[str, Any], expected: str, hooked: fv.HookedModel, store: fv.Store
    ) -> None:
        with pytest.raises(MissingInputError, match=expected):
            made(hooked, INNER, store, **settings)

    def test_one_position(self, hooked: fv.HookedModel, store: fv.Store) -> None:
        with pytest.raises(MissingInputError, match="matches a whole channel"):
            made(hooked, fv.Unit("layer3", 4, position=(0, 0)), store)


@pytest.mark.real
def test_a_real_class_comes_out(shared: ModuleType, tmp_path: Path) -> None:
    model, mean, std = shared.load("cifar10_resnet20")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=SIZE)
    images, labels = shared.cifar10("train")
    chosen = images[labels == 7][:12]
    vis = fv.visualize(
        hooked, fv.Unit.logit(7), VitalFaithful(images=chosen), seeds=2, steps=40, show_progress=False
    )
    logits = hooked.read(torch.from_numpy(vis.images.values[0]), ["logits"])["logits"]
    assert logits.argmax(1).tolist() == [7, 7]
