"""The trained networks and real images that the benchmarks work on."""

import importlib.util
import os
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn


def load_networks() -> ModuleType:
    """`networks.py` of the folder that the environment variable FVHOOKS_TEST_DATA names, as a module."""
    folder = os.environ.get("FVHOOKS_TEST_DATA")
    if not folder:
        sys.exit("FVHOOKS_TEST_DATA must name the folder of networks.py, its models and images.")
    spec = importlib.util.spec_from_file_location("networks", Path(folder) / "networks.py")
    if spec is None or spec.loader is None:
        sys.exit(f"No networks.py can be loaded from {folder}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # pickled classes look their module up by name
    spec.loader.exec_module(module)
    return module


def network_of(
    networks: ModuleType, name: str, size: int | None, *, untrained: bool = False
) -> tuple[nn.Module, Any, Any]:
    """A network with its mean and standard deviation; behind `enlarge` where it wants larger images."""
    model, mean, std = networks.load(name)
    if untrained:
        torch.manual_seed(0)
        build: Any = networks.NETWORKS[name][0]
        model = build().eval().requires_grad_(requires_grad=False)
    if size is not None:
        steps = OrderedDict(enlarge=nn.Upsample(size=(size, size), mode="bilinear"), network=model)
        model = nn.Sequential(steps).eval()
    return model, mean, std
