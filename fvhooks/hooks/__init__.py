"""Where a model can be observed: the only place of fvhooks that registers hooks."""

from fvhooks.hooks.attachment import attach
from fvhooks.hooks.base import HookedModel
from fvhooks.hooks.preprocessing import Preprocessing
from fvhooks.hooks.probes import LayerInfo, Probe

__all__ = ["HookedModel", "LayerInfo", "Preprocessing", "Probe", "attach"]
