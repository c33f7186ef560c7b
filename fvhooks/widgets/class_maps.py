"""A class map as a page: each class with its nearest ones, layer by layer."""

import numpy as np
import xarray as xr

from fvhooks.circuits.class_maps import ClassMap
from fvhooks.results import VIEWERS
from fvhooks.widgets.markup import Markup, page, tag, text

_NEAREST = 3
_MOST = 1000


class ClassMapViewer:
    """Shows a `ClassMap` as a table; the map itself is drawn beside an attribution graph."""

    def html(self, result: ClassMap, budget: int | None = None) -> str:
        """The whole table; the budget is for pictures, and there are none."""
        del budget
        data = result.data
        shown = min(data.sizes["label"], _MOST)
        names = ["Class", "Images", "Accuracy", *(f"Nearest in {layer}" for layer in result.layers)]
        header = tag("tr", *(tag("th", text(name)) for name in names))
        rows = [_row(data, place) for place in range(shown)]
        left = data.sizes["label"] - shown
        note = tag("p", text(f"{left} more classes are in .data.")) if left else None
        return page("sheet.css", "Class map", tag("table", tag("thead", header), tag("tbody", *rows)), note)

    def widget(self, result: ClassMap) -> None:
        """There is no live view; `beside` puts the map next to a graph's."""


VIEWERS.register(ClassMap.kind)(ClassMapViewer())


def _row(data: xr.Dataset, place: int) -> Markup:
    names, one = data["name"].values, data.isel(label=place)
    accuracy = float(one["accuracy"])
    told = [
        str(one["name"].item()),
        str(int(one["images"])),
        f"{accuracy:.0%}" if np.isfinite(accuracy) else "–",
    ]
    for layer in range(data.sizes["layer"]):
        alike = data["similarity"].values[layer, place]
        order = [int(other) for other in np.argsort(-alike, kind="stable") if other != place]
        nearest = [other for other in order if np.isfinite(alike[other])][:_NEAREST]
        told.append(", ".join(f"{names[other]} {alike[other]:.2f}" for other in nearest))
    return tag("tr", *(tag("td", text(words)) for words in told))
