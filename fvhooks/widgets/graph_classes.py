"""The classes beside a graph: where they lie at each layer, how alike they are, how well they are told."""

from typing import Any

import numpy as np
import xarray as xr

from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.widgets.encodings import Packer

MOST_CLASSES = 2_000


def classes_of(graph: AttributionGraph, packer: Packer) -> dict[str, Any] | None:
    """The classes as the browser takes them; None where the graph has none.

    Args:
        graph: with the variables that `AttributionGraph` names.
        packer: takes the numbers.
    """
    data = graph.data
    if "class_name" not in data:
        return None
    data = data.isel({"class": slice(0, MOST_CLASSES)})
    count = data.sizes["class"]
    names = [str(name) for name in data["class_name"].values]
    layers = [str(layer) for layer in data.attrs.get("class_layers", graph.layers)]
    found: dict[str, Any] = {"name": names, "own": _own(data, names), "layers": layers}
    for key in ("accuracy", "images"):
        found[key] = _packed(packer, data, f"class_{key}", ("class",))
    found["histogram"] = _packed(packer, data, "class_histogram", ("class", "..."))
    found["bins"] = _width(data, "class_histogram", count)
    for key in ("x", "y", "similarity"):
        found[key] = _packed(packer, data, f"class_{key}", ("...", "class"))
    return found


def _packed(packer: Packer, data: xr.Dataset, name: str, dims: tuple[str, ...]) -> tuple[int, int] | None:
    if name not in data:
        return None
    order = [... if dim == "..." else dim for dim in dims]
    values = data[name].transpose(*order).values
    return packer.add(np.ascontiguousarray(values).astype("<f4").tobytes())


def _width(data: xr.Dataset, name: str, count: int) -> int:
    return data[name].size // max(count, 1) if name in data else 0


def _own(data: xr.Dataset, names: list[str]) -> int:
    """The place of the graph's own class; −1 where it is not known."""
    label = data.attrs.get("label")
    if "class" in data.coords:
        return next(iter(np.flatnonzero(data["class"].values == label).tolist()), -1)
    if isinstance(label, (int, np.integer)) and 0 <= label < len(names):
        return int(label)
    return names.index(str(label)) if str(label) in names else -1
