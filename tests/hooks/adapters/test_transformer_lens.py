"""TransformerLens models: hook points as layers, aliases, heads, gated hooks."""

import subprocess
import sys

import pytest
import torch
from captum.attr import LayerGradientXActivation
from torch import nn
from transformer_lens import HookedRootModule, TransformerBridge
from transformer_lens.hook_points import HookPoint
from transformers import ViTConfig, ViTForImageClassification

import fvhooks as fv
from fvhooks.errors import LayerNotFoundError
from fvhooks.relevance.captum import channel_relevance
from fvhooks.units import Layout

X = torch.rand(2, 3, 32, 32)
Z, RESID = "blocks.1.attn.hook_z", "blocks.1.hook_resid_pre"
ALIASES = {
    Z: "blocks.1.attn.o.hook_in",
    RESID: "blocks.1.hook_in",
    "blocks.1.hook_resid_post": "blocks.1.hook_out",
    "blocks.1.mlp.hook_post": "blocks.1.mlp.out.hook_in",
    "hook_embed": "embed.hook_out",
}


@pytest.fixture(scope="module")
def vit() -> nn.Module:
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,  # as many heads as they are wide: only their names tell them from a map
        intermediate_size=24,
        image_size=32,
        patch_size=8,
        num_labels=5,
        hidden_dropout_prob=0.1,
    )
    config.architectures = ["ViTForImageClassification"]
    return ViTForImageClassification(config).eval()


@pytest.fixture(scope="module")
def bridge(vit, tmp_path_factory) -> nn.Module:
    folder = tmp_path_factory.mktemp("vit")  # a folder, so that nobody looks the name up elsewhere
    vit.save_pretrained(folder)
    return TransformerBridge.boot_transformers(str(folder), hf_model=vit, device="cpu")


@pytest.fixture(scope="module")
def hooked(bridge):
    return fv.attach(bridge, mean=[0.5] * 3, std=[0.5] * 3)


@pytest.fixture
def cache(bridge, hooked):
    with torch.no_grad():
        return bridge.run_with_cache(hooked.normalize(X))[1]


def test_nothing_of_transformer_lens_is_imported_to_attach_a_model() -> None:
    code = (
        "import sys, torch, fvhooks as fv; fv.attach(torch.nn.Conv2d(3, 4, 3), input_shape=(3, 8, 8)).layers;"
        "sys.exit('transformer_lens' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_layers_are_the_hook_points_that_fire_by_their_own_names(bridge, hooked) -> None:
    own = {name for name, point in bridge.hook_dict.items() if point.name == name}
    assert set(hooked.layers) - {"logits"} == own - set(hooked.probe().silent)
    assert hooked.preprocessing.input_shape == (3, 32, 32)


def test_every_value_is_the_one_that_transformer_lens_shows(hooked, cache) -> None:
    found = hooked.read(X, hooked.layers)
    assert all(torch.equal(found[name], cache[name]) for name in hooked.layers if name != "logits")


def test_logits_are_those_of_the_model_inside(hooked, vit) -> None:
    assert torch.equal(hooked.module(X), vit(hooked.normalize(X)).logits)
    assert torch.equal(hooked.read(X, ["logits"])["logits"], hooked.module(X))


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_stands_for_its_hook_point_and_keeps_its_name(hooked, cache, alias: str) -> None:
    assert hooked.resolve(alias) == ALIASES[alias]
    found = hooked.read(X, [alias, ALIASES[alias]])
    assert list(found) == [alias, ALIASES[alias]]
    assert torch.equal(found[alias], cache[ALIASES[alias]])
    assert hooked.probe()[alias].shape == tuple(found[alias].shape[1:])
    assert alias not in hooked.layers


def test_layouts(hooked) -> None:
    heads, tokens = Layout("heads", 16, (4, 4), 1, 4), Layout("tokens", 16, (4, 4), 1)
    parts = ("hook_z", "hook_q", "hook_k", "hook_v", "q.hook_out", "o.hook_in")
    assert all(hooked.layout(f"blocks.0.attn.{part}") == heads for part in parts)
    assert hooked.layout(RESID) == tokens
    assert hooked.layout("embed.hook_in") == Layout("map", 3, (32, 32))
    for part in ("hook_pattern", "hook_attn_scores"):
        with pytest.raises(LayerNotFoundError, match=r"no channel axis: it gives \(4, 17, 17\)"):
            hooked.layout(f"blocks.0.attn.{part}")


def test_a_head_is_a_layer_of_tokens(hooked, cache) -> None:
    layer = f"{Z}[2]"
    assert torch.equal(hooked.read(X, [layer])[layer], cache[ALIASES[Z]][:, :, 2])
    assert hooked.layout(layer) == Layout("tokens", 4, (4, 4), 1)
    assert layer in hooked.probe()
    assert layer not in hooked.layers


@pytest.mark.parametrize("item", ["4", "x"])
def test_a_head_that_is_not_there_is_an_error(hooked, item: str) -> None:
    for use in (lambda: hooked.read(X, [f"{Z}[{item}]"]), lambda: hooked.layout(f"{Z}[{item}]")):
        with pytest.raises(LayerNotFoundError, match="has 4 heads"):
            use()


def test_other_hook_points_have_no_items(hooked) -> None:
    for name in (RESID, "blocks.0.attn.hook_pattern"):
        with pytest.raises(LayerNotFoundError, match=r"no item \[1\]: only heads"):
            hooked.read(X, [f"{name}[1]"])


@pytest.mark.parametrize(
    ("name", "setter"),
    [
        ("blocks.0.attn.hook_result", "set_use_attn_result"),
        ("blocks.0.hook_q_input", "set_use_split_qkv_input"),
        ("blocks.0.hook_attn_in", "set_use_attn_in"),
    ],
)
def test_a_gated_hook_says_how_to_enable_it(hooked, name: str, setter: str) -> None:
    message = rf"never fires: .*{setter}\(True\).* Did you mean 'blocks.0"
    for use in (lambda: hooked.read(X, [name]), lambda: hooked.layout(name)):
        with pytest.raises(LayerNotFoundError, match=message):
            use()


def test_a_root_without_hook_points_yet_says_how_it_gets_them() -> None:
    class Root(HookedRootModule):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.point = nn.Conv2d(3, 4, 3), HookPoint()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.point(self.conv(x)).mean((2, 3))

    root = Root()
    hooked = fv.attach(root, input_shape=(3, 32, 32))
    with pytest.raises(LayerNotFoundError, match=r"Root runs with hooks.* NoneType. Call its setup\(\)"):
        _ = hooked.layers
    root.setup()
    assert hooked.layers == ["point", "logits"]


def test_the_pass_ends_at_the_deepest_hook_point(bridge, hooked) -> None:
    ran: list[str] = []
    later = bridge.hook_dict["blocks.1.hook_in"]
    handle = later.register_forward_hook(lambda *_: ran.append("later"))
    try:
        hooked.read(X, ["blocks.0.hook_out"])
        assert not ran
        hooked.read(X, ["blocks.1.hook_out"])
        assert ran
    finally:
        handle.remove()


def test_nothing_is_left_behind_and_dropout_is_off(bridge, vit, untouched, leaks) -> None:
    leaks.forget(bridge)
    bridge.train()
    try:
        hooked = fv.attach(bridge)
        with untouched(bridge), untouched(vit):
            first = hooked.read(X, [Z, "logits"])
            hooked.probe()
            with pytest.raises(LayerNotFoundError):
                hooked.read(X, ["blocks.0.attn.hook_result"])
        assert torch.equal(hooked.read(X, ["logits"])["logits"], first["logits"])
    finally:
        bridge.eval()
        leaks.forget(bridge)


def test_gradients_reach_the_pixels(hooked) -> None:
    for layer in (RESID, f"{Z}[3]"):
        images = X.clone().requires_grad_()
        hooked.read(images, [layer])[layer].square().sum().backward()
        assert images.grad.abs().sum() > 0


def test_ablating_a_head_equals_doing_it_with_transformer_lens(bridge, hooked) -> None:
    def ablate(z, hook):
        z[:, :, 2] = 0
        return z

    with torch.no_grad():
        expected = bridge.run_with_hooks(hooked.normalize(X), fwd_hooks=[(Z, ablate)])
        with hooked.edit({f"{Z}[2]": 0.0}):
            found = hooked.module(X)
    assert torch.equal(found, expected)
    assert not torch.equal(found, hooked.module(X))


def test_a_channel_of_a_head_is_one_of_the_whole_layer(hooked) -> None:
    with hooked.edit({fv.Unit(f"{Z}[2]", 1): 0.5, fv.Unit(f"{Z}[1]", 0, position=(0, 3)): "mean"}):
        by_head = hooked.module(X)
    with hooked.edit({fv.Unit(Z, 2 * 4 + 1): 0.5, fv.Unit(Z, 4, position=(0, 3)): "mean"}):
        assert torch.equal(hooked.module(X), by_head)


def test_relevance_at_hook_points_is_captums(bridge, hooked) -> None:
    nodes = [RESID, Z, f"{Z}[2]"]
    found = channel_relevance(hooked, X, "blocks.1.hook_out", 3, nodes)
    trunk = hooked.trunk("blocks.1.hook_out")
    tokens = LayerGradientXActivation(trunk, bridge.blocks[1].hook_in).attribute(X, target=3)
    assert torch.allclose(found[RESID], tokens.transpose(1, 2))
    assert found[Z].shape == (2, 16, 17)
    assert torch.equal(found[f"{Z}[2]"], found[Z][:, 8:12])
    assert found[Z].abs().sum() > 0


@pytest.mark.parametrize("layer", [RESID, Z, f"{Z}[2]", "blocks.0.mlp.hook_post"])
def test_a_unit_can_be_visualized(hooked, layer: str) -> None:
    vis = fv.visualize(hooked, [fv.Unit(layer, 3)], recipe="fourier", steps=2, seeds=1, show_progress=False)
    assert vis.images.shape == (1, 1, 3, 32, 32)
    assert vis.images.unit.item() == f"{layer}:3"


def test_the_trunk_takes_names_of_any_kind(hooked) -> None:
    whole = hooked.trunk(Z)(X)
    assert torch.allclose(hooked.trunk(f"{Z}[2]")(X), whole[:, 8:12])
    assert whole.shape == (2, 16)


class Small(HookedRootModule):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.hook_map = nn.Conv2d(3, 6, 3), HookPoint()
        self.head, self.hook_never = nn.Linear(6, 4), HookPoint()
        self.setup()

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.head(self.hook_map(self.conv(x)).relu().mean((2, 3)))}


def test_any_hooked_root_module(untouched) -> None:
    model = Small()
    hooked = fv.attach(model, input_shape=(3, 8, 8))
    images = torch.rand(2, 3, 8, 8)
    with untouched(model):
        assert hooked.layers == ["hook_map", "logits"]
        assert hooked.layout("hook_map") == Layout("map", 6, (6, 6))
        assert torch.equal(hooked.read(images, ["hook_map"])["hook_map"], model.conv(images))
        assert torch.equal(hooked.module(images), model(images)["logits"])
    edited = model.run_with_hooks(images, fwd_hooks=[("hook_map", lambda tensor, hook: tensor * 0)])
    with hooked.edit({"hook_map": 0.0}):
        assert torch.equal(hooked.module(images), edited["logits"])
        with pytest.raises(LayerNotFoundError, match="'hook_never' exists but its hook never fires"):
            hooked.read(images, ["hook_never"])


class Gated(Small):
    """Computes one hook point on demand only, as bridges do."""

    is_open = False

    def check_hooks_to_add(self, hook_point, hook_point_name, hook, **kwargs):
        if hook_point_name == "hook_never" and not self.is_open:
            raise ValueError("Call set_open(True) first.")

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return super().forward(self.hook_never(x) if self.is_open else x)


def test_a_gated_hook_fires_once_it_is_enabled() -> None:
    model = Gated()
    images = torch.rand(2, 3, 8, 8)
    with pytest.raises(LayerNotFoundError, match=r"never fires: .*Call set_open\(True\) first"):
        fv.attach(model, input_shape=(3, 8, 8)).layout("hook_never")
    model.is_open = True
    hooked = fv.attach(model, input_shape=(3, 8, 8))
    assert hooked.layers == ["hook_never", "hook_map", "logits"]
    assert torch.equal(hooked.read(images, ["hook_never"])["hook_never"], images)


@pytest.fixture(scope="module")
def trained(shared):
    """name of the folder -> (bridge, attached bridge, the Hugging Face model, four real images)."""
    from torchvision.transforms import CenterCrop, Compose, PILToTensor

    name = "imagenet_vit_tiny"
    model, mean, std = shared.load(name)
    reference = shared.load(name)[0]  # the bridge puts its own modules into the model
    bridge = TransformerBridge.boot_transformers(
        str(shared.HERE / "models" / name), hf_model=model, device="cpu"
    )
    dataset = shared.imagenet_sample(Compose([CenterCrop(224), PILToTensor()]))
    pairs = [dataset[index] for index in (1, 207, 508, 963)]
    images, labels = torch.stack([image for image, _ in pairs]), torch.tensor([label for _, label in pairs])
    return bridge, fv.attach(bridge, mean=mean, std=std), reference, images, labels


@pytest.mark.real
def test_a_trained_bridge_is_the_model_that_it_holds(trained) -> None:
    _, hooked, reference, images, labels = trained
    with torch.no_grad():
        logits = hooked.module(images)
        assert torch.allclose(logits, reference(hooked.normalize(images)).logits, atol=1e-4)
    assert (logits.argmax(1) == labels).sum() >= 3
    assert hooked.layout("blocks.7.attn.hook_z") == Layout("heads", 192, (14, 14), 1, 3)
    inside = fv.attach(reference, mean=[0.5] * 3, std=[0.5] * 3).read(images, ["vit.layers.7"])
    found = hooked.read(images, ["blocks.7.hook_resid_post"])["blocks.7.hook_resid_post"]
    assert torch.allclose(found, inside["vit.layers.7"], atol=1e-4)


@pytest.mark.real
def test_a_unit_and_a_head_of_a_trained_bridge_are_visualized(trained) -> None:
    _, hooked, _, _, _ = trained
    units = [fv.Unit("blocks.5.hook_resid_post", 7), fv.Unit("blocks.5.attn.hook_z[2]", 5)]
    vis = fv.visualize(hooked, units, recipe="fourier", steps=2, seeds=1, show_progress=False)
    assert vis.images.shape == (2, 1, 3, 224, 224)
    assert float(vis.images.std()) > 0.01


@pytest.mark.real
def test_heads_of_a_trained_bridge_are_collected(trained, tmp_path) -> None:
    _, hooked, _, images, labels = trained
    layers = ["blocks.5.attn.hook_z", "blocks.5.attn.hook_z[2]"]
    data = [(image, int(label)) for image, label in zip(images, labels, strict=True)]
    store = fv.collect(hooked, data, tmp_path / "stats.zarr", layers=layers, show_progress=False)
    assert set(store.layers) == {*layers, "logits"}
    read = hooked.read(images, layers)[layers[1]]
    peaks = store[layers[1]].peak.sortby("id")
    assert store[layers[1]].peak.shape == (4, 64)
    assert sorted(peaks.values.max(1)) == pytest.approx(sorted(read.amax((1, 2)).tolist()), rel=1e-5)
    assert [store.layout(layer) for layer in layers] == [hooked.layout(layer) for layer in layers]
    assert torch.equal(
        torch.tensor(store[layers[0]].peak.values[:, 128:]), torch.tensor(store[layers[1]].peak.values)
    )
