"""The embedded default: a small network and real photographs, so that nothing need be downloaded."""

from fvhooks.demo.autoencoders import TopK, load_autoencoder
from fvhooks.demo.crops import CLASSES, Crops, photographs
from fvhooks.demo.networks import STAGES, load_network, stated_accuracy

__all__ = [
    "CLASSES",
    "STAGES",
    "Crops",
    "TopK",
    "load_autoencoder",
    "load_network",
    "photographs",
    "stated_accuracy",
]
