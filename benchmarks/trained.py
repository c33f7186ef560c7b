"""The trained networks and real images that the benchmarks work on."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType


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
