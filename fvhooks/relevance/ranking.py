"""Which units carried a decision: channels ranked by relevance, from any Captum result."""

from typing import Any

import torch
from jaxtyping import Float, Int, Shaped

from fvhooks.errors import NonFiniteError, ShapeError
from fvhooks.units import Layout, Unit


def channel_sums(
    attributions: Shaped[torch.Tensor, "image ..."], layout: Layout | None = None
) -> Float[torch.Tensor, "image channel"]:
    """The relevance of each channel: its sum over positions.

    Args:
        attributions: of the layer's own shape.
        layout: which axis is the channel; found from the shape where not given.

    Raises:
        ShapeError: a shape that is no layer's, or not the layout's.
        NonFiniteError: NaN or infinity; of which images.
    """
    known = layout or Layout.of(tuple(attributions.shape))
    sums = known.to_channels(attributions.detach().float()).sum(-1)
    if sums.shape[-1] != known.channels:
        raise ShapeError(f"Expected {known.channels} channels, got attributions {tuple(attributions.shape)}.")
    bad = (~torch.isfinite(sums)).any(1).nonzero().flatten().tolist()
    if bad:
        raise NonFiniteError(f"The attributions of images {bad[:8]} are NaN or infinite.")
    return sums


def top_units(
    attributions: Any,  # noqa: ANN401 - Captum gives tensors, and tuples of one
    layer: str,
    k: int = 8,
    *,
    layout: Layout | None = None,
    per_image: bool = False,
) -> list[Unit] | list[list[Unit]]:
    """The units with the most relevance, strongest first: what to visualize of an attribution.

    Examples:
        >>> attributions = torch.zeros(2, 5, 4, 4)
        >>> attributions[:, 3], attributions[0, 1] = 1.0, 0.5
        >>> top_units(attributions, layer="layer4", k=2)
        [Unit(layer='layer4', channel=3, position=None), Unit(layer='layer4', channel=1, position=None)]

    Args:
        attributions: what a Captum layer attributor returned for the layer, in the layer's own shape.
        layer: the layer's name.
        k: how many units, at most.
        layout: `hooked.layout(layer)`; without it maps are `n c h w` and sequences `n t c`.
        per_image: a list for each image; else one over all of them, by the mean.

    Raises:
        ShapeError: attributions of no layer's shape, or of several layers.
        NonFiniteError: NaN or infinite attributions.
        ValueError: fewer than one unit asked for.
    """
    check_count(k)
    if isinstance(attributions, (tuple, list)):
        if len(attributions) != 1:
            raise ShapeError(
                f"Expected the attributions of one layer, got {len(attributions)} tensors; pass one of them."
            )
        attributions = attributions[0]
    if not len(attributions):
        raise ShapeError(
            f"Expected attributions of one image or more, got shape {tuple(attributions.shape)}."
        )
    sums = channel_sums(attributions, layout)
    if per_image:
        return [[Unit(layer, channel) for channel in row] for row in strongest(sums, k).tolist()]
    return [Unit(layer, channel) for channel in strongest(sums.mean(0), k).tolist()]


def check_count(k: int) -> None:
    """Refuse to choose no unit.

    Raises:
        ValueError: fewer than one unit asked for.
    """
    if k < 1:
        raise ValueError(f"Expected to choose one unit or more, got k={k}.")


def strongest(relevance: Float[torch.Tensor, "*image channel"], k: int) -> Int[torch.Tensor, "*image rank"]:
    """The channels with the most relevance, strongest first; of equal ones the first."""
    return relevance.sort(descending=True, stable=True, dim=-1).indices[..., :k]
