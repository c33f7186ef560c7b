"""DeepInversion: pictures that give batch normalisation what it met in training (Yin et al., 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch.nn.modules.batchnorm import _BatchNorm

from fvhooks.errors import UnsupportedModelError
from fvhooks.hooks import HookedModel
from fvhooks.synthesis.engine import Plan, Schedule, typical_scale
from fvhooks.synthesis.firing import firing
from fvhooks.synthesis.objectives import Objective, Sum
from fvhooks.synthesis.objectives.channel_statistics import ChannelStatistics
from fvhooks.synthesis.objectives.likelihood import Likelihood
from fvhooks.synthesis.objectives.total_variation import TotalVariation
from fvhooks.synthesis.parametrisations.images import FourierImages
from fvhooks.synthesis.recipes import RECIPES, Request
from fvhooks.synthesis.transforms import Roll
from fvhooks.units import LOGITS, Unit


@RECIPES.register("deep_inversion")
@dataclass(frozen=True)
class DeepInversion:
    """A picture taken for the class, or that makes the unit fire, with the statistics of training images.

    Batch normalisation remembers mean and variance of each of its channels over the training data, so no
    store is needed, and a network without it cannot be asked. The original takes the statistics over a batch
    of pictures in pixel space; here each picture stands alone, over its own positions, in Fourier space.

    Examples:
        >>> DeepInversion(statistics=10.0).statistics
        10.0

    Args:
        steps: of Adam.
        rate: learning rate.
        decay: amplitude of a coefficient falls as frequency to this power.
        jitter: largest circular shift, as a fraction of the side.
        statistics: weight of the statistics of all layers together.
        first: how many times as much the first layer counts; ten times in the original.
        variation: weight of the total variation, by pixel.
    """

    steps: int = 256
    rate: float = 0.1
    decay: float = 1.25
    jitter: float = 0.1
    statistics: float = 2.0
    first: float = 1.0
    variation: float = 1e-4

    def plan(self, request: Request) -> Plan:
        """Cross-entropy or activation, and one term a batch normalisation."""
        request.refuse_facets("deep_inversion")
        norms = _norms(request.hooked, request.layer)
        counts = [self.first, *[1.0] * (len(norms) - 1)]
        terms: list[tuple[float, Objective]] = [(1.0, _aim(request)), (self.variation, TotalVariation())]
        for count, norm in zip(counts, norms, strict=True):
            terms.append((self.statistics * count / sum(counts), norm))
        start = partial(FourierImages, request.size, device=request.device, decay=self.decay)
        return Plan(
            lambda generators, _: start(generators=generators),
            terms,
            Schedule(request.steps_or(self.steps), self.rate),
            [Roll(round(self.jitter * min(request.size[1:])))],
        )


def _aim(request: Request) -> Objective:
    units = [unit for unit in request.units if isinstance(unit, Unit)]
    several = request.hooked.layout(request.layer).channels > 1
    if request.layer == LOGITS and several and len(units) == len(request.units):
        return Likelihood(units)
    scale = typical_scale(request.hooked, request.layer, request.size)
    return Sum([(1.0 / scale, firing(request.hooked, request.units))])


def _norms(hooked: HookedModel, layer: str) -> Sequence[ChannelStatistics]:
    """What each batch normalisation up to a layer gives over the training data, in network order."""
    probe = hooked.probe()
    last = float("inf") if layer == LOGITS else probe[hooked.resolve(layer)].order
    found = {}
    for name, module in hooked.modules.items():
        if not isinstance(module, _BatchNorm) or module.running_var is None:
            continue
        place = name if type(module).forward is _BatchNorm.forward else f"{name}.drop"  # timm's activate, too
        if place in probe and probe[place].order <= last and probe.layout(place).positions > 1:
            statistics = _statistics(place, module, module.running_var)
            if bool((statistics.deviation > 0).any()):
                found[probe[place].order] = statistics
    if not found:
        raise UnsupportedModelError(
            f"Recipe 'deep_inversion' matches the running statistics of batch normalisation, of which "
            f"{type(hooked.model).__name__} has none up to {layer!r}. Use 'vital' or 'maco' with a store."
        )
    return [found[order] for order in sorted(found)]


def _statistics(layer: str, norm: _BatchNorm, variance: Float[torch.Tensor, " channel"]) -> ChannelStatistics:
    """Over the training data its mean is its bias, its deviation its weight, less what `eps` takes."""
    deviation = torch.sqrt(variance / (variance + norm.eps)).float()
    mean = torch.zeros_like(deviation)
    if norm.affine:
        mean, deviation = norm.bias.detach().float(), deviation * norm.weight.detach().abs().float()
    silent = deviation < 1e-3 * deviation.max()
    return ChannelStatistics(layer, mean, deviation.masked_fill(silent, 0.0))
