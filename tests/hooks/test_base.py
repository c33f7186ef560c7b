"""Reading and probing models: toy modules for each trap."""

import copy

import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.errors import ImageError, LayerNotFoundError, NonFiniteError

X = torch.rand(2, 3, 8, 8)


class Reused(nn.Module):
    """One ReLU called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.relu, self.conv2 = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3)
        self.same_relu = self.relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.conv2(self.relu(self.conv1(x)))).flatten(1)


class Nested(nn.Module):
    """A layer that returns a tuple with None and a dictionary."""

    class Inner(nn.Module):
        def forward(self, x: torch.Tensor):
            return x.mean((2, 3)), None, {"twice": 2 * x}

    def __init__(self) -> None:
        super().__init__()
        self.inner = self.Inner()

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.inner(x)[0]}


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.spare = nn.ModuleList([nn.Identity()])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.flatten(2).transpose(1, 2).repeat(1, 1, 2)
        return self.attention(tokens, tokens, tokens)[0].mean(1)


def convolutions() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 2))


def test_layers_are_in_the_order_of_the_forward_pass() -> None:
    net = nn.ModuleDict({"late": nn.Identity(), "early": nn.Conv2d(3, 4, 3)})
    net.forward = lambda x: net["late"](net["early"](x)).flatten(1)
    assert fv.attach(net, input_shape=(3, 8, 8)).layers == ["early", "late", "logits"]


def test_layers_without_an_input_shape_are_the_modules() -> None:
    hooked = fv.attach(Reused())
    assert hooked.layers == ["conv1", "relu", "conv2", "logits"]
    hooked.probe(X)
    assert hooked.layers == ["conv1", "relu", "conv2", "relu#1", "logits"]


def test_a_probe_without_images_needs_a_shape() -> None:
    with pytest.raises(ImageError, match=r"pass images to probe\(x\), or input_shape=… to fvhooks.attach"):
        fv.attach(Reused()).probe()


def test_a_probe_tells_shapes_layouts_signs_and_kinds() -> None:
    probe = fv.attach(convolutions(), input_shape=(3, 8, 8)).probe()
    assert [info.shape for info in probe.values()] == [(4, 6, 6), (4, 6, 6), (144,), (2,), (2,)]
    assert probe.layout("0") == fv.Layout("map", 4, (6, 6))
    assert probe.layout("logits") == fv.Layout("flat", 2)
    assert (probe["0"].signed, probe["1"].signed) == (True, False)
    assert probe["1"].kind == "ReLU"


def test_a_reused_module_has_one_name_a_call() -> None:
    net = Reused()
    read = fv.attach(net).read(X, ["relu#1", "relu"])
    assert list(read) == ["relu#1", "relu"]
    with torch.no_grad():
        assert torch.equal(read["relu"], net.relu(net.conv1(X)))
        assert torch.equal(read["relu#1"].flatten(1), net(X))


def test_a_call_that_does_not_happen_names_those_that_do() -> None:
    with pytest.raises(
        LayerNotFoundError, match="'relu#2' does not exist; the module runs as 'relu', 'relu#1'"
    ):
        fv.attach(Reused()).read(X, ["relu#2"])


def test_a_second_name_of_a_module_points_to_the_first() -> None:
    with pytest.raises(LayerNotFoundError, match="'same_relu' is the same module as 'relu'"):
        fv.attach(Reused()).read(X, ["same_relu"])


@pytest.mark.parametrize("layer", ["0", "1"])
def test_what_is_read_is_what_the_layer_produced_from_the_first_time_on(layer: str) -> None:
    net = convolutions()
    hooked = fv.attach(net)
    with torch.no_grad():
        produced = {"0": net[0](X), "1": net[0](X).relu()}
    for _ in range(2):
        read = hooked.read(X, [layer, "2"])[layer]  # the pass goes on behind it
        assert torch.equal(read.detach(), produced[layer])


def test_an_overwritten_layer_keeps_its_gradient() -> None:
    net, x = convolutions(), X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(fv.attach(net).read(x, ["0", "logits"])["0"].sum(), x)
    (expected,) = torch.autograd.grad(net[0](x).sum(), x)
    assert torch.allclose(gradient, expected)


def test_items_of_tuples_and_dictionaries_are_layers() -> None:
    hooked = fv.attach(Nested(), input_shape=(3, 8, 8))
    assert hooked.layers == ["inner[0]", "inner[2][twice]", "logits"]
    assert torch.equal(hooked.read(X, ["inner[2][twice]"])["inner[2][twice]"], 2 * X)


def test_the_module_that_attention_never_calls_is_named() -> None:
    hooked = fv.attach(Attention(), input_shape=(3, 8, 8))
    assert hooked.probe().silent == ("attention.out_proj", "spare.0")
    with pytest.raises(LayerNotFoundError, match=r"'attention.out_proj' exists but its hook never fires"):
        hooked.read(X, ["attention.out_proj"])
    with pytest.raises(LayerNotFoundError, match=r"'attention.out_proj' exists but its hook never fires"):
        hooked.layout("attention.out_proj")


def test_an_unknown_layer_names_near_ones_and_how_to_list_all() -> None:
    expected = r"Reused has no layer 'conv3'\. Did you mean .*'conv2'.* List all with hooked.layers\."
    with pytest.raises(LayerNotFoundError, match=expected):
        fv.attach(Reused()).read(X, ["conv3"])
    with pytest.raises(LookupError):
        fv.attach(Reused()).trunk("conv3")


def test_gradients_reach_pixels_and_leave_the_weights_alone() -> None:
    net, x = convolutions().train(), X.clone().requires_grad_()
    net[0].weight.grad = torch.ones_like(net[0].weight)
    fv.attach(net).read(x, ["3"])["3"].sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert torch.equal(net[0].weight.grad, torch.ones_like(net[0].weight))
    assert net[3].weight.grad is None


def test_images_are_normalised_with_the_models_own_numbers() -> None:
    net = nn.Sequential(nn.Identity(), nn.Flatten())
    hooked = fv.attach(net, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    expected = (X - torch.tensor([0.1, 0.2, 0.3])[:, None, None]) / torch.tensor([0.5, 0.6, 0.7])[
        :, None, None
    ]
    assert torch.allclose(hooked.read(X, ["0"])["0"], expected)
    assert torch.allclose(hooked.read((X * 255).byte(), ["0"])["0"], expected, atol=2 / 255)


BAD = {
    "0 to 255": (X * 255, ImageError, "Divide by 255"),
    "normalised": ((X - 0.5) / 0.25, ImageError, "leave Normalize out of the transform"),
    "channels last": (X.permute(0, 2, 3, 1), ImageError, r"Expected 3 image channels.*permute\(0, 3, 1, 2\)"),
    "grey": (X[:, :1], ImageError, r"Expected 3 image channels, got shape \(2, 1, 8, 8\)"),
    "integers": (X.long(), ImageError, "Expected images as uint8 or floating point, got torch.int64"),
    "not finite": (X.index_fill(0, torch.tensor([1]), torch.nan), NonFiniteError, r"in images \[1\]"),
}


@pytest.mark.parametrize(("x", "error", "message"), BAD.values(), ids=BAD)
def test_images_that_the_model_cannot_take_are_refused(x, error, message) -> None:
    hooked = fv.attach(convolutions(), input_shape=(3, 8, 8))
    with pytest.raises(error, match=message):
        hooked.read(x, ["0"])


def test_another_size_is_fine_until_a_layer_cannot_take_it() -> None:
    hooked = fv.attach(convolutions(), input_shape=(3, 8, 8))
    larger = torch.rand(1, 3, 10, 10)
    assert hooked.read(larger, ["0"])["0"].shape == (1, 4, 8, 8)
    with pytest.raises(ImageError, match=r"takes images of \(3, 8, 8\), got \(1, 3, 10, 10\), and failed: "):
        hooked.read(larger, ["logits"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_models_take_float32_pictures(dtype: torch.dtype) -> None:
    hooked, x = (
        fv.attach(convolutions().to(dtype), mean=[0.5] * 3, std=[0.25] * 3),
        X.clone().requires_grad_(),
    )
    read = hooked.read(x, ["0", "logits"])
    assert {tensor.dtype for tensor in read.values()} == {dtype}
    (gradient,) = torch.autograd.grad(read["logits"].sum(), x)
    assert gradient.dtype == torch.float32


def test_reading_works_in_inference_mode_without_gradients() -> None:
    net = convolutions()
    with torch.inference_mode():
        read = fv.attach(net).read(X, ["0", "logits"])
        assert torch.equal(read["0"], net[0](X))


def compiled(net: nn.Module):
    return torch.compile(net, backend="eager")


def compiled_in_place(net: nn.Module) -> nn.Module:
    net.compile(backend="eager")
    return net


def compiled_child(net: nn.Module) -> nn.Module:
    net.conv1 = compiled(nn.Sequential(net.conv1))
    return net


@pytest.mark.parametrize("ran", [False, True], ids=["before its first run", "after"])
@pytest.mark.parametrize("build", [compiled, compiled_in_place, compiled_child])
def test_compiled_models_are_read_like_bare_ones(build, ran: bool) -> None:
    bare = Reused().eval()
    model = build(copy.deepcopy(bare))
    if ran:
        model(X)
    read = fv.attach(model).read(X, ["relu", "relu#1", "logits"])
    for name, expected in fv.attach(bare).read(X, ["relu", "relu#1", "logits"]).items():
        assert torch.equal(read[name], expected)


def test_a_compiled_child_keeps_the_names_of_its_modules() -> None:
    hooked = fv.attach(compiled_child(Reused()), input_shape=(3, 8, 8))
    assert hooked.layers == ["conv1.0", "conv1", "relu", "conv2", "relu#1", "logits"]


def test_a_user_hook_that_replaces_the_output_is_what_is_read() -> None:
    net = convolutions()
    handle = net[0].register_forward_hook(lambda _module, _inputs, output: output * 0)
    assert not fv.attach(net).read(X, ["0"])["0"].any()
    handle.remove()


def test_one_layer_may_be_named_without_a_list() -> None:
    assert list(fv.attach(Reused()).read(X, "conv2")) == ["conv2"]
