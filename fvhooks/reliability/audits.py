"""`fvhooks.audit`: what speaks against the pictures of some units, with numbers, intervals and controls."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr
from tqdm.auto import tqdm

from fvhooks.errors import FVHooksError, LayerNotFoundError, MissingInputError, ShapeError, StoreError
from fvhooks.hooks import HookedModel
from fvhooks.images import as_bytes
from fvhooks.reliability.badges import mark
from fvhooks.reliability.checks import CHECKS, Check, Reader, Summary
from fvhooks.reliability.evidence import Evidence
from fvhooks.reliability.exports import as_json, plain
from fvhooks.reliability.findings import FAMILIES, FLOORS, Finding
from fvhooks.reliability.multiplicity import correct, with_corrections
from fvhooks.results import Result
from fvhooks.store.fingerprints import differences
from fvhooks.store.reading import Store
from fvhooks.synthesis.visualizations import Visualizations
from fvhooks.units import LOGITS, Unit

_DEPTHS = 6
CONTROLS = ("real", *FLOORS)
_Findings = list[dict[str, Finding]]


@dataclass(frozen=True, eq=False, repr=False)
class AuditReport(Result):
    """What some checks say about the pictures of some units.

    `data` holds for each (unit, check): `verdict` ("contradicted", "inconclusive" or "not contradicted";
    there is no "trusted"), which holds among all questions of the report, and `verdict_alone`, which does
    not; `p_value` and `p_adjusted` with the `null_count` real images, or pictures of clean networks, behind
    them; `reason`, `value` with `low` and `high`, the `limit` that 95 % of real images stay below, and
    `false_alarms`, the share of held-out real images above it; `control_value` (unit, check, control), the
    same number for held-out real images and for pictures of nothing; `family` and `question` (check);
    `family_verdict` (unit, kind), what each family says of a unit; `picture` (unit, seed, rgb, y, x) as
    `uint8`, `activation` (unit, seed), the pictures' own peak activation, and `picture_checksum`, by which
    `fvhooks.cards` knows them again; and the curves and parts of each check (names begin with `path_`,
    `gap_`, …). Attributes: `correction`, how many questions of each family were judged together, and
    `overall`, what a check says of all units.
    """

    kind: ClassVar[str] = "audit_report"

    @property
    def verdicts(self) -> xr.DataArray:
        """The verdict of each check on each unit, (unit, check)."""
        return self.data["verdict"]

    def mark(self, vis: Visualizations) -> Visualizations:
        """The same pictures with a badge of the verdicts, which every view of them shows.

        Examples:
            >>> marked = report.mark(vis)              # doctest: +SKIP
            >>> fv.contact_sheet(marked).save("s.png")  # doctest: +SKIP

        Args:
            vis: the pictures that were audited; units of other pixels get no badge.

        Raises:
            ShapeError: none of these pictures was audited.
        """
        return mark(vis, self.data)

    def to_json(self, path: str | Path) -> Path:
        """Write everything but the pictures' pixels as JSON; what is not known is null."""
        Path(path).write_text(json.dumps(as_json(self.data), allow_nan=False, indent=1), encoding="utf-8")
        return Path(path)


def audit(
    hooked: HookedModel,
    vis: Visualizations,
    store: Store,
    *,
    checks: Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
    judge: HookedModel | None = None,
    show_progress: bool = True,
) -> AuditReport:
    """Ask what speaks against pictures of units.

    Ranges and limits come from real images of the store's calibration split, claims from its report split;
    the images that pictures are made from take no part. Grey, noise and the mean of the unit's images are
    judged beside the pictures: where one of them passes a check, that check cannot speak for a picture.

    Examples:
        >>> report = fv.audit(hooked, vis, store)  # doctest: +SKIP
        >>> report.verdicts.to_pandas()            # doctest: +SKIP

    Args:
        hooked: the model that the pictures are of.
        vis: the pictures; `fvhooks.as_visualizations` makes any picture auditable.
        store: what real images do in that model, with its data set attached.
        checks: names of checks; all by default.
        layers: where paths are compared; up to six layers of the store, spread over its depth, by default.
        judge: another network, as an onlooker: what does it make of the pictures? Checks that need one are
            "inconclusive" without.
        show_progress: show a bar.

    Returns:
        Verdicts with their numbers. A check that cannot be made is "inconclusive" and says why.

    Raises:
        StoreError: the store belongs to another model, or the pictures were made of one.
        MissingInputError: the store has no data set attached.
        LayerNotFoundError: a unit or its layer is not in the store, or a layer asked for not in the model.
        NotRegisteredError: no check of that name.
        ShapeError: pictures of another size than the store's images, a position outside its layer, the same
            unit twice.
    """
    _check_unique([str(name) for name in vis.data["unit"].values])
    rows = zip(vis.data["unit"].values, vis.data["channel"].values, strict=True)
    units = [_unit(str(name), int(channel)) for name, channel in rows]
    asked = {name: CHECKS[name]() for name in (checks if checks is not None else CHECKS)}
    depths = _depths(hooked, store, layers)
    pictures = torch.from_numpy(np.ascontiguousarray(vis.images.values, dtype=np.float32))
    _check_inputs(hooked, store, [unit for unit in units if unit], tuple(pictures.shape[2:]))
    _check_model(vis, store)
    known = [row for row, unit in enumerate(units) if unit]
    evidence = Evidence(
        hooked,
        store,
        units=[unit for unit in units if unit],
        pictures=pictures[known],
        layers=depths,
        show_progress=show_progress,
        judge=judge,
    )
    evidence.real.expect(
        *[kind for one in asked.values() if isinstance(one, Reader) for kind in one.looks_at]
    )
    bar = tqdm(units, desc="audit: units", disable=not show_progress)
    findings = [{name: _answer(check, unit, evidence) for name, check in asked.items()} for unit in bar]
    judged = correct(findings, {name: CHECKS[name].family for name in asked})
    data = with_corrections(_assemble(vis, evidence, units, judged.findings), judged)
    evidence.readings.trim()
    totals = {name: found for name, check in asked.items() if (found := _overall(check, data))}
    return AuditReport(data.assign_attrs(overall=plain(totals), correction=plain(judged.families)))


def _unit(identifier: str, channel: int) -> Unit | None:
    """The unit of a row; None for a direction, whose vector is not kept with its pictures."""
    return Unit.parse(identifier) if channel >= 0 else None


def _check_unique(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        fact = f"Expected each unit once, got {', '.join(map(repr, twice[:3]))} more than once"
        raise ShapeError(f"{fact}; put several pictures of one unit along its dimension 'seed'.")


def _check_inputs(hooked: HookedModel, store: Store, units: list[Unit], shape: tuple[int, ...]) -> None:
    store.require(hooked, list(dict.fromkeys(unit.layer for unit in units)))
    if store.source is None:
        raise MissingInputError(
            "An audit looks at real images: attach them with open_store(path, dataset=…)."
        )
    if shape != store.image_shape:
        message = f"Pictures are {shape}, the store's images {store.image_shape}"
        raise ShapeError(f"{message}; make or resize the pictures at the store's size.")
    for unit in units:
        layout = store.layout(unit.layer)
        if unit.channel >= layout.channels:
            raise LayerNotFoundError(
                f"{unit.id!r} does not exist: {unit.layer!r} has {layout.channels} channels."
            )
        if unit.position is not None:
            layout.index(unit.position)  # raises outside the grid


def _check_model(vis: Visualizations, store: Store) -> None:
    made_of, here = vis.data.attrs.get("model", {}), store.model_fingerprint
    differing = differences(made_of, here)
    if differing:
        both = "; ".join(f"{name}: {made_of[name]} of theirs, {here[name]} here" for name in differing)
        raise StoreError(
            f"The pictures were made of another model ({both}). Audit them in their own, or, to ask what "
            "this one makes of them, pass fv.as_visualizations(units, vis.images)."
        )


def _depths(hooked: HookedModel, store: Store, layers: Sequence[str] | None) -> list[str]:
    probe = hooked.probe()
    if layers is None:
        known = [name for name in store.layers if name != LOGITS and name in probe]
        chosen = np.unique(np.linspace(0, len(known) - 1, min(_DEPTHS, len(known))).round().astype(int))
        return [known[i] for i in chosen]
    return sorted(dict.fromkeys(layers), key=lambda name: probe[name].order)


def _answer(check: Check, unit: Unit | None, evidence: Evidence) -> Finding:
    if unit is None:
        return Finding.undecided("pictures of a direction do not keep its vector; audit channels")
    try:
        return check(unit, evidence)
    except (FVHooksError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return Finding.undecided(f"the check could not be made: {error}")


def _overall(check: Check, data: xr.Dataset) -> dict[str, Any]:
    """What a check says of all units together, where it says anything."""
    return check.overall(data) if isinstance(check, Summary) else {}


def _assemble(
    vis: Visualizations, evidence: Evidence, units: list[Unit | None], findings: _Findings
) -> xr.Dataset:
    """One data set of the findings of all units and checks."""
    names = list(findings[0])
    pairs = ("unit", "check")

    def table(get: Callable[[Finding], Any], dtype: type) -> tuple[tuple[str, str], np.ndarray]:
        return pairs, np.array([[get(row[name]) for name in names] for row in findings], dtype=dtype)

    controls = [[[row[name].controls.get(c, np.nan) for c in CONTROLS] for name in names] for row in findings]
    activation = [
        evidence.peaks(unit)[0, : evidence.seeds] if unit else np.full(evidence.seeds, np.nan)
        for unit in units
    ]
    pictures = vis.images.transpose("unit", "seed", "rgb", "y", "x").values
    data = xr.Dataset(
        {
            "verdict": table(lambda f: f.verdict, object),
            "reason": table(lambda f: f.reason, object),
            "value": table(lambda f: f.value.value, float),
            "low": table(lambda f: f.value.low, float),
            "high": table(lambda f: f.value.high, float),
            "limit": table(lambda f: f.limit, float),
            "false_alarms": table(lambda f: f.false_alarms, float),
            "origin": table(lambda f: f.origin, object),
            "control_value": ((*pairs, "control"), np.array(controls, dtype=float)),
            "family": ("check", np.array([CHECKS[name].family for name in names], dtype=object)),
            "question": ("check", np.array([CHECKS[name].question for name in names], dtype=object)),
            "activation": (("unit", "seed"), np.array(activation, dtype=float)),
            "picture": (("unit", "seed", "rgb", "y", "x"), as_bytes(pictures)),
            "picture_checksum": (("unit", "seed"), vis.checksums.values),
        },
        coords={
            **{name: vis.data[name].variable for name in ("unit", "layer", "channel")},
            "seed": np.arange(evidence.seeds),
            "check": np.array(names, dtype=object),
            "control": np.array(CONTROLS, dtype=object),
        },
        attrs={"recipe": vis.recipe, "families": FAMILIES, "depths": evidence.layers},
    )
    return _with_details(data, findings)


def _with_details(data: xr.Dataset, findings: _Findings) -> xr.Dataset:
    """Curves and parts of all units; NaN where a unit has none or does not reach a depth."""
    for name in data["check"].values:
        known = {
            row: found[name].details for row, found in enumerate(findings) if found[name].details.data_vars
        }
        if not known:
            continue
        index = xr.DataArray(data["unit"].values[list(known)], dims="unit", name="unit")
        parts = xr.concat(list(known.values()), dim=index, join="outer", coords="minimal", compat="override")
        data = data.merge(parts.reindex(unit=data["unit"].values), compat="no_conflicts", join="outer")
    if "depth" in data.dims:
        order = list(dict.fromkeys(name for name in data.attrs["depths"] if name in data["depth"].values))
        data = data.sel(depth=order)
    return data
