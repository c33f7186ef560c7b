"""Units, directions and layouts."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fvhooks as fv
from fvhooks.errors import ShapeError

layers = st.text(min_size=1).filter(lambda name: ":" not in name)
places = st.none() | st.tuples(st.integers(0, 999), st.integers(0, 999))


@given(st.builds(fv.Unit, layers, st.integers(0, 10**6), places))
def test_parsing_an_id_gives_the_unit_back(unit: fv.Unit) -> None:
    assert fv.Unit.parse(unit.id) == unit


def test_a_layer_name_may_hold_a_colon() -> None:
    assert fv.Unit.parse("block:0:7") == fv.Unit("block:0", 7)


@pytest.mark.parametrize(
    "text", ["layer4", "layer4:", ":7", "layer4:x", "layer4:-1", "layer4:7@3", "layer4:7@a,b"]
)
def test_other_texts_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="Expected a unit such as 'layer4:7'"):
        fv.Unit.parse(text)


def test_a_channel_counts_from_zero() -> None:
    with pytest.raises(ValueError, match="got -1 for layer 'layer4'"):
        fv.Unit("layer4", -1)


def test_logits_are_known_whatever_the_last_layer_is_called() -> None:
    assert fv.Unit.logit(3) == fv.Unit("logits", 3)
    assert fv.Unit.logit(3).is_logit
    assert not fv.Unit("fc", 3).is_logit


def test_directions_are_equal_by_value_and_cannot_change() -> None:
    vector = np.array([1.0, 2.0])
    one, two = fv.Direction("layer4", vector, "stripes"), fv.Direction("layer4", vector.copy(), "stripes")
    assert one == two
    assert len({one, two}) == 1
    assert one != fv.Direction("layer4", vector * 2, "stripes")
    vector[0] = 9
    assert one.vector.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        one.vector[0] = 3


@pytest.mark.parametrize("vector", [np.zeros(3), np.array([1, np.nan]), np.array([np.inf, 1.0])])
def test_a_direction_without_direction_is_refused(vector: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="'stripes' must be a finite, non-zero vector"):
        fv.Direction("layer4", vector, "stripes")


def heads(heads: int, width: int, grid: tuple[int, int], prefix: int) -> fv.Layout:
    return fv.Layout("heads", heads * width, grid, prefix, heads)


few = st.integers(1, 9)
layouts = st.one_of(
    st.builds(fv.Layout, st.sampled_from(["map", "channels_last"]), few, st.tuples(few, few)),
    st.builds(heads, st.integers(1, 4), st.integers(1, 4), st.tuples(few, few), st.integers(0, 5)),
    st.builds(
        fv.Layout,
        st.just("tokens"),
        st.integers(1, 9),
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        st.integers(0, 5),
    ),
    st.builds(fv.Layout, st.just("flat"), st.integers(1, 9)),
)


@given(layouts)
def test_places_and_positions_are_each_others_inverse(layout: fv.Layout) -> None:
    places = [layout.place(position) for position in range(layout.positions)]
    assert places[: layout.prefix] == [None] * layout.prefix
    inside = places[layout.prefix :]
    assert inside == [(row, column) for row in range(layout.grid[0]) for column in range(layout.grid[1])]
    assert [layout.index(place) for place in inside] == list(range(layout.prefix, layout.positions))


def activations_of(layout: fv.Layout) -> torch.Tensor:
    shape = {
        "map": (2, layout.channels, *layout.grid),
        "channels_last": (2, *layout.grid, layout.channels),
        "tokens": (2, layout.positions, layout.channels),
        "heads": (2, layout.positions, layout.heads, layout.channels // layout.heads),
        "flat": (2, layout.channels),
    }[layout.kind]
    return torch.arange(np.prod(shape)).reshape(shape)


@given(layouts)
def test_the_same_numbers_stand_at_channel_and_position(layout: fv.Layout) -> None:
    activations = activations_of(layout)
    folded = layout.to_channels(activations)
    assert folded.shape == (2, layout.channels, layout.positions)
    position, channel = layout.positions - 1, layout.channels - 1
    at = {
        "map": (1, channel, -1, -1),
        "channels_last": (1, -1, -1, channel),
        "tokens": (1, position, channel),
        "heads": (1, position, -1, -1),
        "flat": (1, channel),
    }[layout.kind]
    assert folded[1, channel, position] == activations[at]


@given(layouts)
def test_laying_channels_out_again_gives_the_activations_back(layout: fv.Layout) -> None:
    activations = activations_of(layout)
    assert torch.equal(layout.from_channels(layout.to_channels(activations)), activations)


def test_the_channels_of_a_head_follow_those_of_the_one_before() -> None:
    layout = fv.Layout.of_heads((5, 3, 4), (8, 8))
    activations = torch.randn(2, 5, 3, 4)
    channels = layout.to_channels(activations)
    assert torch.equal(channels[:, 4:8], layout.head().to_channels(activations[:, :, 1]))
    assert layout.head() == fv.Layout("tokens", 4, (2, 2), 1)


def test_a_place_outside_the_grid_is_an_error() -> None:
    with pytest.raises(ShapeError, match=r"Position \(3, 0\) lies outside the layer's grid of 3 × 4"):
        fv.Layout("map", 8, (3, 4)).index((3, 0))


TOKENS = {
    "CLS": (197, (224, 224), 1, (14, 14)),
    "none": (196, (224, 224), 0, (14, 14)),
    "distillation": (198, (224, 224), 2, (14, 14)),
    "CLS and four registers": (261, (224, 224), 5, (16, 16)),
    "wide": (1 + 7 * 14, (112, 224), 1, (7, 14)),
    "high, no CLS": (24 * 8, (384, 128), 0, (24, 8)),
    "no grid": (6, (224, 224), 2, (2, 2)),
    "odd": (3, (224, 224), 0, (1, 3)),
}


@pytest.mark.parametrize(("tokens", "size", "prefix", "grid"), TOKENS.values(), ids=TOKENS)
def test_patch_tokens_are_told_from_the_tokens_before_them(tokens, size, prefix, grid) -> None:
    assert fv.Layout.of((2, tokens, 8), size) == fv.Layout("tokens", 8, grid, prefix)


def test_the_centre_of_a_position_is_a_fraction_of_the_picture() -> None:
    layout = fv.Layout("tokens", 8, (2, 4), prefix=1)
    assert layout.centre(0) is None
    assert layout.centre(1) == (0.25, 0.125)
    assert layout.centre(8) == (0.75, 0.875)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4, 5, 6)])
def test_other_shapes_have_no_layout(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="got shape"):
        fv.Layout.of(shape)


@pytest.mark.parametrize(
    ("shape", "image", "kind", "grid"),
    [
        ((2, 56, 56, 64), (224, 224), "channels_last", (56, 56)),
        ((2, 64, 56, 56), (224, 224), "map", (56, 56)),
        ((2, 64, 64, 64), (224, 224), "map", (64, 64)),
        ((2, 7, 10, 96), (224, 300), "channels_last", (7, 10)),
        ((2, 96, 7, 10), (224, 300), "map", (7, 10)),
    ],
)
def test_maps_with_the_channel_first_or_last(
    shape: tuple[int, ...], image: tuple[int, int], kind: str, grid: tuple[int, int]
) -> None:
    layout = fv.Layout.of(shape, image)
    assert (layout.kind, layout.grid) == (kind, grid)
    values = torch.arange(float(torch.Size(shape).numel())).view(shape)
    channels = layout.to_channels(values)
    place = layout.index((2, 3))
    expected = values[1, 2, 3, 5] if kind == "channels_last" else values[1, 5, 2, 3]
    assert channels[1, 5, place] == expected


FOUR_AXES = {  # shape for one image, size of the image, kind
    "map as high as a pool made it": ((64, 7, 1), (224, 224), "map"),
    "map of as many channels as a grid has places": ((64, 8, 16), (64, 64), "map"),
    "heads of a ViT, which only a name can tell": ((197, 3, 64), (224, 224), "map"),
    "CIFAR map": ((17, 8, 8), (32, 32), "map"),
    "map of a wide image, rounded": ((64, 4, 7), (32, 50), "map"),
    "map of few places": ((50, 1, 1), (224, 224), "map"),
    "Swin": ((49, 49, 96), (392, 392), "channels_last"),
    "Swin on CIFAR": ((8, 8, 64), (32, 32), "channels_last"),
}


@pytest.mark.parametrize(("shape", "image", "kind"), FOUR_AXES.values(), ids=FOUR_AXES)
def test_a_shape_of_four_axes_is_a_map(shape: tuple[int, ...], image: tuple[int, int], kind: str) -> None:
    layout = fv.Layout.of((2, *shape), image)
    assert layout.kind == kind
    activations = torch.randn(2, *shape)
    assert layout.to_channels(activations).shape == (2, layout.channels, layout.positions)
