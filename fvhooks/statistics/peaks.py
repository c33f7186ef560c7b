"""What is kept of every single image: how strongly each channel answered, and where."""

import numpy as np
import torch
from jaxtyping import Float, Shaped

from fvhooks.statistics.reductions import Spread, extremes, lows, means


def peaks(
    activations: Float[torch.Tensor, "image channel position"],
    *,
    signed: bool = False,
    spread: Spread = map,
) -> dict[str, Shaped[np.ndarray, "image channel"]]:
    """Peak, its position and the average of each channel; the lowest value too where values have signs.

    Examples:
        >>> kept = peaks(torch.tensor([[[1.0, 5.0, 3.0]]]))
        >>> kept["peak"].item(), kept["position"].item(), kept["average"].item()
        (5.0, 1, 3.0)

    Args:
        activations: as `Layout.to_channels` gives them.
        signed: whether the layer has negative values.
        spread: how work is spread over threads.
    """
    highest, positions = extremes(activations, spread)
    kept = {"peak": highest, "average": means(activations), "position": positions}
    return kept | ({"trough": lows(activations)} if signed else {})
