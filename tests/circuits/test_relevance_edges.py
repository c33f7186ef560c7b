"""Edges by gradients: exact on networks whose answer is known."""

import math

import numpy as np
import pytest
import torch
from captum.attr import LayerGradientXActivation
from torch import nn
from torch.utils.data import TensorDataset
from transformer_lens import TransformerBridge
from transformers import ViTConfig, ViTForImageClassification

import fvhooks as fv
from fvhooks.circuits.contributions import RelevanceOptions, baselines, contributions
from fvhooks.circuits.edges import EDGES, Question
from fvhooks.circuits.traces import gradient, trace
from fvhooks.demo import TopK
from fvhooks.errors import MissingInputError, NonFiniteError, StoreError

PLAIN = {"baseline": "zero", "contrast": "none", "signs": "both"}


def _chain(width: int = 5, inner: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Bias-free and piecewise linear; the last map is a mean over positions and a linear head."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), inner(),
        nn.Conv2d(4, width, 3, bias=False), inner(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3, bias=False),
    )  # fmt: skip


def _collected(net: nn.Module, path, layers, count: int = 24) -> tuple[fv.HookedModel, fv.Store]:
    hooked = fv.attach(net, input_shape=(3, 8, 8))
    images = torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8)
    data = TensorDataset(images, torch.arange(count) % 3)
    return hooked, fv.collect(hooked, data, path, layers=layers, show_progress=False)


def _question(hooked, store, layers, options=None, label: int = 1) -> Question:
    rows = np.flatnonzero(store.images_table.label.values == label)
    half = (np.arange(len(rows)) % 3 == 0).astype(np.int64)
    return Question(store, label, label, layers, rows, half, "all", hooked, options or {})


def _matrix(pair, targets: int, sources: int, half: int | None = None) -> np.ndarray:
    found = np.zeros((targets, sources))
    found[pair.targets, pair.sources] = pair.weights if half is None else pair.halves[half]
    return found


@pytest.fixture
def chain(tmp_path):
    return _collected(_chain(), tmp_path / "chain.zarr", ["1", "3"])


def test_in_a_linear_network_an_edge_is_weight_times_activation(tmp_path) -> None:
    net = _chain(inner=nn.Identity)
    net[2] = nn.Conv2d(4, 5, 1)
    hooked, store = _collected(net, tmp_path / "linear.zarr", ["1", "3"])
    question = _question(hooked, store, ["1", "3"], PLAIN)
    below = hooked.read(store.images(store.images_table.id.values[question.rows]), ["1"])["1"]
    expected = net[2].weight[:, :, 0, 0].detach() * below.mean((0, 2, 3))
    found = EDGES["relevance"](question)
    np.testing.assert_allclose(_matrix(found.pairs[0], 5, 4), expected.numpy(), rtol=1e-4)
    head = net[6].weight[1].detach() * hooked.read(
        store.images(store.images_table.id.values[question.rows]), ["3"]
    )["3"].mean((0, 2, 3))
    np.testing.assert_allclose(found.scores["3"], head.abs().numpy(), rtol=1e-4)
    assert (found.pairs[1].target, set(found.pairs[1].targets)) == ("logits", {1})
    np.testing.assert_allclose(_matrix(found.pairs[1], 3, 5)[1], head.numpy(), rtol=1e-4)


def test_what_comes_into_a_unit_is_what_it_contributes(chain) -> None:
    hooked, store = chain
    found = EDGES["relevance"](_question(hooked, store, ["1", "3"], PLAIN | {"value": "contribution"}))
    into = _matrix(found.pairs[0], 5, 4).sum(1)
    out = _matrix(found.pairs[1], 3, 5)[1]
    np.testing.assert_allclose(into, out, rtol=1e-4, atol=1e-7)
    logits = hooked.module(
        store.images(store.images_table.id.values[np.flatnonzero(store.images_table.label.values == 1)])
    )
    assert out.sum() == pytest.approx(float(logits[:, 1].mean()), rel=1e-4)


@pytest.mark.parametrize("options", [{}, {"steps": 3}, {"value": "contribution"}, {"contrast": 2}])
def test_halves_and_batches_add_up(chain, options) -> None:
    hooked, store = chain
    question = _question(hooked, store, ["1", "3"], options)
    found = EDGES["relevance"](question)
    shares = np.bincount(question.half) / len(question.half)
    for pair in found.pairs:
        np.testing.assert_allclose(shares @ pair.halves, pair.weights, rtol=1e-6)
    cut = EDGES["relevance"](_question(hooked, store, ["1", "3"], options | {"batch_size": 3}))
    np.testing.assert_allclose(_matrix(cut.pairs[0], 5, 4), _matrix(found.pairs[0], 5, 4), atol=1e-6)
    assert found.images == len(question.rows)


def test_channels_that_change_places_take_their_edges_along(tmp_path, chain) -> None:
    hooked, store = chain
    order = torch.tensor([2, 0, 3, 1])
    moved = _chain()
    moved.load_state_dict(hooked.model.state_dict())
    with torch.no_grad():
        moved[0].weight.copy_(hooked.model[0].weight[order])
        moved[2].weight.copy_(hooked.model[2].weight[:, order])
    other = fv.attach(moved, input_shape=(3, 8, 8))
    theirs = fv.collect(
        other, store.source.dataset, tmp_path / "moved.zarr", layers=["1", "3"], show_progress=False
    )
    before = EDGES["relevance"](_question(hooked, store, ["1", "3"]))
    after = EDGES["relevance"](_question(other, theirs, ["1", "3"]))
    np.testing.assert_allclose(after.scores["1"], before.scores["1"][order], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(
        _matrix(after.pairs[0], 5, 4), _matrix(before.pairs[0], 5, 4)[:, order], rtol=1e-4, atol=1e-7
    )


def test_many_steps_add_up_to_what_the_layer_changes(chain) -> None:
    hooked, store = chain
    options = RelevanceOptions(steps=64)
    found = contributions(store, hooked, ["1"], 1, options)
    images = store.images(store.images_table.id.values[:6])
    base = baselines(store, hooked, ["1"])["1"]
    clean = found.margin(hooked.module(images)).detach()
    with torch.no_grad(), hooked.edit({"1": base[None, :, None]}):
        empty = found.margin(hooked.module(images))
    total = found.units(images)["1"].sum(1)
    torch.testing.assert_close(total, clean - empty, rtol=0.02, atol=1e-3)


def test_the_mean_is_the_baseline_and_the_others_the_contrast(chain) -> None:
    hooked, store = chain
    question = _question(hooked, store, ["1", "3"])
    values = hooked.read(store.images(store.images_table.id.values[question.rows]), ["3"])["3"].mean(
        (0, 2, 3)
    )
    head = hooked.model[6].weight.detach()
    slope = head[1] - (head[0] + head[2]) / 2
    mean = torch.from_numpy(store["3"].natural_mean.values)
    expected = (slope * (values - mean)).clamp(min=0)
    np.testing.assert_allclose(
        EDGES["relevance"](question).scores["3"], expected.numpy(), rtol=1e-3, atol=1e-6
    )


def test_a_width_limits_the_targets_to_the_strongest(chain) -> None:
    hooked, store = chain
    found = EDGES["relevance"](_question(hooked, store, ["1", "3"], {"width": 2, "signs": "both"}))
    assert set(found.pairs[0].targets) == set(np.argsort(-found.scores["3"])[:2])
    assert len(set(found.pairs[0].sources)) == 4


def test_an_attributor_of_captum_gives_the_same_as_its_own_formula(chain) -> None:
    hooked, store = chain
    ours = EDGES["relevance"](_question(hooked, store, ["1", "3"], PLAIN))
    theirs = EDGES["relevance"](
        _question(hooked, store, ["1", "3"], {"attributor": LayerGradientXActivation, "signs": "both"})
    )
    np.testing.assert_allclose(_matrix(theirs.pairs[0], 5, 4), _matrix(ours.pairs[0], 5, 4), atol=1e-6)
    np.testing.assert_allclose(theirs.scores["1"], ours.scores["1"], rtol=1e-4)
    assert theirs.notes["relevance"] == "LayerGradientXActivation"


def test_gradients_reach_what_the_model_overwrites(untouched) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(True), nn.Flatten(), nn.Linear(144, 2))
    hooked = fv.attach(net, input_shape=(3, 8, 8))
    images = torch.rand(3, 3, 8, 8)
    with untouched(net):
        seen = trace(hooked, images, ["1", "2"])
        (slopes,) = gradient(seen.logits[:, 0].sum(), [seen.activations["1"]])
    expected = net[4].weight[0].reshape(4, 36) * (seen.activations["1"] > 0)
    torch.testing.assert_close(slopes, expected)
    torch.testing.assert_close(seen.activations["2"], seen.activations["1"].relu())


def test_latents_of_an_autoencoder_have_edges(tmp_path) -> None:
    net = _chain()
    hooked = fv.attach(net, input_shape=(3, 8, 8)).with_sae("1", TopK(4, 12, k=3))
    images = torch.randint(0, 256, (12, 3, 8, 8), dtype=torch.uint8)
    data = TensorDataset(images, torch.arange(12) % 3)
    layers = ["1", "1/sae", "3"]
    store = fv.collect(hooked, data, tmp_path / "sae.zarr", layers=layers, show_progress=False)
    found = EDGES["relevance"](_question(hooked, store, layers, PLAIN))
    pictures = store.images(store.images_table.id.values[store.images_table.label.values == 1])
    seen = trace(hooked, pictures, layers)
    for j in range(3):
        (slopes,) = gradient(seen.activations["3"][:, j].mean(1).sum(), [seen.activations["1/sae"]])
        expected = (seen.activations["1/sae"] * slopes).sum(-1).mean(0)
        np.testing.assert_allclose(_matrix(found.pairs[1], 5, 12)[j], expected.detach(), atol=1e-6)
    assert len(found.pairs[0].weights) > 0


def test_blocks_units_and_heads_of_a_transformer_have_edges(tmp_path) -> None:
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=16,
        patch_size=8, num_labels=3,
    )  # fmt: skip
    config.architectures = ["ViTForImageClassification"]
    vit = ViTForImageClassification(config).eval()
    vit.save_pretrained(tmp_path / "vit")
    bridge = TransformerBridge.boot_transformers(str(tmp_path / "vit"), hf_model=vit, device="cpu")
    hooked = fv.attach(bridge, mean=[0.5] * 3, std=[0.5] * 3)
    data = TensorDataset(torch.randint(0, 256, (12, 3, 16, 16), dtype=torch.uint8), torch.arange(12) % 3)
    layers = [
        "blocks.0.attn.hook_z",
        "blocks.0.mlp.hook_post",
        "blocks.0.hook_resid_post",
        "blocks.1.attn.hook_z",
    ]
    store = fv.collect(hooked, data, tmp_path / "vit.zarr", layers=layers, show_progress=False)
    rows = [layer for layer in store.layers if layer != "logits"]
    found = EDGES["relevance"](_question(hooked, store, rows, {"contrast": "none", "baseline": "zero"}))
    assert all(np.isfinite(pair.weights).all() and len(pair.weights) for pair in found.pairs)
    pictures = store.images(store.images_table.id.values[store.images_table.label.values == 1])
    below, above = rows[0], rows[1]
    step = 1e-3
    with torch.no_grad():
        usual = hooked.read(pictures, [above])[above][..., 5].mean()
        with hooked.edit({fv.Unit(below, 3): lambda z: z * (1 - step)}):
            less = hooked.read(pictures, [above])[above][..., 5].mean()
    weight = _matrix(found.pairs[0], 24, 16)
    if weight[5].any():  # one of the strongest
        assert weight[5, 3] == pytest.approx(float(usual - less) / step, rel=0.05, abs=1e-4)


def test_what_cannot_be_is_told_with_a_way_out(tmp_path, chain) -> None:
    hooked, store = chain
    source = EDGES["relevance"]
    with pytest.raises(MissingInputError, match="pass hooked= beside edges='relevance'"):
        source(_question(None, store, ["1", "3"]))
    with pytest.raises(MissingInputError, match="no option 'widht'. Did you mean 'width'"):
        source(_question(hooked, store, ["1", "3"], {"widht": 3}))
    with pytest.raises(MissingInputError, match="Expected steps to be a whole number from 1 on, got 0"):
        source(_question(hooked, store, ["1", "3"], {"steps": 0}))
    with pytest.raises(MissingInputError, match="Expected baseline to be one of .*, got 'median'"):
        source(_question(hooked, store, ["1", "3"], {"baseline": "median"}))
    with pytest.raises(MissingInputError, match="leave out baseline"):
        source(_question(hooked, store, ["1"], {"attributor": LayerGradientXActivation, "baseline": "zero"}))
    with pytest.raises(MissingInputError, match="another label than 1, got 1"):
        source(_question(hooked, store, ["1"], {"contrast": 1}))
    with pytest.raises(MissingInputError, match="No output of the model stands for label 7"):
        source(_question(hooked, store, ["1"], {"contrast": 7}))
    with pytest.raises(MissingInputError, match="No gradient passes from layer '3' to '1'"):
        source(_question(hooked, store, ["3", "1"]))
    other = fv.attach(_chain(), input_shape=(3, 8, 8))
    with pytest.raises(StoreError):
        source(_question(other, store, ["1", "3"]))


def test_relevance_that_is_no_number_names_the_images(tmp_path, chain) -> None:
    hooked, store = chain
    question = _question(hooked, store, ["1", "3"])
    broken = str(store.images_table.id.values[question.rows[2]])
    usual = store.images

    def images(ids):
        found = usual(ids)
        found[[name == broken for name in ids]] = math.nan
        return found

    store.images = images
    hooked.normalize = lambda x, bounded=True: x
    with pytest.raises(NonFiniteError, match=rf"NaN or infinite for images \['{broken}'\]"):
        EDGES["relevance"](question)


def test_of_several_outputs_of_a_label_the_target_is_the_one_that_is_asked_for(tmp_path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    hooked = fv.attach(net, input_shape=(3, 8, 8))
    data = TensorDataset(torch.rand(30, 3, 8, 8), torch.arange(30) % 2)
    store = fv.collect(
        hooked, data, tmp_path / "a.zarr", layers=["1"], label_of_logit=[0, 0, 1], show_progress=False
    )
    first, second = (
        fv.attribution_graph(store, target, edges="relevance", hooked=hooked, ranking="score", mass=1.0)
        for target in (0, 1)
    )
    weights = [
        dict(zip((graph.units[a].id for a, _ in graph.pairs), graph.data["weight"].values, strict=True))
        for graph in (first, second)
    ]
    assert weights[0] != weights[1]
