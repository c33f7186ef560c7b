"""Which pictures the cells of a map are asked to show."""

from dataclasses import replace

import torch
import xarray as xr

from fvhooks.atlases.flags import synthetic_flags
from fvhooks.atlases.forms.given import as_texts
from fvhooks.atlases.items import Items
from fvhooks.atlases.options import AtlasOptions
from fvhooks.atlases.pictures import (
    Filled,
    called,
    four_in_one,
    made_pictures,
    no_pictures,
    of_visualizations,
    places_in,
    readable,
    real_pictures,
    side_of,
)
from fvhooks.errors import MissingInputError
from fvhooks.store.examples import Field
from fvhooks.store.fields import receptive_fields
from fvhooks.store.reading import Store
from fvhooks.synthesis.visualizations import Visualizations
from fvhooks.units import Layout

_SEEN = 4  # images over which receptive fields are averaged


def filled(items: Items, cells: xr.Dataset, store: Store | None, options: AtlasOptions) -> Filled:
    """The pictures of all cells.

    Args:
        items: what lies in them.
        cells: all else that is known of them; what a user's function is given.
        store: of the images; None where items were given.
        options: see `AtlasOptions`; `cells` says what is asked for.

    Raises:
        MissingInputError: pictures that need what is not there.
    """
    count = len(items.ids)
    side = side_of(count, options.get("side"))
    asked = options.get("cells")
    if asked is not None and not isinstance(asked, str | Visualizations):
        return called(asked, cells, side)
    if asked == "none" or not count:
        return no_pictures(count)
    if isinstance(asked, Visualizations):
        return _synthetic(items, asked, store, side)
    if store is None:
        return _given(items, options, side)
    return _real(items, store, options, side)


def _given(items: Items, options: AtlasOptions, side: int) -> Filled:
    """Pictures of items that a user brought, or none: texts stand for themselves."""
    given = options.get("items")
    if given is None:
        return no_pictures(len(items.ids))
    if as_texts(given) is not None:
        return no_pictures(len(items.ids), "text")
    return made_pictures(given, len(items.ids), side, source="data")


def _real(items: Items, store: Store, options: AtlasOptions, side: int) -> Filled:
    if "shown" not in items.columns:
        return no_pictures(len(items.ids))
    asked = options.get("cells") or "crops"
    if asked != "crops" and store.source is None:
        store.images([])  # says what to attach; by default a map goes without pictures
    if store.source is None:
        return no_pictures(len(items.ids))
    window = None if asked == "images" else _window(items, store, options)
    columns = items.columns
    first = real_pictures(store, columns["shown"], columns.get("position"), window=window, side=side)
    if asked != "four":
        return first
    if items.form != "layer":
        raise MissingInputError("Four images a cell show units: fv.atlas(store, layer=…, cells='four').")
    others = [columns[name].T for name in ("more_shown", "more_position") if name in columns]
    more = [
        real_pictures(store, shown, position, window=window, side=side)
        for shown, position in zip(*others, strict=True)
    ]
    return four_in_one([first, *more])


def _window(items: Items, store: Store, options: AtlasOptions) -> tuple[Layout, Field] | None:
    """How a position of the layer sees the picture; None where whole images are shown."""
    hooked, layer = options.get("hooked"), items.about.get("layer")
    if hooked is None or "position" not in items.columns or layer is None:
        return None
    layout = store.layout(layer)
    if layout.grid == (1, 1):
        return None
    named = [str(name) for name in items.columns["shown"] if name]
    seen = [pictures for _, pictures, _ in readable(store, named[: 2 * _SEEN]) if pictures is not None]
    if not seen:
        return None
    return layout, receptive_fields(hooked, [layer], torch.cat(seen)[:_SEEN])[layer]


def _synthetic(items: Items, vis: Visualizations, store: Store | None, side: int) -> Filled:
    """Pictures of units by their ids, the first seed of each; flagged where they do not move their unit."""
    at = places_in(vis, items.ids)
    if not (at >= 0).any():
        ours, theirs = (", ".join(map(str, names[:3])) for names in (items.ids, vis.data["unit"].values))
        raise MissingInputError(f"Expected pictures of the map's items ({ours}, …), got some of {theirs}.")
    return replace(of_visualizations(vis, at, side), flag=synthetic_flags(items, vis, store, at))
