"""Interventions: what each kind of value writes where, and that nothing of a block outlives it."""

import copy
import subprocess
import sys
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import fvhooks as fv
from fvhooks.demo import TopK
from fvhooks.errors import LayerNotFoundError, MissingInputError, ShapeError, UnsupportedModelError

X = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class Toy(nn.Module):
    """A map, tokens, a map with the channel last, a tuple and a vector, and a ReLU that is called twice."""

    class Pair(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
            return 2 * x, None

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU()
        self.mix = nn.Conv2d(4, 5, 1)
        self.block = self.Pair()
        self.last, self.tokens, self.head = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.flat = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.mix(self.relu(self.conv(x))))
        x, _ = self.block(x)
        x = self.last(x.permute(0, 2, 3, 1))
        x = self.tokens(torch.cat([x.mean((1, 2))[:, None], x.flatten(1, 2)], 1))
        return self.head(self.flat(x.mean(1)))


@pytest.fixture
def net() -> Toy:
    torch.manual_seed(2)
    return Toy()


@pytest.fixture
def hooked(net: Toy) -> fv.HookedModel:
    return fv.attach(net, input_shape=(3, 8, 8))


def edited(hooked: fv.HookedModel, edits: dict, layer: str, x: torch.Tensor = X) -> torch.Tensor:
    """What the layer gives as `[image, channel, position]` while the edits stand."""
    with hooked.edit(edits):
        return hooked.layout(layer).to_channels(hooked.read(x, [layer])[layer]).detach()


def plain(hooked: fv.HookedModel, layer: str, x: torch.Tensor = X) -> torch.Tensor:
    return hooked.layout(layer).to_channels(hooked.read(x, [layer])[layer]).detach()


def by_hand(net: nn.Module, layer: str, change: Any) -> torch.Tensor:
    """The logits with an ordinary hook on the layer."""
    handle = net.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: change(output))
    try:
        with torch.no_grad():
            return net(X)
    finally:
        handle.remove()


def with_channel(axis: int, channel: int, value: float) -> Any:
    def change(output: torch.Tensor) -> torch.Tensor:
        return output.index_fill(axis, torch.tensor([channel]), value)

    return change


def compiled_in_place(net: nn.Module) -> nn.Module:
    net.compile(backend="eager")
    return net


LAYOUTS = {"conv": ("map", 1), "last": ("channels_last", -1), "tokens": ("tokens", -1), "flat": ("flat", -1)}


@pytest.mark.parametrize("layer", LAYOUTS)
def test_a_number_equals_a_hook_by_hand_on_every_layout(layer: str, net: Toy, hooked) -> None:
    kind, axis = LAYOUTS[layer]
    assert hooked.layout(layer).kind == kind
    expected = by_hand(net, layer, with_channel(axis, 2, 0.7))
    with hooked.edit({fv.Unit(layer, 2): 0.7}):
        assert torch.equal(hooked.module(X), expected)
    assert not torch.equal(hooked.module(X), expected)


def test_a_channel_of_a_swin_transformer_equals_a_hook_by_hand() -> None:
    from torchvision.models import SwinTransformer

    swin = SwinTransformer([2, 2], 8, [1, 1], [1, 1], [4, 4], num_classes=3).eval()
    hooked = fv.attach(swin, input_shape=(3, 32, 32))
    assert hooked.layout("features.1.0").kind == "channels_last"
    images = torch.rand(2, 3, 32, 32)
    handle = swin.features[1][0].register_forward_hook(lambda _m, _i, out: with_channel(-1, 5, 3.0)(out))
    with torch.no_grad():
        expected = swin(images)
    handle.remove()
    with hooked.edit({fv.Unit("features.1.0", 5): 3.0}):
        assert torch.allclose(hooked.module(images), expected)


def test_only_the_unit_is_changed(hooked) -> None:
    after, before = edited(hooked, {fv.Unit("conv", 1): -2.0}, "conv"), plain(hooked, "conv")
    assert (after[:, 1] == -2).all()
    assert torch.equal(after[:, [0, 2, 3]], before[:, [0, 2, 3]])


def test_one_position_is_changed_alone_also_behind_a_class_token(hooked) -> None:
    after = edited(hooked, {fv.Unit("tokens", 3, position=(2, 1)): 9.0}, "tokens")
    changed = after != plain(hooked, "tokens")
    assert changed.nonzero().tolist() == [[image, 3, 1 + 2 * 4 + 1] for image in range(3)]


def test_mean_without_a_store_is_the_batchs_at_each_position(hooked) -> None:
    after = edited(hooked, {fv.Unit("conv", 1): "mean", "relu#1": "mean"}, "conv")
    assert torch.allclose(after[:, 1], plain(hooked, "conv")[:, 1].mean(0).expand(3, -1))


def test_mean_with_a_store_is_that_of_real_images(hooked) -> None:
    means = xr.DataArray(np.array([1.0, 2.0, 3.0, 4.0], np.float32), dims="channel")
    store = {"conv": SimpleNamespace(natural_mean=means)}
    direction = fv.Direction("conv", np.array([0, 0, 0, 2.0]), name="last")
    before = plain(hooked, "conv")
    for edits, channel, expected in [({fv.Unit("conv", 1): "mean"}, 1, 2.0), ({direction: "mean"}, 3, 4.0)]:
        with hooked.edit(edits, store=store):
            after = plain(hooked, "conv")
        assert torch.allclose(after[:, channel], torch.tensor(expected))
        assert torch.equal(after[:, 0], before[:, 0])
    with hooked.edit({"conv": "mean"}, store=store):
        assert torch.allclose(plain(hooked, "conv").mean((0, 2)), torch.tensor(means.values))


def test_the_mean_of_a_collected_store(hooked, tmp_path) -> None:
    images = (torch.rand(12, 3, 8, 8) * 255).byte()
    data = torch.utils.data.TensorDataset(images, torch.arange(12) % 2)
    store = fv.collect(hooked, data, tmp_path / "stats.zarr", layers=["relu"], show_progress=False)
    used = images[[int(i) for i in store["relu"].id[store["relu"].split == "reference"]]]
    expected = plain(hooked, "relu", used)[:, 2].mean()
    with hooked.edit({fv.Unit("relu", 2): "mean"}, store=store):
        assert torch.allclose(plain(hooked, "relu")[:, 2], expected, atol=1e-5)


def test_resample_takes_the_next_images_values(hooked) -> None:
    after, before = edited(hooked, {fv.Unit("conv", 1): "resample"}, "conv"), plain(hooked, "conv")
    assert torch.equal(after[:, 1], before[[2, 0, 1], 1])
    assert torch.equal(after[:, 0], before[:, 0])


@pytest.mark.parametrize("value", ["mean", "resample"])
def test_one_image_has_no_others_to_take_values_from(value: str, hooked) -> None:
    with hooked.edit({"conv": value}), pytest.raises(MissingInputError, match=f"{value!r} .* one image.*"):
        hooked.module(X[:1])


def test_a_tensor_broadcasts_to_images_and_positions(hooked) -> None:
    values = torch.arange(3.0)[:, None]
    after = edited(hooked, {fv.Unit("conv", 1): values, fv.Unit("conv", 2): torch.arange(16.0)}, "conv")
    assert torch.equal(after[:, 1], values.expand(3, 16))
    assert torch.equal(after[:, 2], torch.arange(16.0).expand(3, 16))


def test_a_tensor_beside_a_word(hooked) -> None:
    store = {"conv": SimpleNamespace(natural_mean=xr.DataArray(np.zeros(4, np.float32)))}
    edits = {fv.Unit("conv", 0): torch.ones(16), fv.Unit("conv", 1): "mean", fv.Unit("mix", 0): 1.0}
    with hooked.edit(edits, store=store):  # which knows nothing of the layer that needs nothing of it
        assert torch.equal(plain(hooked, "conv")[:, :2].mean((0, 2)), torch.tensor([1.0, 0.0]))


def test_a_function_gets_what_was_there(hooked) -> None:
    before = plain(hooked, "conv")
    after = edited(hooked, {fv.Unit("conv", 1): lambda values: 3 * values, fv.Unit("conv", 2): len}, "conv")
    assert torch.allclose(after[:, 1], 3 * before[:, 1])
    assert (after[:, 2] == 3).all()  # a number broadcasts


def test_a_whole_layer_by_its_name(net, hooked) -> None:
    expected = by_hand(net, "conv", lambda output: output.flip(1))
    with hooked.edit({"conv": lambda values: values.flip(1)}):
        assert torch.allclose(hooked.module(X), expected)


def test_a_direction_changes_what_lies_along_it_and_nothing_across(hooked) -> None:
    vector = np.array([1.0, 1.0, 0.0, 0.0])
    after = edited(hooked, {fv.Direction("conv", vector, name="sum"): 0.25}, "conv")
    before = plain(hooked, "conv")
    along = torch.einsum("c,ncp->np", torch.tensor(vector).float(), after) / 2
    assert torch.allclose(along, torch.full_like(along, 0.25), atol=1e-6)
    assert torch.allclose(after[:, 0] - after[:, 1], before[:, 0] - before[:, 1], atol=1e-6)
    assert torch.equal(after[:, 2:], before[:, 2:])


def test_targets_of_one_layer_and_of_several_go_together(net, hooked) -> None:
    edits = {fv.Unit("conv", 0): 0.0, fv.Unit("conv", 1, position=(0, 0)): 5.0, fv.Unit("tokens", 2): 1.0}
    after = edited(hooked, edits, "conv")
    assert not after[:, 0].any()
    assert (after[:, 1, 0] == 5).all()
    assert (edited(hooked, edits, "tokens")[:, 2] == 1).all()


def test_the_inner_of_nested_blocks_sees_what_the_outer_made(hooked) -> None:
    with hooked.edit({fv.Unit("conv", 1): 2.0}):
        assert (edited(hooked, {fv.Unit("conv", 1): lambda values: values + 1}, "conv")[:, 1] == 3).all()
        assert (plain(hooked, "conv")[:, 1] == 2).all()
        assert hooked.is_edited
    assert not hooked.is_edited


@pytest.mark.parametrize("layer", ["relu", "relu#1"])
def test_one_call_of_a_reused_module_in_every_pass_of_a_block(layer: str, hooked) -> None:
    other = {"relu": "relu#1", "relu#1": "relu"}[layer]
    before, same = plain(hooked, layer), plain(hooked, "relu")
    with hooked.edit({fv.Unit(layer, 1): -1.0}):
        for _ in range(3):
            after = plain(hooked, layer)
            assert (after[:, 1] == -1).all()
            assert torch.equal(after[:, 2], before[:, 2]) or layer == "relu#1"
            if other == "relu":
                assert torch.equal(plain(hooked, "relu"), same)
            else:
                assert (plain(hooked, "relu#1") >= 0).all()


def test_an_edit_holds_however_the_model_is_run(net, hooked) -> None:
    with hooked.edit({fv.Unit("conv", 1): 0.3}):
        ways = [hooked.module(X), hooked.read(X, ["logits"])["logits"], net.eval()(X)]
    for logits in ways[1:]:
        assert torch.equal(logits, ways[0])
    net.train()


def test_an_item_of_a_tuple(net, hooked) -> None:
    assert "block[0]" in hooked.layers
    expected = by_hand(net, "block", lambda output: (with_channel(1, 3, 4.0)(output[0]), None))
    with hooked.edit({fv.Unit("block[0]", 3): 4.0}):
        assert torch.equal(hooked.module(X), expected)


def test_pixels_keep_their_gradients_except_through_what_was_replaced(net, hooked) -> None:
    x = X.clone().requires_grad_()
    with hooked.edit({fv.Unit("conv", channel): 0.0 for channel in (1, 2, 3)}):
        (gradient,) = torch.autograd.grad(hooked.read(x, ["conv"])["conv"].sum(), x)
    (expected,) = torch.autograd.grad(net.conv(x)[:, 0].sum(), x)
    assert torch.allclose(gradient, expected)


def test_a_value_may_carry_a_gradient_of_its_own(hooked) -> None:
    scale = torch.ones((), requires_grad=True)
    with hooked.edit({fv.Unit("conv", 1): scale}):
        (gradient,) = torch.autograd.grad(hooked.module(X)[:, 0].sum(), scale)
    assert gradient != 0


def test_images_of_another_size_than_the_model_was_probed_with(hooked) -> None:
    larger = torch.rand(2, 3, 12, 16)
    with hooked.edit({fv.Unit("conv", 1): 0.5, fv.Unit("tokens", 2, position=(3, 3)): 9.0}):
        read = hooked.read(larger, ["conv", "tokens"])
    assert (read["conv"][:, 1] == 0.5).all()
    assert read["conv"].shape == (2, 4, 6, 8)
    assert (read["tokens"] == 9).nonzero().tolist() == [[0, 1 + 3 * 8 + 3, 2], [1, 1 + 3 * 8 + 3, 2]]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_in_the_block_or_in_the_model_leaves_nothing(error, net, hooked, untouched) -> None:
    def fail(values: torch.Tensor) -> torch.Tensor:
        raise error("inside")

    before = hooked.module(X)
    with untouched(net):
        with pytest.raises(error, match="inside"), hooked.edit({"conv": 0.0}):
            raise error("inside")
        with pytest.raises(error, match="inside"), hooked.edit({"conv": fail}):
            hooked.module(X)
    assert not hooked.is_edited
    assert torch.equal(hooked.module(X), before)


REFUSED = {
    "unknown layer": (
        {fv.Unit("convs", 0): 0.0},
        LayerNotFoundError,
        "no layer 'convs'. Did you",
    ),
    "unknown layer by name": ({"head[0]x": 0.0}, LayerNotFoundError, "Expected a layer name"),
    "a call that never happens": ({"relu#2": 0.0}, LayerNotFoundError, "runs as 'relu', 'relu#1'"),
    "channel": ({fv.Unit("conv", 4): 0.0}, ShapeError, "'conv' has 4 channels, counted from 0; got 4"),
    "position": ({fv.Unit("conv", 0, (4, 0)): 0.0}, ShapeError, r"\(4, 0\) lies outside .* 4 × 4"),
    "word": ({"conv": "zero"}, MissingInputError, "'mean', 'resample', a tensor or a function .* got 'zero'"),
    "no value": ({fv.Unit("conv", 0): None}, MissingInputError, "that returns numbers, got None"),
    "no target": ({("conv", 1): 0.0}, MissingInputError, r"Expected a unit.* got \('conv', 1\). A channel"),
    "logits": ({fv.Unit.logit(0): 0.0}, UnsupportedModelError, "edit the layer that makes them"),
    "direction": (
        {fv.Direction("conv", np.ones(3), name="d"): 0.0},
        ShapeError,
        "direction 'd' has 3 values, layer 'conv' 4 channels",
    ),
}


@pytest.mark.parametrize(("edits", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_before_anything_runs(edits, error, message, net, untouched) -> None:
    hooked = fv.attach(net, input_shape=(3, 8, 8))
    with untouched(net), pytest.raises(error, match=message), hooked.edit(edits):
        raise AssertionError("the block was entered")


@pytest.mark.parametrize("value", [None, "mean"])
def test_a_function_that_returns_no_numbers_is_named_by_what_it_returned(value, hooked) -> None:
    with (
        hooked.edit({fv.Unit("conv", 1): lambda _: value}),
        pytest.raises(MissingInputError, match=f"that returns numbers, got {value!r}"),
    ):
        hooked.module(X)


@pytest.mark.parametrize("build", [partial(torch.compile, backend="eager"), compiled_in_place])
def test_a_compiled_model_that_has_run_is_edited_too(build, net) -> None:
    compiled = build(net)
    before = compiled(X)
    hooked = fv.attach(compiled, input_shape=(3, 8, 8))
    expected = by_hand(net, "conv", with_channel(1, 2, 5.0))
    with hooked.edit({fv.Unit("conv", 2): 5.0}):
        assert torch.allclose(compiled(X), expected)
    assert torch.allclose(compiled(X), before)
    assert not torch.allclose(before, expected)


def test_an_edit_imports_no_compiler() -> None:
    code = (
        "import sys, torch, fvhooks as fv; from torch import nn\n"
        "net = nn.Sequential(nn.Conv2d(3, 4, 3)); h = fv.attach(net, input_shape=(3, 8, 8))\n"
        "with h.edit({'0': 0.0}): assert not h.module(torch.rand(1, 3, 8, 8)).any()\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_probe_of_an_edited_model_is_not_kept(hooked) -> None:
    larger = torch.rand(2, 3, 12, 16)
    with hooked.edit({"relu": -1.0}):
        assert hooked.probe(larger)["relu"].signed
        assert not hooked.probe()["relu"].signed  # known from before
    assert not hooked.probe(larger)["relu"].signed


def test_a_model_that_was_never_probed_can_be_edited_inside_a_block(hooked) -> None:
    with hooked.edit({fv.Unit("conv", 1): 2.0}):
        coded = hooked.with_sae("mix", TopK(5, 8, k=2))
        with coded.edit({fv.Unit("conv", 2): 3.0}):
            read = coded.read(X, ["conv"])["conv"]
    assert (read[:, 1] == 2).all()
    assert (read[:, 2] == 3).all()


@pytest.mark.parametrize("value", [torch.zeros(5), lambda _: torch.zeros(5)], ids=["tensor", "function"])
def test_values_that_do_not_broadcast_name_both_shapes(value, hooked) -> None:
    with (
        hooked.edit({fv.Unit("conv", 1): value}),
        pytest.raises(ShapeError, match=r"broadcasts to \(3, 16\), got \(5,\)"),
    ):
        hooked.module(X)


def test_a_copy_that_is_made_inside_the_block_is_edited_in_every_pass(net: Toy) -> None:
    hooked = fv.attach(net, input_shape=(3, 8, 8))
    with hooked.edit({fv.Unit("mix", 2): 0.7}):
        edited, copied = hooked.model(X), copy.deepcopy(hooked.model)
        for _ in range(2):
            torch.testing.assert_close(copied(X), edited)
    assert not torch.allclose(hooked.model(X), edited)
