"""Whether a map says more of what activates a unit than the labels do: a test on items that are held out."""

from collections.abc import Callable

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Float64, Int64, Real
from numpy.typing import ArrayLike

from fvhooks.atlases.grids import snap
from fvhooks.atlases.layouts import LAYOUTS, shape_into_square
from fvhooks.atlases.neighbourhoods import nearest_among
from fvhooks.errors import MissingInputError, NonFiniteError, ShapeError
from fvhooks.metrics.intervals import Interval, percentile_interval, resample_counts

PREDICTORS = ("map", "label", "neighbours")
NEIGHBOURS = 15
SHARE = 0.1
"""Of the items, how many count as activating."""
DRAWS = 1_000

Measure = Callable[[Float64[np.ndarray, "draw item"]], Float64[np.ndarray, " draw"]]

_AT_ONCE = 100  # resamples in memory
_FEWEST = 20  # items: ten to learn from, one of which activates
_BOUNDS = ("value", "low", "high")


def map_prediction(
    features: Real[np.ndarray, "item feature"],
    scores: Real[np.ndarray, " _"],
    labels: ArrayLike,
    *,
    layout: str = "umap",
    k: int = NEIGHBOURS,
    seed: int = 0,
) -> xr.Dataset:
    """How well a map, labels, and neighbours tell which items activate a unit, on items that none has seen.

    Items are parted into halves at random. Each half is laid out, and given cells, by its features alone;
    what activates is the tenth of it with the highest scores. Then each item of the other half is predicted:

    * "map": it is placed on the map, in the middle (the median) of the cells of the k items of the first half
      that have the most similar features; the prediction is the share that activates of the k items in the
      cells nearest to that place;
    * "label": the share that activates of the first half's items of the same label;
    * "neighbours": that of the k items with the most similar features, which no map can see.

    Both halves are predicted from each other, and the areas under both curves averaged. Intervals are of
    1,000 resamples of the predicted items: they leave out the chance of the halves, and that of the layout.

    The features must not come from the unit's own network: a map that knows the score proves itself.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> features = np.column_stack([rng.normal(size=(400, 2)), np.full(400, 4.0)])
        >>> data = map_prediction(features, features[:, 0], np.zeros(400), layout="pca")
        >>> bool(data["auc"].sel(predictor="map", bound="value") > 0.9)
        True

    Args:
        features: of each item, of another network than the unit's.
        scores: how far each activates the unit.
        labels: of each item.
        layout: one of `fvhooks.atlases.layouts.LAYOUTS` that does with features.
        k: how many neighbours, and how many cells around a place.
        seed: of the halves, the layout and the resamples.

    Returns:
        With `bound` (value, low, high): `auc` (predictor), the area under the curve: 0.5 for a guess, 1 where
        all that activate are told from all others; `within` (predictor), the same of pairs of items with the
        same label, in which a label can only guess; `difference` (versus), the area of the map less that of
        the label and less that of the neighbours, on the same resamples. NaN where no half has items that
        activate, and items that do not. `attrs` hold the `threshold` of each half, the number of `items` and
        of `positives` among them, `layout`, `k`, `seed` and `draws`.

    Raises:
        ShapeError: another number of scores or labels than items, or k below 1.
        MissingInputError: fewer than 20 items.
        NonFiniteError: NaN or infinity among features or scores.
    """
    values, given, codes = _checked(features, scores, labels)
    if k < 1:
        raise ShapeError(f"Expected k of 1 or more, got {k}.")
    order = np.random.default_rng(seed).permutation(len(values))
    halves = np.array_split(order, 2)
    parts, thresholds = [], []
    for known, held in (halves, halves[::-1]):
        limit = float(np.quantile(given[known], 1 - SHARE, method="lower"))
        predicted = _predictions(values, given > limit, codes, (known, held), layout=layout, k=k, seed=seed)
        parts.append((given[held] > limit, predicted, codes[held]))
        thresholds.append(limit)
    found = _areas(parts, np.random.default_rng(seed))
    attrs = {
        "threshold": thresholds,
        "items": len(values),
        "positives": int(sum(target.sum() for target, _, _ in parts)),
        "layout": layout,
        "k": k,
        "seed": seed,
        "draws": DRAWS,
    }
    coords = {"predictor": list(PREDICTORS), "versus": list(PREDICTORS[1:]), "bound": list(_BOUNDS)}
    return xr.Dataset(found, coords, attrs)


def area_under_curve(
    target: Bool[np.ndarray, " item"],
    prediction: Real[np.ndarray, " item"],
    weights: Float[np.ndarray, " item"] | None = None,
    groups: Int64[np.ndarray, " item"] | None = None,
) -> float:
    """How often an item of the target has a higher prediction than one that is not; a tie counts half.

    Examples:
        >>> area_under_curve(np.array([True, False, False]), np.array([0.5, 0.1, 0.5]))
        0.75

    Args:
        target: what is to be told.
        prediction: higher where it is thought likelier.
        weights: how often each item counts.
        groups: only pairs within a group are compared, each pair with the same weight.

    Returns:
        From 0 to 1; NaN where there is no pair.
    """
    measure = _area(target, prediction, np.zeros(len(target), np.int64) if groups is None else groups)
    return float(
        measure(np.ones((1, len(target))) if weights is None else weights[None].astype(np.float64))[0]
    )


def _area(
    target: Bool[np.ndarray, " item"],
    prediction: Real[np.ndarray, " item"],
    groups: Int64[np.ndarray, " item"],
) -> Measure:
    """The area as a function of the items' weights, so that resamples sort nothing."""
    order = np.lexsort((prediction, groups))
    hit, level, group = target[order], prediction[order], groups[order]
    new_group = np.append(True, group[1:] != group[:-1])[: len(order)]
    new_place = new_group | np.append(True, level[1:] != level[:-1])[: len(order)]
    places, first = np.flatnonzero(new_place), np.flatnonzero(new_group[new_place])  # of items, of places
    of_group = np.cumsum(new_group[new_place]) - 1

    def measure(weights: Float64[np.ndarray, "draw item"]) -> Float64[np.ndarray, " draw"]:
        if not len(order):
            return np.full(len(weights), np.nan)
        sorted_weights = weights[:, order]
        hits = np.add.reduceat(sorted_weights * hit, places, axis=1)
        others = np.add.reduceat(sorted_weights * ~hit, places, axis=1)
        below = np.cumsum(others, axis=1) - others  # of all groups before, too
        won = (hits * (below - below[:, first][:, of_group] + others / 2)).sum(1)
        pairs = (np.add.reduceat(hits, first, axis=1) * np.add.reduceat(others, first, axis=1)).sum(1)
        areas: Float64[np.ndarray, " draw"] = np.where(pairs > 0, won / np.maximum(pairs, 1e-300), np.nan)
        return areas

    return measure


def _checked(
    features: Real[np.ndarray, "item feature"], scores: Real[np.ndarray, " _"], labels: ArrayLike
) -> tuple[Float64[np.ndarray, "item feature"], Float64[np.ndarray, " item"], Int64[np.ndarray, " item"]]:
    values, given, named = (
        np.asarray(features, np.float64),
        np.asarray(scores, np.float64),
        np.asarray(labels),
    )
    if given.shape != (len(values),) or named.shape != (len(values),):
        raise ShapeError(
            f"Expected a score and a label for each of {len(values)} items, got shapes {given.shape} and "
            f"{named.shape}."
        )
    if len(values) < _FEWEST:
        raise MissingInputError(f"Halves to learn from need {_FEWEST} items in all, got {len(values)}.")
    if not (np.isfinite(values).all() and np.isfinite(given).all()):
        raise NonFiniteError("Features and scores must be finite; leave items without them out.")
    return values, given, np.unique(named, return_inverse=True)[1].astype(np.int64)


def _predictions(
    values: Float64[np.ndarray, "item feature"],
    active: Bool[np.ndarray, " item"],
    codes: Int64[np.ndarray, " item"],
    parts: tuple[Int64[np.ndarray, " known"], Int64[np.ndarray, " held"]],
    *,
    layout: str,
    k: int,
    seed: int,
) -> list[Float64[np.ndarray, " held"]]:
    """What each predictor says of the held-out items, in their order."""
    known, held = parts
    hits = active[known].astype(np.float64)
    k = min(k, len(known))
    near = nearest_among(values[known], values[held], k)
    cells = snap(shape_into_square(LAYOUTS[layout](values[known], None, seed=seed)))
    places = np.median(cells[near], axis=1)
    around = nearest_among(cells, places, k, metric="euclidean")
    count = np.bincount(codes[known], minlength=codes.max() + 1)
    rate = np.bincount(codes[known], hits, minlength=codes.max() + 1) / np.maximum(count, 1)
    rate[count == 0] = hits.mean()  # a label that was not seen says nothing
    return [hits[around].mean(1), rate[codes[held]], hits[near].mean(1)]


def _areas(
    parts: list[tuple[Bool[np.ndarray, " _"], list[Float64[np.ndarray, " _"]], Int64[np.ndarray, " _"]]],
    rng: np.random.Generator,
) -> dict[str, tuple[tuple[str, str], Float64[np.ndarray, "_ bound"]]]:
    """All areas and their differences, with intervals, of halves that are resampled each on its own."""
    measures = [
        [_area(target, one, groups) for groups in (np.zeros_like(codes), codes) for one in predicted]
        for target, predicted, codes in parts
    ]
    sizes = [len(target) for target, _, _ in parts]
    whole = _means(measures, [np.ones((1, size)) for size in sizes])
    rows = [[np.arange(size)] for size in sizes]
    drawn = []
    for _ in range(DRAWS // _AT_ONCE):
        weights = [
            np.array([resample_counts(own, size, rng) for _ in range(_AT_ONCE)])
            for own, size in zip(rows, sizes, strict=True)
        ]
        drawn.append(_means(measures, weights))
    draws, count = np.concatenate(drawn), len(PREDICTORS)
    return {
        "auc": (("predictor", "bound"), _intervals(whole[0, :count], draws[:, :count])),
        "within": (("predictor", "bound"), _intervals(whole[0, count:], draws[:, count:])),
        "difference": (
            ("versus", "bound"),
            _intervals(whole[0, 0] - whole[0, 1:count], draws[:, :1] - draws[:, 1:count]),
        ),
    }


def _means(
    measures: list[list[Measure]], weights: list[Float64[np.ndarray, "draw _"]]
) -> Float64[np.ndarray, "draw measure"]:
    """Each measure, averaged over the halves in which there is anything to compare."""
    values = np.array([[measure(own) for measure in of] for of, own in zip(measures, weights, strict=True)])
    there = np.isfinite(values)
    sums, count = np.where(there, values, 0.0).sum(0), there.sum(0)
    return np.where(count > 0, sums / np.maximum(count, 1), np.nan).T


def _intervals(
    values: Float64[np.ndarray, " _"], draws: Float64[np.ndarray, "draw _"]
) -> Float64[np.ndarray, "_ bound"]:
    found: list[Interval] = [percentile_interval(float(v), d) for v, d in zip(values, draws.T, strict=True)]
    return np.array([[one.value, one.low, one.high] for one in found])
