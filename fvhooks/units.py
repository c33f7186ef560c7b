"""What can be looked at: a unit of a layer, a direction in it, and how a layer's activations are laid out."""

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped

from fvhooks.errors import ShapeError

LOGITS = "logits"
"""The layer name of a model's outputs, whatever its last module is called."""

IMAGE, CHANNEL, POSITION, UNIT, SEED = "image", "channel", "position", "unit", "seed"
"""Dimension names that every array of fvhooks uses."""

_UNIT = re.compile(r"(.+):([0-9]+)(?:@([0-9]+),([0-9]+))?", re.DOTALL)
_MAX_PREFIX = 8  # CLS, distillation and register tokens; DINOv2 has 1 + 4
_COMMON_PREFIXES = (1, 0, 2, 5)


@dataclass(frozen=True, slots=True)
class Unit:
    """One channel of a layer, everywhere in the picture or at one position.

    Examples:
        >>> Unit("layer4", 7).id
        'layer4:7'
        >>> Unit("layer4", 7, position=(3, 3)).id
        'layer4:7@3,3'
        >>> Unit.logit(207).id
        'logits:207'

    Args:
        layer: the layer's name in its model.
        channel: index along the layer's channel axis.
        position: (row, column) on the layer's grid; None means the whole layer.
    """

    layer: str
    channel: int
    position: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.channel < 0:
            raise ValueError(f"A unit's channel counts from 0, got {self.channel} for layer {self.layer!r}.")

    @classmethod
    def logit(cls, index: int) -> "Unit":
        """The model's output `index`, whatever the last layer is called."""
        return cls(LOGITS, index)

    @classmethod
    def parse(cls, identifier: str) -> "Unit":
        """The unit that an `id` names; the inverse of `Unit.id`."""
        match = _UNIT.fullmatch(identifier)
        if match is None:
            raise ValueError(f"Expected a unit such as 'layer4:7' or 'layer4:7@3,3', got {identifier!r}.")
        layer, channel, row, column = match.groups()
        return cls(layer, int(channel), None if row is None else (int(row), int(column)))

    @property
    def id(self) -> str:
        """A string that names the unit, the value of the `unit` coordinate."""
        place = "" if self.position is None else f"@{self.position[0]},{self.position[1]}"
        return f"{self.layer}:{self.channel}{place}"

    @property
    def is_logit(self) -> bool:
        """Whether this is an output of the model."""
        return self.layer == LOGITS


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction in a layer's channel space: a concept vector, a decoder row of a sparse autoencoder.

    Examples:
        >>> Direction("layer4", np.eye(4)[2], name="stripes").id
        'layer4:stripes'

    Args:
        layer: the layer's name in its model.
        vector: one finite number a channel, not all zero; kept as given, never normalised.
        name: what to call it.
    """

    layer: str
    vector: Float[np.ndarray, " channel"]
    name: str

    def __post_init__(self) -> None:
        vector = np.array(self.vector, dtype=np.float32)
        if vector.ndim != 1 or not np.isfinite(vector).all() or not vector.any():
            message = (
                f"The direction {self.name!r} must be a finite, non-zero vector with one number a channel"
            )
            raise ShapeError(f"{message}, got shape {vector.shape}.")
        vector.flags.writeable = False
        object.__setattr__(self, "vector", vector)

    @property
    def id(self) -> str:
        """A string that names the direction, the value of the `unit` coordinate."""
        return f"{self.layer}:{self.name}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Direction) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, str, bytes]:
        return self.layer, self.name, self.vector.tobytes()


@dataclass(frozen=True, slots=True)
class Layout:
    """Which axis of a layer's activations is the channel, and where its positions lie in the picture.

    Examples:
        >>> layout = Layout.of((2, 197, 192), image_size=(224, 224))
        >>> layout.kind, layout.prefix, layout.grid
        ('tokens', 1, (14, 14))
        >>> layout.to_channels(torch.zeros(2, 197, 192)).shape
        torch.Size([2, 192, 197])

    Args:
        kind: "map" for `n c h w`, "channels_last" for `n h w c`, "tokens" for `n t c`, "heads" for
            `n t head d_head`, "flat" for `n c`.
        channels: size of the channel axis; those of all heads, one head after the other.
        grid: rows and columns of the positions that lie in the picture.
        prefix: positions before them that do not (CLS and register tokens).
        heads: how many attention heads share the channels.
    """

    kind: Literal["map", "channels_last", "tokens", "heads", "flat"]
    channels: int
    grid: tuple[int, int] = (1, 1)
    prefix: int = 0
    heads: int = 1

    @classmethod
    def of(cls, shape: tuple[int, ...], image_size: tuple[int, int] | None = None) -> "Layout":
        """The layout of activations of that shape (first axis: images).

        A shape alone never tells attention heads from a map: they have `of_heads`, for who knows.

        Args:
            shape: 2 to 4 sizes: `n c`, `n t c`, `n c h w` or `n h w c`.
            image_size: height and width of the model's input. Its aspect tells patch tokens from the tokens
                before them, and maps with the channel first from maps with the channel last.

        Raises:
            ShapeError: a shape with another number of axes.
        """
        match tuple(shape):
            case (_, channels):
                return cls("flat", channels)
            case (_, tokens, channels):
                prefix, grid = _token_grid(tokens, image_size or (1, 1))
                return cls("tokens", channels, grid, prefix)
            case (_, first, second, third):
                if _is_channels_last((first, second, third), image_size or (1, 1)):
                    return cls("channels_last", third, (first, second))
                return cls("map", first, (second, third))
        expected = (
            "Expected activations as (image, channel), (image, token, channel) or (image, channel, y, x)"
        )
        raise ShapeError(f"{expected}, got shape {tuple(shape)}.")

    @classmethod
    def of_heads(cls, shape: tuple[int, int, int], image_size: tuple[int, int]) -> "Layout":
        """The layout of queries, keys, values or mixed values of attention heads.

        Examples:
            >>> Layout.of_heads((197, 3, 64), (224, 224)).channels
            192

        Args:
            shape: `t head d_head`, for one image.
            image_size: height and width of the model's input.
        """
        tokens, heads, width = shape
        prefix, grid = _token_grid(tokens, image_size)
        return cls("heads", heads * width, grid, prefix, heads)

    def head(self) -> "Layout":
        """The layout of one head alone, `n t d_head`."""
        return Layout("tokens", self.channels // self.heads, self.grid, self.prefix)

    @property
    def positions(self) -> int:
        """How many positions each channel has, those outside the picture included."""
        return self.prefix + self.grid[0] * self.grid[1]

    def to_channels(
        self, activations: Shaped[torch.Tensor, "image ..."]
    ) -> Shaped[torch.Tensor, "image channel position"]:
        """The same numbers as `[image, channel, position]`, a view where possible."""
        match self.kind:
            case "flat":
                return activations.unsqueeze(-1)
            case "tokens":
                return activations.transpose(1, 2)
            case "heads":
                return activations.flatten(2).transpose(1, 2)
            case "channels_last":
                return activations.permute(0, 3, 1, 2).flatten(2)
            case _:
                return activations.flatten(2)

    def from_channels(
        self, channels: Shaped[torch.Tensor, "image channel position"]
    ) -> Shaped[torch.Tensor, "image ..."]:
        """`[image, channel, position]` as the layer lays it out; the inverse of `to_channels`."""
        match self.kind:
            case "flat":
                return channels.squeeze(-1)
            case "tokens":
                return channels.transpose(1, 2)
            case "heads":
                return channels.transpose(1, 2).reshape(len(channels), self.positions, self.heads, -1)
            case "channels_last":
                return channels.reshape(*channels.shape[:2], *self.grid).permute(0, 2, 3, 1)
            case _:
                return channels.reshape(*channels.shape[:2], *self.grid)

    def index(self, place: tuple[int, int]) -> int:
        """The position index of (row, column) on the grid.

        Raises:
            ShapeError: the place lies outside the grid.
        """
        row, column = place
        if not (0 <= row < self.grid[0] and 0 <= column < self.grid[1]):
            raise ShapeError(
                f"Position {place} lies outside the layer's grid of {self.grid[0]} × {self.grid[1]}."
            )
        return self.prefix + row * self.grid[1] + column

    def place(self, position: int) -> tuple[int, int] | None:
        """(row, column) of a position index; None for a token outside the picture."""
        if position < self.prefix:
            return None
        row, column = divmod(position - self.prefix, self.grid[1])
        return row, column

    def centre(self, position: int) -> tuple[float, float] | None:
        """Where a position lies in the picture, as fractions (y, x) of its height and width."""
        place = self.place(position)
        if place is None:
            return None
        return (place[0] + 0.5) / self.grid[0], (place[1] + 0.5) / self.grid[1]


def _is_channels_last(shape: tuple[int, int, int], image_size: tuple[int, int]) -> bool:
    """Whether the first two axes have the image's aspect and the last two clearly do not."""
    aspect = math.log(image_size[0] / image_size[1])
    first = abs(math.log(shape[0] / shape[1]) - aspect)
    last = abs(math.log(shape[1] / shape[2]) - aspect)
    return last > 0.05 and first < last / 4


def _token_grid(tokens: int, image_size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """How many tokens come before the patches, and the grid of the patches (their aspect is the image's)."""
    height, width = image_size
    rest = [p for p in range(_MAX_PREFIX + 1) if p not in _COMMON_PREFIXES]
    for prefix in [*_COMMON_PREFIXES, *rest]:
        patches = tokens - prefix
        rows = round(math.sqrt(max(patches, 0) * height / width))
        if patches > 1 and rows and patches % rows == 0 and rows * width == (patches // rows) * height:
            return prefix, (rows, patches // rows)
    return 0, (1, tokens)
