"""Cards: what a unit looks for, beside the real images that move it and what an audit says."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np
import xarray as xr
from jaxtyping import Bool

from fvhooks.errors import ShapeError
from fvhooks.images import as_bytes
from fvhooks.results import Result
from fvhooks.store.examples import Field, Statistics, real_images, units_of
from fvhooks.synthesis.visualizations import Visualizations, as_visualizations, unit_coordinates
from fvhooks.units import Unit

BINS = 40
_AUDITED = ("verdict", "value", "low", "high", "limit", "reason", "family", "family_verdict")
_BROKEN = "The recipe gave no numbers for parts of these pictures; they are shown in black."
_NO_STORE = "No store was given, so that nothing natural stands beside the pictures."
_NO_DIRECTIONS = "The store keeps no statistics of directions."
_TOP_ALONE = "The store keeps the strongest images of each channel alone (keep='top'), no histogram of all."
_ANYWHERE = "The picture is of one position; natural peaks are those of the channel at any position."


class UnitCards(Result):
    """Everything that the cards of some units show; neither model nor store is needed to show it.

    `data` holds `picture` (unit, seed, rgb, y, x) and, where the recipe made it, `alpha` (unit, seed, y, x),
    both `uint8`; `own` (unit, seed), the activation that a picture reaches, and `exceeds`, the share of real
    images that it exceeds; from the store `histogram` (unit, bin) with `edge` (unit, edges), `natural_images`
    (unit), `top_image` (unit, top, rgb, ty, tx) with `top_id`, `top_value`, `top_label`, the place where the
    unit fired as fractions of the picture (`top_y`, `top_x`; NaN outside it) and the size of a cell of the
    layer's grid (`cell_y`, `cell_x`); from the audit `verdict`, `value`, `low`, `high`, `limit`, `reason`
    (unit, check), `family` (check) and `family_verdict` (unit, kind), the badge; `flag`
    (unit, seed), what the recipe found wrong with a picture; `note` (unit); and `pictured` (unit) where some
    of the units have no picture.
    """

    kind: ClassVar[str] = "unit_cards"


def cards(
    vis: Visualizations,
    store: Statistics | None = None,
    report: Result | None = None,
    *,
    top: int = 9,
) -> UnitCards:
    """Put what is known of each unit on a card: pictures, top real images, natural activations and the audit.

    Examples:
        >>> from fvhooks.synthesis.visualizations import as_visualizations
        >>> vis = as_visualizations([Unit("layer4", 7)], np.zeros((1, 2, 3, 8, 8), np.uint8))
        >>> cards(vis)
        UnitCards(unit: 1, seed: 2, rgb: 3, y: 8, x: 8)

    Args:
        vis: the pictures.
        store: statistics of real images, with the layers of these units.
        report: what `audit` said of these pictures.
        top: how many real images to show for each unit.

    Raises:
        ShapeError: the report is of other units, or of other pictures of them.
    """
    if report is not None:
        check_same_pictures(vis, report.data)
    drawn = _drawn(vis, report)
    if store is None:
        drawn["note"] = drawn["note"].where(drawn["note"] != "", _NO_STORE)
    return _put_together(drawn, store, report, top=top)


def cards_of_units(
    units: Sequence[Unit],
    store: Statistics,
    *,
    vis: Visualizations | None = None,
    report: Result | None = None,
    fields: Mapping[str, Field] | None = None,
    top: int = 9,
) -> UnitCards:
    """Cards of any units of a store, of which some may have no picture.

    Args:
        units: whose cards.
        store: statistics of real images, with the layers of these units.
        vis: pictures of some of them.
        report: what `audit` said of these pictures.
        fields: of the layers whose images are cut to what the firing position sees.
        top: how many real images to show for each unit.
    """
    place = {} if vis is None else {str(name): at for at, name in enumerate(vis.data["unit"].values)}
    at = np.array([place.get(unit.id, -1) for unit in units], dtype=np.int64)
    if vis is None or not (at >= 0).any():
        vis, report, at = as_visualizations(units[:1], np.zeros((1, 1, 3, 1, 1), np.uint8)), None, 0 * at - 1
    drawn = _blanked(_drawn(vis, report).isel(unit=np.maximum(at, 0)), at >= 0)
    return _put_together(drawn.assign_coords(unit_coordinates(units)), store, report, fields, top=top)


def _drawn(vis: Visualizations, report: Result | None) -> xr.Dataset:
    """The pictures, and the activations that they reach."""
    broken = vis.images.isnull().any(["seed", "rgb", "y", "x"]).values
    notes = np.where(broken, _BROKEN, "").astype(object)
    data = _pictures(vis).assign(own=(("unit", "seed"), _own(vis.data, report)), note=("unit", notes))
    return data.assign_attrs(recipe=vis.recipe)


def _blanked(data: xr.Dataset, pictured: Bool[np.ndarray, " unit"]) -> xr.Dataset:
    """The same, with nothing said of the units that have no picture."""
    lacking = xr.DataArray(~pictured, dims="unit")
    blanks: dict[str, Any] = {"O": "", "f": np.nan}
    emptied = {
        name: values.where(~lacking, blanks.get(values.dtype.kind, 0)).astype(values.dtype)
        for name, values in data.items()
        if "unit" in values.dims
    }
    return data.assign(emptied).assign(pictured=("unit", pictured))


def _put_together(
    data: xr.Dataset,
    store: Statistics | None,
    report: Result | None,
    fields: Mapping[str, Field] | None = None,
    *,
    top: int,
) -> UnitCards:
    if store is not None:
        data = data.assign(_natural(store, data))
        data = data.assign(real_images(store, data, top, fields))
    if report is not None:
        data = data.assign(_audit(report.data, data).data_vars)
    return UnitCards(data)


def _pictures(marked: Visualizations) -> xr.Dataset:
    vis, verdicts = marked.data, marked.verdicts
    found = {"picture": xr.apply_ufunc(as_bytes, vis["images"].transpose("unit", "seed", "rgb", "y", "x"))}
    if "alpha" in vis:
        found["alpha"] = xr.apply_ufunc(as_bytes, vis["alpha"].transpose("unit", "seed", "y", "x"))
    if "flag" in vis:
        found["flag"] = vis["flag"].transpose("unit", "seed")
    if verdicts is not None:
        found["family_verdict"] = verdicts
    data = xr.Dataset(found)
    return data if "seed" in data.coords else data.assign_coords(seed=np.arange(data.sizes["seed"]))


def _own(vis: xr.Dataset, report: Result | None) -> np.ndarray:
    """The activation that each picture reaches: the recipe's word, else the audit's, else NaN."""
    blank = np.full((vis.sizes["unit"], vis.sizes["seed"]), np.nan)
    if "activation" in vis:
        return vis["activation"].transpose("unit", "seed").values.astype(float)
    if report is not None and {"unit", "seed"} == set(report.data.get("activation", xr.DataArray()).dims):
        found = report.data["activation"].transpose("unit", "seed").reindex(unit=vis["unit"].values)
        return found.values.astype(float) if found.shape == blank.shape else blank
    return blank


def _natural(store: Statistics, data: xr.Dataset) -> dict[str, Any]:
    """Histograms of the peaks of real images, and the share of them that a picture exceeds."""
    own, count = data["own"].values, data.sizes["unit"]
    histogram, edges = np.zeros((count, BINS), np.int64), np.full((count, BINS + 1), np.nan)
    images, exceeds, notes = np.zeros(count, np.int64), np.full(own.shape, np.nan), data["note"].values.copy()
    for layer, members in _by_layer(data).items():
        channels = [unit.channel for _, unit in members]
        statistics = store[layer]
        if "peak" not in statistics:
            for index, _ in members:
                notes[index] = f"{notes[index]} {_TOP_ALONE}".strip()
            continue
        peaks = statistics["peak"].isel(channel=channels).transpose("channel", "image").values
        for (index, unit), values in zip(members, peaks, strict=True):
            finite = np.sort(values[np.isfinite(values)].astype(np.float64))
            images[index] = len(finite)
            if unit.position is not None:
                notes[index] = f"{notes[index]} {_ANYWHERE}".strip()
            if len(finite):
                histogram[index], edges[index] = np.histogram(finite, BINS)
                below = np.searchsorted(finite, own[index], side="left") / len(finite)
                exceeds[index] = np.where(np.isfinite(own[index]), below, np.nan)
    for index in map(int, np.flatnonzero(data["channel"].values < 0)):
        notes[index] = f"{notes[index]} {_NO_DIRECTIONS}".strip()
    return {
        "histogram": (("unit", "bin"), histogram),
        "edge": (("unit", "edges"), edges),
        "natural_images": ("unit", images),
        "exceeds": (("unit", "seed"), exceeds),
        "note": ("unit", notes),
    }


def _by_layer(data: xr.Dataset) -> dict[str, list[tuple[int, Unit]]]:
    layers: dict[str, list[tuple[int, Unit]]] = {}
    for index, unit in units_of(data):
        if unit is not None:
            layers.setdefault(unit.layer, []).append((index, unit))
    return layers


def check_same_pictures(vis: Visualizations, report: xr.Dataset) -> None:
    """A verdict belongs to the very pictures that were audited, not to others of the same units."""
    ours, theirs = ([str(name) for name in data["unit"].values] for data in (vis.data, report))
    shared = [name for name in ours if name in theirs]
    seeds = vis.data.sizes["seed"]
    if not shared:
        _refuse(f"units {ours[:3]}", f"units {sorted(theirs)[:3]}")
    if report.attrs.get("recipe", vis.recipe) != vis.recipe:
        _refuse(f"recipe {vis.recipe!r}", f"recipe {report.attrs['recipe']!r}")
    if report.sizes.get("seed", seeds) != seeds:
        _refuse(f"{seeds} of each unit", f"{report.sizes['seed']} of each unit")
    if "picture_checksum" not in report:
        return
    seen = dict(zip(theirs, report["picture_checksum"].transpose("unit", "seed").values, strict=True))
    made = dict(zip(ours, vis.checksums.values, strict=True))
    other = [name for name in shared if not np.array_equal(seen[name], made[name])]
    if other:
        _refuse("the same pixels", f"other pixels for {other[:3]}")


def _refuse(expected: str, got: str) -> NoReturn:
    fact = f"Expected an audit of the pictures shown ({expected}), got one of other pictures ({got})"
    raise ShapeError(f"{fact}; audit what you show: cards(vis, store, audit(hooked, vis, store)).")


def _audit(report: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The verdicts on these units; a unit that was not audited has empty words and NaN."""
    kept = report[[name for name in _AUDITED if name in report]].reset_coords(drop=True)
    kept = kept.assign_coords(unit=report["unit"].values, check=report["check"].values)
    return kept.reindex(
        unit=data["unit"].values, fill_value={"verdict": "", "reason": "", "family_verdict": ""}
    )
