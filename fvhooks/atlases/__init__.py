"""Maps of inputs, units and latents: items laid out by likeness, each in a cell of its own."""

from fvhooks.atlases.layouts import LAYOUTS
from fvhooks.atlases.maps import atlas
from fvhooks.atlases.options import AtlasOptions
from fvhooks.atlases.predictions import map_prediction
from fvhooks.atlases.regions import region_labels
from fvhooks.atlases.results import Atlas
from fvhooks.atlases.texts import text_features
from fvhooks.atlases.verification import verify

__all__ = [
    "LAYOUTS",
    "Atlas",
    "AtlasOptions",
    "atlas",
    "map_prediction",
    "region_labels",
    "text_features",
    "verify",
]
