"""Autoencoders by duck type: what they return, on every layout, in their own type, of a fitting width."""

from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.demo import TopK
from fvhooks.errors import LayerNotFoundError, ShapeError, UnsupportedModelError

X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
LATENTS = 12


class SAELensLike(TopK):
    """`encode` gives the latents; the configuration states the width."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, LATENTS, k=3)
        self.cfg = SimpleNamespace(d_in=channels)


class OvercompleteLike(TopK):
    """`encode` gives (pre_codes, codes), and takes two axes only."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, LATENTS, k=3)

    def encode(self, x):
        assert x.ndim == 2
        return x @ self.W_enc, super().encode(x)


class PrismaLike(TopK):
    """`encode` gives (sae_in, latents)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, LATENTS, k=3)

    def encode(self, x):
        return x - self.b_dec, super().encode(x)


class EncodeOut(NamedTuple):
    h_x: torch.Tensor
    f_x: torch.Tensor


class SaevLike(TopK):
    """`encode` gives a named tuple, `decode` one reconstruction a prefix, the whole last."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, LATENTS, k=3)

    def encode(self, x):
        return EncodeOut(x @ self.W_enc, super().encode(x))

    def decode(self, f_x, *, prefixes=None):
        half = f_x.clone()
        half[:, LATENTS // 2 :] = 0
        return torch.stack([super(SaevLike, self).decode(part) for part in (half, f_x)], -2)


class PlainObject:
    """No module, an object with attributes as what it returns."""

    def __init__(self, channels: int) -> None:
        self.inner = TopK(channels, LATENTS, k=3)

    def encode(self, x):
        return SimpleNamespace(inputs=x, codes=self.inner.encode(x))

    def decode(self, z):
        return self.inner.decode(z)


class ChannelsLast(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1)


class Tokens(nn.Module):
    def forward(self, x):
        tokens = x.flatten(1, 2)
        return torch.cat([tokens.mean(1, keepdim=True), tokens], 1)


class Pool(nn.Module):
    def forward(self, x):
        return x.mean(1)


def network() -> nn.Sequential:
    """A map, the same with the channel last, tokens behind a CLS token, one vector."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3), ChannelsLast(), Tokens(), Pool(), nn.Linear(6, 4))


@pytest.fixture
def hooked() -> fv.HookedModel:
    return fv.attach(network(), input_shape=(3, 8, 8))


LIBRARIES = [SAELensLike, OvercompleteLike, PrismaLike, SaevLike, PlainObject]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("site", ["0", "1", "2", "3"], ids=["map", "channels_last", "tokens", "flat"])
def test_every_librarys_latents_lie_where_their_rows_did(hooked, library, site) -> None:
    coder = library(6)
    latents = hooked.with_sae(site, coder).read(X, [f"{site}/sae"])[f"{site}/sae"]
    layout = hooked.layout(site)
    rows = layout.to_channels(hooked.read(X, [site])[site])
    expected = TopK.encode(getattr(coder, "inner", coder), rows.movedim(1, -1)).movedim(-1, 1)
    found = hooked.with_sae(site, coder).layout(f"{site}/sae")
    assert (found.kind, found.channels) == (layout.kind, LATENTS)
    assert (found.grid, found.prefix) == (layout.grid, layout.prefix)
    assert torch.allclose(found.to_channels(latents), expected, atol=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_librarys_reconstruction_is_the_whole_one(hooked, library) -> None:
    coder = library(6)
    rows = hooked.read(X, ["0"])["0"].movedim(1, -1).reshape(-1, 6)
    inner = getattr(coder, "inner", coder)
    rest = (rows - TopK.decode(inner, TopK.encode(inner, rows))).square().sum()
    expected = (rest / (rows - rows.mean(0)).square().sum()).item()
    assert hooked.with_sae("0", coder).reconstruction_error(X, "0/sae") == pytest.approx(expected, rel=1e-4)


def test_what_has_no_encode_and_decode_is_no_autoencoder(hooked) -> None:
    with pytest.raises(UnsupportedModelError, match=r"encode\(x\) and decode\(latents\), got Linear"):
        hooked.with_sae("0", nn.Linear(6, 12))


@pytest.mark.parametrize("coder", [TopK(5, 12, k=3), SAELensLike(5)], ids=["by its decoder", "by its word"])
def test_a_wrong_width_is_refused_with_both_numbers(hooked, coder) -> None:
    with pytest.raises(ShapeError, match=r"of 6 channels at layer '0', got one of 5 .*trained on"):
        hooked.with_sae("0", coder)


def test_a_wrong_width_that_nothing_states_is_found_by_trying(hooked) -> None:
    with pytest.raises(ShapeError, match="of 6 channels at layer '0', got PlainObject, which fails"):
        hooked.with_sae("0", PlainObject(5))


def test_a_wrong_width_is_found_at_the_first_probe_where_the_input_is_not_known() -> None:
    hooked = fv.attach(network()).with_sae("0", TopK(5, 12, k=3))
    with pytest.raises(ShapeError, match="of 6 channels at layer '0', got one of 5"):
        hooked.probe(X)
    assert fv.attach(network()).with_sae("1", TopK(6, 12, k=3)).probe(X).layout("1/sae").channels == 12


def test_what_decodes_to_another_layer_is_no_autoencoder_of_this_one(hooked) -> None:
    coder = PlainObject(6)
    coder.decode = lambda z: z[:, :5]
    with pytest.raises(ShapeError, match="which decodes to 5 channels"):
        hooked.with_sae("0", coder)


def test_heads_take_no_autoencoder() -> None:
    hooked = fv.attach(nn.Sequential(nn.Conv2d(3, 6, 3), nn.Unflatten(1, (2, 3))), input_shape=(3, 8, 8))
    with pytest.raises((UnsupportedModelError, LayerNotFoundError), match="no channel axis"):
        hooked.with_sae("1", TopK(6, 12, k=3))


def test_it_keeps_its_own_type(hooked) -> None:
    coder = TopK(6, 12, k=3).double()
    assert hooked.with_sae("0", coder).read(X, ["0/sae"])["0/sae"].dtype == torch.float64
    half = fv.attach(network().bfloat16(), input_shape=(3, 8, 8)).with_sae("0", TopK(6, 12, k=3))
    assert half.read(X, ["0/sae"])["0/sae"].dtype == torch.float32
    with half.edit({fv.Unit("0/sae", 2): 3.0}):
        assert half.read(X, ["0"])["0"].dtype == torch.bfloat16


def test_it_is_frozen_and_in_evaluation_mode_while_it_runs_and_as_it_was_after(hooked) -> None:
    seen = []

    class Watched(TopK):
        def encode(self, x):
            seen.append((self.training, self.W_enc.requires_grad))
            return super().encode(x)

    coder = Watched(6, 12, k=3).train()
    coder.b_enc.requires_grad_(False)
    hooked.with_sae("0", coder).read(X, ["0/sae"])
    assert set(seen) == {(False, False)}
    assert (coder.training, coder.W_enc.requires_grad, coder.b_enc.requires_grad) == (True, True, False)
