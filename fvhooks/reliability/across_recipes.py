"""Are pictures of one recipe told from real images by what was learned from another's?"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from jaxtyping import Bool

from fvhooks.errors import MissingInputError, ShapeError
from fvhooks.metrics.intervals import percentile_interval
from fvhooks.reliability.audits import AuditReport
from fvhooks.reliability.traits import area_under_curve, linear_scores

_PICTURES, _LEARNED, _REAL = "detect_trait", "detect_trait_own", "detect_trait_real"
_DRAWS = 1000


def detectability_across(reports: Mapping[str, AuditReport]) -> xr.Dataset:
    """How well a classifier that knows one recipe's pictures tells another's from real images.

    The classifier is that of the check `detectability`, linear in colours, contrast and channel means. It is
    fitted to pictures of all units but one, by the first recipe, and to calibration images of those units; it
    is asked about that unit's pictures by the second recipe and about report images of the unit. So unit,
    seeds, images and, off the diagonal, recipe are held out together. A description, never a verdict.

    Examples:
        >>> across = detectability_across({"fourier": first, "vital": second})   # doctest: +SKIP
        >>> across["area"].to_pandas()                                           # doctest: +SKIP

    Args:
        reports: of the same units of one network by one store and with the same layers; the keys are their
            names. Each must have been made with the check `detectability`.

    Returns:
        `area` (learned_from, asked), the area under the curve, a mean over units, 0.5 being chance; `low` and
        `high`, a 95 % interval that draws units; `unit_area` (learned_from, asked, unit).

    Raises:
        MissingInputError: no report, one without the check, or fewer than two units that all of them know.
        ShapeError: reports that looked at different layers.
    """
    _check(reports)
    shared = set.intersection(*[_known(report) for report in reports.values()])
    units = [name for name in next(iter(reports.values())).data["unit"].values.tolist() if name in shared]
    if len(units) < 2:
        raise MissingInputError(
            f"Expected at least two units with enough real images in every report, got {units}; a classifier "
            "learns from other units. Audit the same units with every recipe."
        )
    names = list(reports)
    traits = {name: reports[name].data[[_PICTURES, _LEARNED, _REAL]].sel(unit=units) for name in names}
    areas = np.array(
        [[[_area(traits[a], traits[b], at) for at in range(len(units))] for b in names] for a in names]
    )
    chosen = np.random.default_rng(0).integers(len(units), size=(_DRAWS, len(units)))
    interval = [[percentile_interval(cell.mean(), cell[chosen].mean(1)) for cell in row] for row in areas]
    dims = ("learned_from", "asked")
    return xr.Dataset(
        {
            "area": (dims, areas.mean(-1)),
            "low": (dims, [[one.low for one in row] for row in interval]),
            "high": (dims, [[one.high for one in row] for row in interval]),
            "unit_area": ((*dims, "unit"), areas),
        },
        coords={"learned_from": names, "asked": names, "unit": units},
    )


def _check(reports: Mapping[str, AuditReport]) -> None:
    if not reports:
        raise MissingInputError("Expected a report for each recipe, got none.")
    without = [name for name, report in reports.items() if _LEARNED not in report.data]
    if without:
        raise MissingInputError(
            f"The reports {without} have nothing of the check 'detectability'; make them with "
            "fvhooks.audit(…, checks=['detectability'])."
        )
    seen = {
        name: f"{_first_layer(report)}: {report.data.sizes['trait']} traits"
        for name, report in reports.items()
    }
    if len(set(seen.values())) > 1:
        raise ShapeError(
            f"Expected reports that look at the same first layer, got {seen}; audit with the same layers=."
        )


def _first_layer(report: AuditReport) -> str:
    return next(iter(report.data.attrs["depths"]), "none")


def _known(report: AuditReport) -> set[str]:
    """Units of which there are pictures and real images."""
    known = _complete(report.data[_PICTURES]).any(1) & _complete(report.data[_REAL]).any(1)
    return set(report.data["unit"].values[known].tolist())


def _complete(rows: xr.DataArray) -> Bool[np.ndarray, "unit row"]:
    return np.asarray(rows.notnull().all("trait").values)


def _rows(rows: xr.DataArray) -> np.ndarray:
    """Traits (image, trait), without the places that hold none."""
    flat = np.asarray(rows.values, np.float64).reshape(-1, rows.sizes["trait"])
    return flat[np.isfinite(flat).all(1)]


def _area(learned: xr.Dataset, asked: xr.Dataset, unit: int) -> float:
    others = [place for place in range(learned.sizes["unit"]) if place != unit]
    pictures = _rows(learned[_PICTURES].isel(unit=others))
    traits = np.concatenate([pictures, _rows(learned[_LEARNED].isel(unit=others))])
    is_picture = np.arange(len(traits)) < len(pictures)
    mine = (_rows(asked[part].isel(unit=unit)) for part in (_PICTURES, _REAL))
    cast, real = (linear_scores(traits, is_picture, rows) for rows in mine)
    return area_under_curve(cast, real)
