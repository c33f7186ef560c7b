"""Items get their places: a layout, a cell each, and the numbers that say how far either can be believed."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from fvhooks.atlases.grids import displacement, grid_shape, snap
from fvhooks.atlases.items import Items
from fvhooks.atlases.layouts import LAYOUTS, shape_into_square
from fvhooks.atlases.neighbourhoods import gain, kept, nearest, query_rows
from fvhooks.atlases.options import AtlasOptions
from fvhooks.atlases.pyramids import pyramid
from fvhooks.atlases.radial import radial
from fvhooks.atlases.results import STAGES
from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError

KS = (10, 20, 100)
"""For how many neighbours each the numbers beside a map are given, where it has four times as many items."""

_SHOWN = 8  # nearest items that a card names
_MOST_TWICE = 5_000  # items up to which a layout is made twice unless that is asked for
_STEPS = 4  # sizes of cells
_SETTINGS = ("strata", "weight", "by", "embedding")  # beside those that every map has

Points = Float[np.ndarray, "item 2"]


@dataclass(frozen=True, eq=False)
class Places:
    """Where items are.

    Args:
        points: before the grid, in [0, 1], x from the left and y from the top.
        cells: row and column.
        shape: rows and columns.
        again: the layout of another seed; None where there is none.
        layout: its name.
    """

    points: Points
    cells: Int[np.ndarray, "item 2"]
    shape: tuple[int, int]
    again: Points | None
    layout: str


def places_of(items: Items, options: AtlasOptions) -> Places:
    """Where the items lie that have no strip of their own.

    Raises:
        ShapeError: coordinates of another number, or a grid with too few cells.
        NonFiniteError: coordinates that are NaN.
    """
    name, layout = chosen_layout(items, options)
    seed = options.get("seed", 0)
    points = points_of(items, layout, seed)
    twice = options.get("stability", len(points) <= _MOST_TWICE) and callable(layout)
    again = _shaped(items, points_of(items, layout, seed + 1), options) if twice else None
    points = _shaped(items, points, options)
    shape = options.get("shape") or grid_shape(len(points))
    if not len(points) and items.apart is not None:  # all of them in the strip, which is as wide as the grid
        shape = (1, max(1, int(np.ceil(np.sqrt(len(items.ids))))))
    return Places(points, snap(points, shape), shape, again, name)


def _shaped(items: Items, points: Points, options: AtlasOptions) -> Points:
    """In [0, 1]: a disc where one is asked for, which is not stretched."""
    if not options.get("radial", False):
        return shape_into_square(points)
    if items.scores is None:
        raise MissingInputError("A radial map needs scores: the highest lie in its centre.")
    return (radial(points, items.scores[items.placed]) + 1) / 2


Layout = Callable[..., Any]


def chosen_layout(items: Items, options: AtlasOptions) -> tuple[str, Layout | Points]:
    """The layout that is asked for, or the best that is at hand, by its name."""
    asked = options.get("layout")
    if asked is None:
        spare = "pca" if items.distances is None else "scaled"
        asked = "umap" if find_spec("umap") is not None else spare
    if isinstance(asked, str):
        return asked, LAYOUTS[asked]
    if callable(asked):
        return getattr(asked, "__name__", "given"), asked
    return "given", np.asarray(asked, dtype=np.float64)


def points_of(items: Items, layout: Layout | Points, seed: int) -> Points:
    """Where a layout puts the items that have no strip of their own, on its own scale.

    Args:
        items: what to lay out.
        layout: a function, or coordinates.
        seed: of the layout.
    """
    placed = items.placed
    if isinstance(layout, np.ndarray):
        if layout.shape not in ((len(placed), 2), (len(items.ids), 2)):
            raise ShapeError(
                f"Expected coordinates (item, 2) of {len(items.ids)} items, got shape {layout.shape}."
            )
        points = layout if len(layout) == len(placed) else layout[placed]
    else:
        features = None if items.features is None else items.features[placed]
        distances = None if items.distances is None else items.distances[np.ix_(placed, placed)]
        made = layout(features, distances, seed=seed)
        points = np.asarray(made, dtype=np.float64)
        if points.shape != (len(placed), 2):
            raise ShapeError(f"Expected a layout of shape ({len(placed)}, 2), got {points.shape}.")
    wrong = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(wrong):
        raise NonFiniteError(f"Expected finite coordinates, got NaN or infinity for {len(wrong)} items.")
    return points


def laid_out(items: Items, places: Places, options: AtlasOptions) -> xr.Dataset:
    """All that an atlas says of places, scores and neighbours; pictures come after."""
    placed = items.placed
    scores = np.full(len(items.ids), np.nan, np.float32) if items.scores is None else items.scores
    data = xr.Dataset(coords={"id": ("cell", np.array(items.ids, dtype=object))})
    data = data.assign(_placed_columns(items, places)).assign(score=("cell", scores.astype(np.float32)))
    data = data.assign({name: (("cell", *_inner(values)), values) for name, values in items.columns.items()})
    for name, missing in (("label", ""), ("stratum", ""), ("flag", "")):
        if name not in data:
            data[name] = "cell", np.full(len(items.ids), missing, dtype=object)
    sizing = items.columns.get("count", scores)
    data = data.assign(size=("cell", sizes_of(np.asarray(sizing, np.float64)))).assign(items.extras)
    if items.features is not None:
        data = data.assign(_numbers(items.features[placed], items, places, options, len(items.ids)))
    data = data.assign(_levels(items, places))
    return data.assign_attrs(_about(items, places, options))


def _inner(values: np.ndarray) -> tuple[str, ...]:
    """Names of the further axes of a column: of the images that a cell shows beside its first."""
    return ("more",)[: values.ndim - 1]


def _placed_columns(items: Items, places: Places) -> dict[str, Any]:
    count, placed = len(items.ids), items.placed
    rows, columns = places.shape
    cells, points = np.zeros((count, 2), np.int64), np.full((count, 2), 0.5)
    cells[placed], points[placed] = places.cells, places.points
    apart = np.ones(count, dtype=bool)
    apart[placed] = False
    order = np.arange(int(apart.sum()))
    cells[apart] = np.stack([rows + 1 + order // max(columns, 1), order % max(columns, 1)], axis=1)
    moved, dense = np.zeros(count, np.float32), np.zeros(count, np.float32)
    moved[placed] = displacement(places.points, places.cells, places.shape)
    dense[placed] = density(places.points)
    return {
        "row": ("cell", cells[:, 0]),
        "col": ("cell", cells[:, 1]),
        "x": ("cell", points[:, 0].astype(np.float32)),
        "y": ("cell", points[:, 1].astype(np.float32)),
        "in_strip": ("cell", apart),
        "displacement": ("cell", moved),
        "density": ("cell", dense),
    }


def density(points: Points) -> Float[np.ndarray, " item"]:
    """How full the layout is where each item lies, of its fullest place: in (0, 1].

    Args:
        points: in [0, 1].
    """
    if not len(points):
        return np.zeros(0)
    bins = int(np.clip(np.sqrt(len(points)) / 2, 4, 64))
    counts, *_ = np.histogram2d(points[:, 0], points[:, 1], bins=bins, range=((0, 1), (0, 1)))
    padded = np.pad(counts, 1)
    smooth = sum(padded[dx : dx + bins, dy : dy + bins] for dx in range(3) for dy in range(3))
    at = np.clip((points * bins).astype(int), 0, bins - 1)
    found = np.asarray(smooth)[at[:, 0], at[:, 1]]
    return np.asarray(found / found.max())


def sizes_of(values: Float[np.ndarray, " item"]) -> Int[np.ndarray, " item"]:
    """1 to 4, by the place between the lowest value and the highest; 4 where all are alike."""
    known = np.isfinite(values)
    low, high = (values[known].min(), values[known].max()) if known.any() else (0.0, 0.0)
    if high <= low:
        return np.full(len(values), _STEPS)
    share = np.where(known, (values - low) / (high - low), 0.0)
    return 1 + np.minimum((share * _STEPS).astype(np.int64), _STEPS - 1)


def neighbour_counts(count: int) -> list[int]:
    """For how many neighbours a map of so many items is judged: a quarter of the items at the most.

    Of more, chance alone keeps so many that the numbers say nothing.

    Examples:
        >>> neighbour_counts(100), neighbour_counts(12), neighbour_counts(3)
        ([10, 20], [3], [])

    Args:
        count: of items.
    """
    most = count // 4
    return [k for k in KS if k <= most] or ([most] if most else [])


def _numbers(
    features: Float[np.ndarray, "placed feature"],
    items: Items,
    places: Places,
    options: AtlasOptions,
    count: int,
) -> dict[str, Any]:
    """Neighbours, and how many of them the layout and the grid keep, beside a map of shuffled items."""
    near = np.full((count, _SHOWN), -1)
    trust = np.full(count, np.nan, np.float32)
    placed, size = items.placed, len(features)
    ks = neighbour_counts(size)
    found: dict[str, Any] = {"neighbours": (("cell", "neighbour"), near), "trust": ("cell", trust)}
    if size < 2:
        return found
    most = max([*ks, _SHOWN])
    asked = query_rows(size, seed=options.get("seed", 0))  # all, or a sample of very many
    own = nearest(features, most, queries=asked)
    near[placed[asked]] = np.where(own[:, :_SHOWN] >= 0, placed[own[:, :_SHOWN]], -1)
    shuffled = np.random.default_rng(options.get("seed", 0)).permutation(places.cells)
    maps = [places.points, places.cells, shuffled]
    there = [
        nearest(np.asarray(points, np.float64), most, metric="euclidean", queries=asked) for points in maps
    ]
    if not ks:
        return found
    trust[placed[asked]] = kept(own[:, : ks[0]], there[1][:, : ks[0]])
    gains = [[gain(own[:, :k], mine[:, :k], size) for k in ks] for mine in there]
    found |= {"gain": (("stage", "k"), np.array(gains)), "stage": list(STAGES), "k": ks}
    if items.scores is not None and np.isfinite(items.scores[placed]).all():
        column = np.asarray(items.scores[placed], np.float64)[:, None]
        alike = nearest(column, most, metric="euclidean", queries=asked)
        of_scores = [[gain(alike[:, :k], mine[:, :k], size) for k in ks] for mine in there]
        found["score_gain"] = ("stage", "k"), np.array(of_scores)
    if places.again is not None:
        again = nearest(places.again, most, metric="euclidean", queries=asked)
        found["stability"] = "k", np.array([gain(there[0][:, :k], again[:, :k], size) for k in ks])
    return found


def _levels(items: Items, places: Places) -> dict[str, Any]:
    placed = items.placed
    features = None if items.features is None else items.features[placed]
    found: dict[str, Any] = {}
    for level, (medoids, counts) in enumerate(pyramid(places.cells, places.shape, features), start=1):
        axes = f"row_{level}", f"col_{level}"
        whole = np.where(medoids >= 0, placed[medoids], -1) if len(placed) else medoids
        found |= {f"medoid_{level}": (axes, whole), f"count_{level}": (axes, counts)}
    return found


def _about(items: Items, places: Places, options: AtlasOptions) -> dict[str, Any]:
    """What an atlas says of itself: what it is of, and with which settings it was made."""
    about = dict(items.about)
    settings: dict[str, Any] = {name: about.pop(name) for name in _SETTINGS if name in about}
    settings |= {
        "layout": places.layout,
        "radial": items.form != "activations" and bool(options.get("radial")),
    }
    if "title" in options:
        about["title"] = options["title"]
    return {
        **about,
        "form": items.form,
        "grid": [int(side) for side in places.shape],
        "seed": int(options.get("seed", 0)),
        "parameters": settings,
    }
