"""How much each channel contributes to an inner target: what it counts when a picture is matched."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from fvhooks.hooks import HookedModel
from fvhooks.relevance.aims import AimedRelevance
from fvhooks.relevance.captum import channel_relevance
from fvhooks.relevance.forms import Attributor
from fvhooks.synthesis.references.masking import importance
from fvhooks.units import Direction, Unit

_TINY = 1e-20  # relevance may be small; only a range of zero is none


def channel_weights(
    hooked: HookedModel,
    crops: Float[torch.Tensor, "image rgb y x"],
    unit: Unit | Direction,
    nodes: Sequence[str],
    attributor: Attributor | None = None,
) -> dict[str, Float[np.ndarray, " channel"]]:
    """How much each channel of some layers contributes to an inner target, over its reference crops.

    Args:
        hooked: the model.
        crops: in [0, 1], on the model's device.
        unit: the target.
        nodes: the layers.
        attributor: of the relevance; None: `LayerGradientXActivation`.

    Returns:
        By layer, in [0, 1].
    """
    if isinstance(unit, Unit):
        relevance = channel_relevance(hooked, crops, unit.layer, unit.channel, nodes, attributor=attributor)
    else:
        relevance = AimedRelevance(hooked, [unit], nodes, attributor)(
            crops, torch.zeros(len(crops), dtype=torch.int64)
        )
    return {node: importance(relevance[node], epsilon=_TINY).mean(0).cpu().numpy() for node in nodes}
