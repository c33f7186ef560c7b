"""Which objective makes a target fire."""

from collections.abc import Sequence

from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.hooks.latents import decoder_rows
from fvhooks.synthesis.objectives import Objective
from fvhooks.synthesis.objectives.activation import Activation
from fvhooks.synthesis.objectives.latent_activation import LatentActivation
from fvhooks.synthesis.sets import ImageSet
from fvhooks.synthesis.visualizations import Target
from fvhooks.units import Unit


def firing(hooked: HookedModel, targets: Sequence[Target]) -> Objective:
    """Minus the mean activation; of latents one with a gradient where they are silent.

    Args:
        hooked: the model.
        targets: one a picture's owner, all of one layer.

    Raises:
        MissingInputError: a set of images, which does not fire.
    """
    wanted = [target for target in targets if not isinstance(target, ImageSet)]
    if len(wanted) < len(targets):
        raise MissingInputError("A set of images does not fire: show it with recipe='minds_eye'.")
    layer = hooked.resolve(targets[0].layer)
    layout = hooked.layout(layer)
    units = [target for target in targets if isinstance(target, Unit)]
    if layer not in hooked.autoencoders or len(units) < len(targets):
        return Activation(wanted, layout)
    site, directions = decoder_rows(hooked, layer, [unit.channel for unit in units])
    return LatentActivation(units, layout, site, directions)
