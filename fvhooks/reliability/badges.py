"""Verdicts that ride on pictures."""

import numpy as np
import xarray as xr

from fvhooks.errors import ShapeError
from fvhooks.synthesis.visualizations import Visualizations


def mark(vis: Visualizations, report: xr.Dataset) -> Visualizations:
    """Pictures with the verdicts of both families, where these very pictures were audited.

    A verdict is of all pictures of a unit: one is enough that was not audited, and the unit has no badge.

    Args:
        vis: the pictures.
        report: the data of an audit report.

    Raises:
        ShapeError: none of these pictures was audited.
    """
    audited = dict(zip(_names(report), report["picture_checksum"].values.tolist(), strict=True))
    verdicts = dict(zip(_names(report), report["family_verdict"].values.tolist(), strict=True))
    kinds = [str(kind) for kind in report["kind"].values]
    rows = []
    for name, sums in zip(_names(vis.data), vis.checksums.values.tolist(), strict=True):
        known = set(sums) <= set(audited.get(name, []))
        rows.append(verdicts[name] if known else [""] * len(kinds))
    if not any(any(row) for row in rows):
        ours, theirs = _names(vis.data)[:3], _names(report)[:3]
        fact = f"None of these pictures ({', '.join(ours)}) was audited, which were of {', '.join(theirs)}"
        raise ShapeError(f"{fact}; audit the pictures that are shown: fvhooks.audit(hooked, vis, store).")
    said = (("unit", "kind"), np.array(rows, dtype=object))
    data = vis.data.assign(family_verdict=said, audited_checksum=vis.checksums)
    return Visualizations(data.assign_coords(kind=np.array(kinds, dtype=object)))


def _names(data: xr.Dataset) -> list[str]:
    return [str(name) for name in data["unit"].values]
