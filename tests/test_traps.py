"""What breaks in tools of this kind: one short test a trap, through public names only."""

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.errors import LayerNotFoundError, UnsupportedModelError
from fvhooks.hooks import HookedModel

SHAPE = (3, 12, 12)
X = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
FEW: dict[str, Any] = {"seeds": 1, "steps": 3, "show_progress": False}


class Net(nn.Module):
    """Convolution, a ReLU that is called twice, pooling, logits; for images of any size."""

    def __init__(self, channels: int = 3, *, inplace: bool = False) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, 6, 3), nn.Conv2d(6, 8, 3)
        self.relu, self.fc = nn.ReLU(inplace=inplace), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.relu(self.conv2(self.relu(self.conv1(x)))).mean((2, 3)))


def data(shape: tuple[int, int, int], count: int = 24) -> torch.utils.data.TensorDataset:
    images = torch.randint(0, 256, (count, *shape), dtype=torch.uint8)
    return torch.utils.data.TensorDataset(images, torch.arange(count) % 3)


def visualized_and_collected(hooked: HookedModel, shape: tuple[int, int, int], path: Path) -> None:
    """Both recipes and a store of the model, with finite numbers all along."""
    store = fv.collect(hooked, data(shape), path, layers=["conv2"], references=4, show_progress=False)
    assert np.isfinite(store["conv2"].peak).all()
    assert store["conv2"].peak.dtype == np.float32
    for recipe in ("fourier", "vital"):
        vis = fv.visualize(hooked, [fv.Unit("conv2", 1), fv.Unit.logit(2)], recipe, store, **FEW)
        assert vis.images.shape == (2, 1, *shape)
        assert vis.images.dtype == np.float32
        assert np.isfinite(vis.data.loss).all()
        assert vis.images.std(("y", "x")).min() > 0


def test_trap_multihead_out_proj_never_fires() -> None:
    from torchvision.models import VisionTransformer

    vit = VisionTransformer(16, 8, 1, 2, 16, 32, num_classes=3)
    name = "encoder.layers.encoder_layer_0.self_attention.out_proj"
    hooked = fv.attach(vit, input_shape=(3, 16, 16))
    assert name in hooked.probe().silent
    with pytest.raises(LayerNotFoundError, match="never fires.*Did you mean .*self_attention"):
        hooked.read(torch.rand(1, 3, 16, 16), [name])


def test_trap_relu_in_place_after_a_tapped_convolution() -> None:
    net = Net(inplace=True)
    read = fv.attach(net, input_shape=SHAPE).read(X, ["conv1", "logits"])
    assert torch.equal(read["conv1"], net.conv1(X))
    assert (read["conv1"] < 0).any()


def test_trap_a_reused_module() -> None:
    read = fv.attach(Net(), input_shape=SHAPE).read(X, ["relu", "relu#1"])
    assert [tensor.shape[1] for tensor in read.values()] == [6, 8]


class Several(nn.Module):
    """A block that returns what it is told to."""

    class Block(nn.Module):
        def __init__(self, kind: Any) -> None:
            super().__init__()
            self.kind = kind

        def forward(self, x: torch.Tensor) -> Any:
            return self.kind(x)

    def __init__(self, kind: Any, item: Any) -> None:
        super().__init__()
        self.block, self.item, self.fc = self.Block(kind), item, nn.LazyLinear(3)
        self(X)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.item(self.block(x)).flatten(1))


def relevance_of(hooked: HookedModel, layer: str) -> torch.Tensor:
    from captum.attr import LayerGradientXActivation

    return fv.relevance.attribute(hooked, X, [layer], 1, attributor=LayerGradientXActivation)[layer]


def test_trap_tuple_with_none() -> None:
    hooked = fv.attach(Several(lambda x: (2 * x, None), lambda out: out[0]), input_shape=SHAPE)
    assert torch.equal(hooked.read(X, ["block"])["block"], 2 * X)
    assert hooked.layers == ["block[0]", "fc", "logits"]


def test_trap_a_dictionary_as_output() -> None:
    net = Several(lambda x: {"a": x, "b": x[:, :1]}, lambda out: out["a"])
    hooked = fv.attach(net, input_shape=SHAPE)
    assert torch.equal(hooked.read(X, ["block[b]"])["block[b]"], X[:, :1])
    with pytest.raises(UnsupportedModelError, match=r"several tensors; name one of: 'block\[a\]'"):
        hooked.read(X, ["block"])


def vision_transformer(**options: Any) -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return ViTForImageClassification(ViTConfig(**sizes, patch_size=4, num_labels=3, **options)).eval()


def test_trap_model_output() -> None:
    net = vision_transformer(image_size=16)
    hooked, images = fv.attach(net), torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(hooked.module(images), net(images).logits)
    assert "vit[last_hidden_state]" in hooked.layers


def test_trap_a_grid_that_is_not_square() -> None:
    net = vision_transformer(image_size=(8, 24))
    hooked = fv.attach(net, input_shape=(3, 8, 24))
    assert hooked.layout("vit.layernorm") == fv.Layout("tokens", 16, (2, 6), prefix=1)
    vis = fv.visualize(hooked, fv.Unit("vit.layernorm", 3, position=(1, 5)), "fourier", **FEW)
    assert vis.images.shape == (1, 1, 3, 8, 24)


@pytest.mark.parametrize(("name", "prefix"), [("deit_tiny_distilled_patch16_224", 2), ("vit_small", 5)])
def test_trap_register_and_distillation_tokens(name: str, prefix: int) -> None:
    timm = pytest.importorskip("timm")
    sizes = {"embed_dim": 16, "depth": 1, "num_heads": 2, "img_size": 64, "patch_size": 8, "num_classes": 3}
    if name == "vit_small":
        net = timm.models.VisionTransformer(reg_tokens=4, **sizes)
    else:
        net = timm.create_model(name, pretrained=False, **sizes)
    layout = fv.attach(net.eval(), input_shape=(3, 64, 64)).layout("norm")
    assert (layout.prefix, layout.grid) == (prefix, (8, 8))
    assert net.num_prefix_tokens == prefix


@pytest.mark.parametrize("ran", [False, True], ids=["before its first run", "after"])
def test_trap_compiled_before_and_after_its_first_run(ran: bool) -> None:
    net = Net().eval()
    compiled = torch.compile(net, backend="eager")
    if ran:
        compiled(X)
    hooked = fv.attach(compiled, input_shape=SHAPE)
    assert torch.equal(hooked.read(X, ["conv1"])["conv1"], net.conv1(X))
    assert relevance_of(hooked, "conv1").abs().sum() > 0
    assert (compiled(X) == net(X)).all()


def test_trap_inference_mode() -> None:
    hooked = fv.attach(Net(), input_shape=SHAPE)
    with torch.inference_mode():
        assert hooked.read(X, ["conv1"])["conv1"].shape == (2, 6, 10, 10)
        relevance = relevance_of(hooked, "conv1")
        inside = fv.visualize(hooked, fv.Unit("conv1", 0), "fourier", **FEW)
    assert relevance.abs().sum() > 0  # never zeros in silence
    assert torch.equal(relevance, relevance_of(hooked, "conv1"))
    outside = fv.visualize(hooked, fv.Unit("conv1", 0), "fourier", **FEW)
    np.testing.assert_array_equal(inside.images, outside.images)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_trap_half_precision_model_with_float32_pictures(dtype: torch.dtype, tmp_path: Path) -> None:
    hooked = fv.attach(Net().to(dtype), mean=[0.5] * 3, std=[0.25] * 3, input_shape=SHAPE)
    visualized_and_collected(hooked, SHAPE, tmp_path / "stats.zarr")
    assert torch.isfinite(relevance_of(hooked, "conv2")).all()


def test_trap_autocast() -> None:
    hooked, x = fv.attach(Net(), input_shape=SHAPE), X.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        read = hooked.read(x, ["conv1"])["conv1"]
        assert read.dtype == torch.bfloat16
        (gradient,) = torch.autograd.grad(read.sum(), x)
        assert gradient.dtype == torch.float32
        assert torch.isfinite(relevance_of(hooked, "conv2")).all()
        vis = fv.visualize(hooked, fv.Unit("conv2", 1), "fourier", **FEW)
    assert vis.images.dtype == np.float32


@pytest.mark.parametrize("channels", [1, 4])
def test_trap_one_and_four_input_channels(channels: int, tmp_path: Path) -> None:
    shape = (channels, 12, 12)
    hooked = fv.attach(Net(channels), input_shape=shape)
    visualized_and_collected(hooked, shape, tmp_path / "stats.zarr")


def test_trap_pictures_that_are_not_square(tmp_path: Path) -> None:
    visualized_and_collected(fv.attach(Net(), input_shape=(3, 10, 15)), (3, 10, 15), tmp_path / "stats.zarr")


def test_trap_a_captum_result_still_has_its_graph() -> None:
    relevance = relevance_of(fv.attach(Net(), input_shape=SHAPE), "conv1")
    assert not relevance.requires_grad
    assert relevance.shape[:2] == (2, 6)


def test_trap_batch_mates() -> None:
    hooked, units = fv.attach(Net(), input_shape=SHAPE), [fv.Unit("conv2", channel) for channel in range(3)]
    together = fv.visualize(hooked, units, "fourier", **FEW)
    alone = fv.visualize(hooked, units[1], "fourier", **FEW)
    np.testing.assert_allclose(alone.images[0], together.images[1], atol=1e-3)


def test_trap_one_unit_at_a_time_takes_hours() -> None:
    net, runs = Net(), []
    forward = net.forward
    net.forward = lambda x: (runs.append(len(x)), forward(x))[1]
    hooked = fv.attach(net, input_shape=SHAPE)
    hooked.probe()
    runs.clear()
    fv.visualize(hooked, [fv.Unit("conv2", channel) for channel in range(8)], "fourier", **FEW)
    assert len(runs) <= FEW["steps"] + 2
    assert set(runs) == {8}


def test_trap_small_images_are_forced_to_224() -> None:
    hooked = fv.attach(Net(), input_shape=(3, 16, 16))
    assert fv.visualize(hooked, fv.Unit.logit(0), "fourier", **FEW).images.shape[-2:] == (16, 16)


def test_trap_a_model_in_train_mode(untouched) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    hooked = fv.attach(net, input_shape=SHAPE)
    with untouched(net):
        assert torch.equal(hooked.read(X, ["2"])["2"], hooked.read(X, ["2"])["2"])
        fv.visualize(hooked, fv.Unit("2", 1), "fourier", **FEW)
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_trap_hooks_that_stay_after_success_or_an_error(error: Any, untouched) -> None:
    net = Net()
    hooked = fv.attach(net, input_shape=SHAPE)
    hooked.probe()
    forward = net.conv2.forward

    def fail(x: torch.Tensor) -> torch.Tensor:
        if error is None:
            return forward(x)
        raise error("inside the model")

    net.conv2.forward = fail
    verbs = (
        lambda: hooked.read(X, ["conv2"]),
        lambda: relevance_of(hooked, "conv2"),
        lambda: fv.visualize(hooked, fv.Unit("conv2", 0), "fourier", **FEW),
    )
    for verb in verbs:
        with untouched(net):
            if error is None:
                verb()
            else:
                with pytest.raises((error, UnsupportedModelError), match="inside the model"):
                    verb()


def test_trap_data_parallel_and_scripted_models_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"model\.module"):
        fv.attach(nn.DataParallel(Net()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of torch say that it is deprecated
        scripted = torch.jit.script(nn.ReLU())
    with pytest.raises(UnsupportedModelError, match="attach the module it was scripted from"):
        fv.attach(scripted)


def test_trap_a_dead_picture_is_not_passed_off_as_one() -> None:
    net = Net()
    with torch.no_grad():
        net.conv2.bias[1] = -100.0
    hooked = fv.attach(net, input_shape=SHAPE)
    vis = fv.visualize(hooked, [fv.Unit("relu#1", 1), fv.Unit("conv2", 1)], "fourier", **FEW)
    assert vis.data.flag.values[:, 0].tolist()[0] != ""
    assert vis.data.flag.values[:, 0].tolist()[1] == ""  # before the ReLU there is a gradient


def test_trap_a_unit_that_is_negative_everywhere(tmp_path: Path) -> None:
    net = Net()
    with torch.no_grad():
        net.conv2.bias[1] = -100.0
    hooked = fv.attach(net, input_shape=SHAPE)
    store = fv.collect(hooked, data(SHAPE), tmp_path / "s.zarr", layers=["conv2"], show_progress=False)
    top = store.top_images(fv.Unit("conv2", 1), k=3)
    assert len({str(i) for i in top.id.values}) == 3
    assert (top.value.values < 0).all()


def test_trap_a_widget_that_is_too_large_for_its_message() -> None:
    units = [fv.Unit("conv2", channel) for channel in range(60)]
    cards = fv.cards(fv.as_visualizations(units, torch.rand(60, 1, 3, 128, 128)))
    state = {key: value for key, value in cards.widget.get_state().items() if key not in ("_esm", "_css")}
    buffers = [value for value in state.values() if isinstance(value, (bytes, memoryview))]  # sent beside it
    words = json.dumps(state, default=lambda _: "")
    assert len(words) + sum(map(len, buffers)) < 1_000_000


def test_trap_transformer_lens_without_sae_lens() -> None:
    pytest.importorskip("transformer_lens")
    code = "import sys; import fvhooks.hooks.adapters as a; list(a.ADAPTERS); import transformer_lens;"
    code += "assert 'sae_lens' not in sys.modules"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=300)
