"""`fvhooks.browse`: wander through what a store knows of its units."""

from collections.abc import Mapping

from fvhooks.browsing.measures import has_means, measured
from fvhooks.browsing.results import StoreBrowser, with_cards
from fvhooks.browsing.shelves import Shelf
from fvhooks.hooks import HookedModel
from fvhooks.reliability.audits import AuditReport
from fvhooks.store.fields import fields_of
from fvhooks.store.reading import Store
from fvhooks.synthesis.visualizations import Visualizations
from fvhooks.unit_cards import check_same_pictures
from fvhooks.units import Unit

KEPT = 6
"""Units of each layer whose cards travel with a browser, those that come first."""


def browse(
    store: Store,
    vis: Visualizations | None = None,
    report: AuditReport | None = None,
    hooked: HookedModel | None = None,
    *,
    names: Mapping[int, str] | None = None,
    labels: bool = True,
) -> StoreBrowser:
    """Open a store to wander through its layers and units: sort them, look at their cards, choose some.

    Examples:
        >>> browser = fv.browse(store, vis, report, hooked)       # doctest: +SKIP
        >>> fv.visualize(hooked, browser.selected, store=store)   # doctest: +SKIP

    Args:
        store: statistics of real images, with their data set attached where pictures are to be seen.
        vis: pictures of some units, which stand on their cards.
        report: what `audit` said of these pictures.
        hooked: the model: real images are then cut to what a unit sees, and circuits can be opened where the
            store has no influence.
        names: what labels are called.
        labels: whether units can be sorted by their selectivity for labels, for which the peaks of all images
            are read once; it is left out where the images have no labels or only the strongest are kept.

    Returns:
        The browser, live in Jupyter; `selected` are the units that are chosen there.

    Raises:
        StoreError: the store was made of another model.
        ShapeError: the report is of other pictures.
    """
    if hooked is not None:
        store.require(hooked)
    if vis is not None and report is not None:
        check_same_pictures(vis, report.data)
    table = measured(store, labels=labels and has_means(store))
    firsts = [Unit(layer, 0) for layer in store.layers]
    fields = {} if hooked is None else fields_of(store, hooked, firsts)
    shelf = Shelf(store, vis, report, hooked, fields, dict(names or {}))
    bare = StoreBrowser(table.assign_attrs(names={str(key): name for key, name in shelf.names.items()}))
    kept = shelf.cards(_first(bare, vis))
    return StoreBrowser(with_cards(bare.data, kept), shelf)


def _first(browser: StoreBrowser, vis: Visualizations | None) -> list[Unit]:
    """The units that come first in each layer, and those that have a picture."""
    drawn = [] if vis is None else [str(name) for name in vis.data["unit"].values]
    known = set(map(str, browser.data["unit"].values))
    units = [Unit.parse(name) for name in drawn if name in known]
    for layer in browser.layers:
        units += browser.sorted_units(layer)[:KEPT]
    return list(dict.fromkeys(units))
