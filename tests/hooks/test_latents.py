"""Latents as layers: named, read, edited and attributed to; the model itself computes what it did."""

import copy
import pickle

import pytest
import torch
from captum.attr import (
    LayerActivation,
    LayerFeatureAblation,
    LayerGradientXActivation,
    LayerIntegratedGradients,
)
from torch import nn

import fvhooks as fv
from fvhooks.demo import TopK
from fvhooks.errors import LayerNotFoundError, ShapeError, UnsupportedModelError
from fvhooks.hooks.latents import decoder_rows

X = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class Reused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 5, 3)
        self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(5, 3)

    def forward(self, x):
        x = self.relu(self.second(self.relu(self.first(x))))
        return self.head(x.mean((2, 3)))


@pytest.fixture
def net() -> Reused:
    torch.manual_seed(0)
    return Reused()


@pytest.fixture
def plain(net: Reused) -> fv.HookedModel:
    return fv.attach(net, mean=[0.4] * 3, std=[0.3] * 3, input_shape=(3, 8, 8))


@pytest.fixture
def coder() -> TopK:
    torch.manual_seed(1)
    return TopK(5, 20, k=4)


@pytest.fixture
def hooked(plain: fv.HookedModel, coder: TopK) -> fv.HookedModel:
    return plain.with_sae("relu#1", coder)


LAYER = "relu#1/sae"


def busiest(hooked: fv.HookedModel) -> int:
    return int(hooked.read(X, [LAYER])[LAYER].sum((0, 2, 3)).argmax())


def test_latents_stand_right_behind_their_site_and_the_old_model_stays(hooked, plain) -> None:
    assert hooked.layers == ["first", "relu", "second", "relu#1", LAYER, "head", "logits"]
    assert LAYER not in plain.layers
    assert hooked.model is plain.model
    assert hooked.layout(LAYER) == fv.Layout("map", 20, (4, 4))
    with pytest.raises(LayerNotFoundError, match=f"Did you mean '{LAYER}'"):
        hooked.read(X, ["relu#1/saes"])


def test_two_autoencoders_may_sit_at_one_site(hooked) -> None:
    both = hooked.with_sae("relu#1", TopK(5, 8, k=2), name="small")
    shapes = {name: found.shape[1] for name, found in both.read(X, ["relu#1/small", LAYER]).items()}
    assert shapes == {"relu#1/small": 8, LAYER: 20}


def test_a_taken_name_and_an_impossible_one_are_refused(hooked, coder) -> None:
    with pytest.raises(ValueError, match="already is a layer 'relu#1/sae'; pass another name="):
        hooked.with_sae("relu#1", coder)
    with pytest.raises(ValueError, match="Expected a name without"):
        hooked.with_sae("relu#1", coder, name="a/b")
    for site in (LAYER, "logits"):
        with pytest.raises(UnsupportedModelError, match="no autoencoder can sit there"):
            hooked.with_sae(site, coder)


def test_reading_latents_ends_the_pass_at_their_site_and_leaves_nothing(hooked, net, untouched) -> None:
    net.head.forward = lambda _x: pytest.fail("ran past the site")
    with untouched(net):
        hooked.read(X, [LAYER])
    assert not hooked.modules[LAYER]._forward_hooks


def test_reading_latents_changes_no_logit(hooked, plain) -> None:
    assert torch.equal(hooked.read(X, [LAYER, "logits"])["logits"], plain.read(X, ["logits"])["logits"])


def test_latents_have_gradients_to_the_pixels(hooked, plain, coder) -> None:
    x = X.clone().requires_grad_()
    unit = busiest(hooked)
    (found,) = torch.autograd.grad(hooked.read(x, [LAYER])[LAYER][:, unit].sum(), x)
    rows = plain.read(x, ["relu#1"])["relu#1"].movedim(1, -1)
    (expected,) = torch.autograd.grad(coder.encode(rows)[..., unit].sum(), x)
    assert expected.abs().sum() > 0
    assert torch.allclose(found, expected, atol=1e-6)


def test_an_edit_moves_the_site_by_what_the_latent_decodes_to(hooked, plain, coder) -> None:
    unit = busiest(hooked)
    before, latents = plain.read(X, ["relu#1"])["relu#1"], hooked.read(X, [LAYER])[LAYER]
    with hooked.edit({fv.Unit(LAYER, unit): 0.0}):
        after = plain.read(X, ["relu#1"])["relu#1"]
        seen = hooked.read(X, [LAYER])[LAYER]
        logits = [hooked.module(X), plain.module(X), plain.module(X)]
    part = latents[:, unit, None] * coder.W_dec[unit].detach()[:, None, None]
    assert part.abs().max() > 0.01
    assert torch.allclose(after, before - part, atol=1e-6)
    assert torch.equal(seen[:, unit], torch.zeros_like(seen[:, unit]))
    assert torch.equal(logits[0], logits[1])
    assert torch.equal(logits[0], logits[2]), "the second pass of a block is edited like the first"
    assert not torch.allclose(logits[0], plain.module(X))


def test_an_edit_that_changes_nothing_keeps_what_the_autoencoder_misses(hooked, plain) -> None:
    assert hooked.reconstruction_error(X, LAYER) > 0.05
    with hooked.edit({LAYER: lambda values: values}):
        assert torch.equal(hooked.module(X), plain.module(X))


def test_an_edit_of_latents_keeps_gradients(hooked) -> None:
    unit, x = busiest(hooked), X.clone().requires_grad_()
    scale = torch.tensor(1.0, requires_grad=True)
    with hooked.edit({fv.Unit(LAYER, unit): lambda values: scale * values}):
        grads = torch.autograd.grad(hooked.module(x)[:, 0].sum(), [x, scale])
    assert all(bool(grad.abs().sum() > 0) for grad in grads)


def test_a_direction_and_a_position_among_latents_are_edited(hooked) -> None:
    unit = busiest(hooked)
    with hooked.edit({fv.Unit(LAYER, unit, position=(1, 2)): 7.0}):
        seen = hooked.read(X, [LAYER])[LAYER]
    assert torch.equal(seen[:, unit, 1, 2], torch.full((4,), 7.0))
    assert not bool((seen[:, unit, 0, 0] == 7).any())


@pytest.mark.parametrize("inputs", [False, True], ids=["output", "input"])
def test_captum_gets_the_gradient_to_latents_and_that_before_them_is_the_models_own(
    hooked, plain, net, coder, inputs
) -> None:
    layers = [net.first, hooked.modules[LAYER]]
    found = LayerGradientXActivation(hooked.module, layers).attribute(
        X, target=1, attribute_to_layer_input=inputs
    )
    alone = LayerGradientXActivation(plain.module, net.first).attribute(
        X, target=1, attribute_to_layer_input=inputs
    )
    latents = hooked.read(X, [LAYER])[LAYER]
    slope = (coder.W_dec @ net.head.weight[1]).detach() / 16  # the mean over 4 x 4 positions, then the head
    assert torch.allclose(found[1], latents * slope[:, None, None], atol=1e-6)
    assert torch.allclose(found[0], alone, atol=1e-6)
    assert found[0].abs().sum() > 0


def test_attributors_that_replace_values_agree_where_the_rest_of_the_model_is_linear(hooked) -> None:
    latents = hooked.modules[LAYER]
    expected = LayerGradientXActivation(hooked.module, latents).attribute(X, target=2)
    ablated = LayerFeatureAblation(hooked.module, latents).attribute(X, target=2)
    assert torch.allclose(ablated, expected, atol=1e-5)
    path = LayerIntegratedGradients(hooked.module, latents).attribute(X, target=2, n_steps=4)
    black = hooked.read(torch.zeros_like(X), [LAYER])[LAYER]
    kept = hooked.read(X, [LAYER])[LAYER]
    moved = expected.where(kept == 0, expected * (kept - black) / kept.clamp(min=1e-9))
    assert torch.allclose(path[kept > 0], moved[kept > 0], atol=1e-4)


def test_an_attributor_without_gradients_sees_what_is_read(hooked) -> None:
    found = LayerActivation(hooked.module, hooked.modules[LAYER]).attribute(X)
    assert torch.equal(found, hooked.read(X, [LAYER])[LAYER])


def test_the_reconstruction_error_needs_latents_and_variance(hooked) -> None:
    with pytest.raises(UnsupportedModelError, match=f"'relu#1' is no layer of latents. There: '{LAYER}'"):
        hooked.reconstruction_error(X, "relu#1")
    constant = fv.attach(nn.Sequential(nn.Conv2d(3, 5, 3)), input_shape=(3, 8, 8))
    nn.init.zeros_(constant.model[0].weight)
    with pytest.raises(ShapeError, match="no variance to explain"):
        constant.with_sae("0", TopK(5, 8, k=2)).reconstruction_error(X, "0/sae")


def test_the_mean_misses_exactly_all_of_the_variance(plain) -> None:
    coder = TopK(5, 8, k=2)
    nn.init.zeros_(coder.W_dec)
    coder.b_dec.data = plain.read(X, ["relu#1"])["relu#1"].mean((0, 2, 3)).detach()
    assert plain.with_sae("relu#1", coder).reconstruction_error(X, LAYER) == pytest.approx(1, abs=1e-5)


def test_a_copy_and_a_pickle_have_latents_of_their_own(hooked) -> None:
    for other in (copy.deepcopy(hooked), pickle.loads(pickle.dumps(hooked))):
        assert torch.equal(other.read(X, [LAYER])[LAYER], hooked.read(X, [LAYER])[LAYER])
        assert other.modules[LAYER] is not hooked.modules[LAYER]


def test_an_edit_of_a_site_comes_before_that_of_its_latents(hooked, plain, coder) -> None:
    unit = busiest(hooked)
    with hooked.edit({fv.Unit(LAYER, unit): 0.0, fv.Unit("relu#1", 3): 1.5}):
        latents = hooked.read(X, [LAYER])[LAYER]
    with plain.edit({fv.Unit("relu#1", 3): 1.5}):
        expected = coder.encode(plain.read(X, ["relu#1"])["relu#1"].movedim(1, -1)).movedim(-1, 1)
    expected[:, unit] = 0
    assert torch.allclose(latents, expected, atol=1e-6)


def trained(hooked: fv.HookedModel, images: torch.Tensor, layer: str) -> TopK:
    """A hundred steps: enough to beat the mean, no more."""
    torch.manual_seed(0)
    layout = hooked.layout(layer)
    with torch.no_grad():
        rows = (
            layout.to_channels(hooked.read(images, [layer])[layer])
            .movedim(1, -1)
            .reshape(-1, layout.channels)
        )
    coder = TopK(layout.channels, 2 * layout.channels, k=8)
    coder.b_dec.data = rows.mean(0)
    optimizer = torch.optim.Adam(coder.parameters(), lr=3e-3)
    for step in range(100):
        batch = rows[step % 8 :: 8]
        optimizer.zero_grad()
        (batch - coder(batch)).square().mean().backward()
        optimizer.step()
    return coder


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "site"), [("cifar10_resnet20", "layer2"), ("cifar10_vit", "transformer.layers.3")]
)
def test_an_autoencoder_of_a_trained_network(shared, name, site) -> None:
    model, mean, std = shared.load(name)
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    images, _ = shared.cifar10("test")
    coder, layer = trained(hooked, images[:64], site), f"{site}/sae"
    with_sae = hooked.with_sae(site, coder)
    assert with_sae.reconstruction_error(images[64:128], layer) < 1
    assert with_sae.layout(layer).grid == hooked.layout(site).grid
    assert with_sae.layout(layer).prefix == hooked.layout(site).prefix
    few = images[64:68]
    latents = with_sae.read(few, [layer])[layer]
    found = LayerGradientXActivation(with_sae.module, with_sae.modules[layer]).attribute(few, target=1)
    assert found.shape == latents.shape
    unit = int(with_sae.layout(layer).to_channels(found).abs().sum((0, 2)).argmax())
    before = hooked.module(few)
    with with_sae.edit({fv.Unit(layer, unit): 0.0}):
        assert (hooked.module(few) - before).abs().max() > 1e-3
    assert torch.equal(with_sae.read(few, [layer, "logits"])["logits"], before)


def test_what_latents_add_is_decoded_a_part_at_a_time(plain: fv.HookedModel, monkeypatch) -> None:
    wide, rows = TopK(5, 700, k=4), []
    decode = wide.decode
    monkeypatch.setattr(wide, "decode", lambda latents: rows.append(len(latents)) or decode(latents))
    site, found = decoder_rows(plain.with_sae("relu#1", wide), LAYER, range(700))
    assert site == "relu#1"
    assert max(rows) < 300 <= sum(rows)
    assert torch.allclose(found, decode(torch.eye(700)) - decode(torch.zeros(1, 700)), atol=1e-6)
