"""What the places of a map that activate a unit are of, and how far such a label can be trusted.

A label is proposed from what activates most, where it looks right even if it is not: most items of the label
may not activate at all (low recall), and much that activates may be something else (low precision). Both are
counted over all items of the map, those of its random and negative strata too.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float64, Int64

from fvhooks.errors import MissingInputError
from fvhooks.metrics.intervals import Interval, wilson_interval

QUANTILE = 0.9
"""Of the scores, above which an item counts as activating where a map has no strata."""
BOUNDS = ("value", "low", "high")

_WORD = re.compile(r"\w+")
_NOWHERE = Interval(math.nan, math.nan, math.nan)
_SHARES = ("purity", "precision", "recall", "precision_random", "recall_random")
_COLUMNS = ("label", "count", "row", "col", *_SHARES, *(f"{name}_count" for name in _SHARES))


def region_labels(
    data: xr.Dataset,
    names: Mapping[str, str] | None = None,
    *,
    threshold: float | None = None,
    by: Literal["label", "word"] = "label",
) -> xr.Dataset:
    """Regions of neighbouring cells that activate, each with a label, its precision and its recall.

    A region is a set of cells that touch at edges, whose scores reach the threshold. Its label is the
    commonest of its items (in alphabetical order where several are), or the word that is in the largest share
    of its items, less its share in all items of the map.

    Where `attrs["parameters"]["strata"]` says how many items of the data set each stratum stands for, every
    item counts as many of them as its stratum has for each item on the map; strata that are not named there
    (such as negatives chosen for their likeness) are left out. Intervals then join the Wilson intervals of
    the strata at their least favourable ends, so that they hold with 95 % or more. Without such sizes each
    item counts once, which says something of the map, not of the data set.

    Args:
        data: of an `Atlas` with scores and labels.
        names: what to call labels.
        threshold: the score that counts as activating; the lowest of the stratum "top", or where there is
            none the 90th percentile of the scores, where not given.
        by: "label" for classes, "word" for texts.

    Returns:
        Of each `region`, the largest first: `label`, the `count` of its cells, their middle `row` and `col`;
        and, each with `bound` (value, low, high) and the number of items it is counted on (`…_count`):

        * `purity`: of the region's items, the share that matches its label (each item once);
        * `precision`: of all items that activate, the share that matches it;
        * `recall`: of all items that match it, the share that activates;
        * `precision_random`, `recall_random`: the same of the stratum "random" alone.

        Where that stratum is drawn from what "top" leaves, nothing in it reaches the default threshold. NaN
        where there is nothing to count, and where a stratum stands for items of which none is on the map: the
        strongest alone do not say what a label misses. Also `region_of` (cell), −1 outside; and in `attrs`
        the `threshold` and whether it is `weighted`.

    Raises:
        MissingInputError: no scores or no labels.
    """
    scores, labels = data["score"].values.astype(np.float64), data["label"].values.astype(str)
    if by == "word" and "source" in data:  # texts are their own ids
        is_text = data["source"].values.astype(str) == "text"
        labels = np.where(is_text & (labels == ""), data["id"].values.astype(str), labels)
    known = np.isfinite(scores)
    if not known.any() or not (labels != "").any():
        lacking = "labels" if known.any() else "scores"
        raise MissingInputError(f"Regions are labelled by scores and labels; this map has no {lacking}.")
    strata = data["stratum"].values.astype(str) if "stratum" in data else np.full(len(scores), "")
    limit = _threshold(scores, strata) if threshold is None else float(threshold)
    high = known & (scores >= limit)
    region = _regions(data, high)
    terms = _Terms.of(labels, by)
    count = _Count(known, strata, _populations(data))
    rows = [_measured(terms, region == index, high, count) for index in range(region.max(initial=-1) + 1)]
    for index, row in enumerate(rows):
        row["label"] = (names or {}).get(row["label"], row["label"])
        row["row"], row["col"] = (float(data[axis].values[region == index].mean()) for axis in ("row", "col"))
    told = {name: _array(name, [row[name] for row in rows]) for name in _COLUMNS}
    attrs = {"threshold": limit, "weighted": bool(count.populations)}
    return xr.Dataset({**told, "region_of": ("cell", region)}, {"bound": list(BOUNDS)}, attrs)


@dataclass(frozen=True)
class _Terms:
    """Which items match which terms, as pairs."""

    names: list[str]
    item: Int64[np.ndarray, " pair"]
    term: Int64[np.ndarray, " pair"]
    items: int
    common: bool  # whether the commonest is taken, or the one that is commoner than elsewhere

    @classmethod
    def of(cls, labels: np.ndarray, by: str) -> "_Terms":
        words = [{text} if by == "label" else set(_WORD.findall(text.lower())) for text in labels.tolist()]
        split = [own - {""} for own in words]
        names = sorted(set().union(*split))
        place = {name: index for index, name in enumerate(names)}
        pairs = [(i, place[name]) for i, own in enumerate(split) for name in sorted(own)]
        item, term = np.array(pairs, np.int64).reshape(-1, 2).T
        return cls(names, item, term, len(labels), by == "label")

    def best(self, inside: Bool[np.ndarray, " item"]) -> int:
        """The term of some items; −1 where none of them has any."""
        here = np.bincount(self.term[inside[self.item]], minlength=len(self.names)).astype(np.float64)
        if not here.any():
            return -1
        if not self.common:
            here = here / inside.sum() - np.bincount(self.term, minlength=len(self.names)) / self.items
        return int(here.argmax())

    def matching(self, term: int) -> Bool[np.ndarray, " item"]:
        found = np.zeros(self.items, bool)
        found[self.item[self.term == term]] = True
        return found


@dataclass(frozen=True)
class _Count:
    """How shares are counted over strata that were sampled at different rates."""

    known: Bool[np.ndarray, " item"]
    strata: np.ndarray
    populations: Mapping[str, int]

    def share(
        self, hits: Bool[np.ndarray, " item"], among: Bool[np.ndarray, " item"]
    ) -> tuple[Interval, int]:
        """Which share of some items are hits, and how many were counted."""
        if not self.populations:
            return _plain(hits, among & self.known)
        hit, miss, counted = np.zeros(3), np.zeros(3), 0  # value, low, high of items of the data set
        for stratum, population in self.populations.items():
            own = self.known & (self.strata == stratum)
            there = int(own.sum())
            if not there:  # nothing is known of the items that it stands for
                return _NOWHERE, 0
            hit += population * _bounds(wilson_interval(int((own & among & hits).sum()), there))
            miss += population * _bounds(wilson_interval(int((own & among & ~hits).sum()), there))
            counted += int((own & among).sum())
        if not counted:
            return _NOWHERE, 0
        value, low, high = hit / (hit + miss[[0, 2, 1]])  # few hits beside many misses, and the reverse
        return Interval(float(value), float(low), float(high)), counted

    def random_share(
        self, hits: Bool[np.ndarray, " item"], among: Bool[np.ndarray, " item"]
    ) -> tuple[Interval, int]:
        """The same of the random stratum alone."""
        return _plain(hits, among & self.known & (self.strata == "random"))


def _plain(hits: Bool[np.ndarray, " item"], among: Bool[np.ndarray, " item"]) -> tuple[Interval, int]:
    counted = int(among.sum())
    return (wilson_interval(int((hits & among).sum()), counted) if counted else _NOWHERE), counted


def _bounds(interval: Interval) -> Float64[np.ndarray, " bound"]:
    return np.array([interval.value, interval.low, interval.high])


def _measured(
    terms: _Terms, inside: Bool[np.ndarray, " item"], high: Bool[np.ndarray, " item"], count: _Count
) -> dict[str, Any]:
    term = terms.best(inside)
    matching = terms.matching(term)
    shares = {
        "purity": _plain(matching, inside),
        "precision": count.share(matching, high),
        "recall": count.share(high, matching),
        "precision_random": count.random_share(matching, high),
        "recall_random": count.random_share(high, matching),
    }
    if term < 0:
        shares = dict.fromkeys(shares, (_NOWHERE, 0))
    told: dict[str, Any] = {"label": terms.names[term] if term >= 0 else "", "count": int(inside.sum())}
    for name, (interval, counted) in shares.items():
        told |= {name: _bounds(interval), f"{name}_count": counted}
    return told


def _array(name: str, values: list[Any]) -> tuple[tuple[str, ...], np.ndarray]:
    """A variable of the regions, of the right shape where there are none, too."""
    if name in _SHARES:
        return ("region", "bound"), np.array(values, np.float64).reshape(-1, len(BOUNDS))
    kind = "U" if name == "label" else np.int64 if name.endswith("count") else np.float64
    return ("region",), np.array(values, kind)


def _threshold(scores: Float64[np.ndarray, " item"], strata: np.ndarray) -> float:
    """The default; never the lowest score of a map with several, which all of it reaches."""
    finite = scores[np.isfinite(scores)]
    top = scores[(strata == "top") & np.isfinite(scores)]
    if len(top):
        return float(top.min())
    limit, beyond = float(np.quantile(finite, QUANTILE)), finite[finite > finite.min()]
    return max(limit, float(beyond.min())) if len(beyond) else limit


def _populations(data: xr.Dataset) -> dict[str, int]:
    """How many items of the data set each stratum of the map stands for, as far as it is known."""
    parameters = data.attrs.get("parameters", {})
    given = json.loads(parameters) if isinstance(parameters, str) else parameters
    sizes = given.get("strata") if isinstance(given, Mapping) else None
    if not isinstance(sizes, Mapping):
        return {}
    return {str(name): int(size) for name, size in sizes.items() if int(size) > 0}


def _regions(data: xr.Dataset, high: Bool[np.ndarray, " item"]) -> Int64[np.ndarray, " item"]:
    """The region of each item: cells that activate and touch at edges; −1 for others and for a strip."""
    here = high & ~data["in_strip"].values if "in_strip" in data else high
    row, col = data["row"].values.tolist(), data["col"].values.tolist()
    waiting = {(row[item], col[item]): int(item) for item in np.flatnonzero(here)}
    found: list[list[int]] = []
    while waiting:
        place = next(iter(waiting))
        edge, own = [place], [waiting.pop(place)]
        while edge:
            y, x = edge.pop()
            for other in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if other in waiting:
                    own.append(waiting.pop(other))
                    edge.append(other)
        found.append(sorted(own))
    region = np.full(len(high), -1, np.int64)
    for index, own in enumerate(sorted(found, key=lambda own: (-len(own), own[0]))):
        region[own] = index
    return region
