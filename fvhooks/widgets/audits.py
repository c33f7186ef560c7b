"""The report of an audit: each unit's pictures and verdicts, and what they rest on."""

from typing import Any

import numpy as np
import xarray as xr

from fvhooks.results import VIEWERS
from fvhooks.widgets.badges import badge_row, badges_of
from fvhooks.widgets.charts import number
from fvhooks.widgets.curves import Curve, draw_curves
from fvhooks.widgets.encodings import LOSSLESS_SIDE, encode
from fvhooks.widgets.facts import check_facts
from fvhooks.widgets.grounds import grounds
from fvhooks.widgets.markup import Markup, data_uri, join, page, tag, text
from fvhooks.widgets.tables import CHECK_HEADS, check_cells, table

_LINE = ("verdict", "value", "low", "high", "limit", "reason", "family", "question", "p_adjusted")
_SIDES = (320, 224, 160, 112, 80, 56, 40)
_HTML_GROWTH = 0.75  # base64 makes four characters of three bytes
_CONTROLS = (
    "The same number for held-out real images and for pictures of nothing: grey, noise, and the mean of the "
    "unit's own images. A check that one of those passes cannot speak for a picture."
)


class AuditViewer:
    """Shows an audit report: a block for each unit, then what all of it rests on."""

    def html(self, result: Any, budget: int | None = None) -> str:  # noqa: ANN401 - any report of an audit
        """The whole report; pictures are shrunk until they fit into the budget, or left out."""
        data: xr.Dataset = result.data
        pictures = _encoded(data, None if budget is None else int(budget * _HTML_GROWTH))
        units = [
            _unit(data.isel(unit=place), pictures[place] if pictures else [])
            for place in range(data.sizes["unit"])
        ]
        return page(
            "audit.css", "Audit", tag("h3", text("Audit of pictures")), _about(data), *units, grounds(data)
        )

    def widget(self, result: Any) -> None:  # noqa: ANN401
        """There is no live view; `cards` shows the audit beside the pictures."""


VIEWERS.register("audit_report")(AuditViewer())


def _about(data: xr.Dataset) -> Markup:
    units, checks = data.sizes["unit"], data.sizes["check"]
    words = f"{units} {'unit' if units == 1 else 'units'}, {checks} {'check' if checks == 1 else 'checks'}"
    if "recipe" in data.attrs:
        words = f"{words}, recipe {data.attrs['recipe']}"
    return tag("p", text(f"{words}. Nothing here says that a picture is right."), class_="fvh-subtitle")


def _encoded(data: xr.Dataset, budget: int | None) -> list[list[bytes]]:
    """The pictures of each unit; empty where the report has none or they do not fit."""
    if "picture" not in data:
        return []
    pictures = data["picture"].transpose("unit", "seed", "rgb", "y", "x").values
    for side in (None, *_SIDES) if budget is None else _SIDES:
        made = [[encode(picture, side) for picture in row] for row in pictures]
        if budget is None or sum(len(part) for row in made for part in row) <= budget:
            return made
    return []


def _unit(unit: xr.Dataset, pictures: list[bytes]) -> Markup:
    name = str(unit["unit"].item())
    lines = [unit[[key for key in _LINE if key in unit]].isel(check=at) for at in range(unit.sizes["check"])]
    rows = [_row(line) for line in lines]
    heads = (*CHECK_HEADS[:-1], "Corrected p", CHECK_HEADS[-1])
    return tag(
        "article",
        tag("header", tag("h3", text(name)), badge_row(badges_of(unit))),
        _gallery(unit, name, pictures),
        table(f"Checks of {name}", heads, rows, hide_caption=True),
        _curves(unit),
        _controls(unit, name),
        class_="fvh-audit",
        aria_label=name,
    )


def _row(line: xr.Dataset) -> Markup:
    asked, numbers, limit, verdict = check_cells(check_facts(line))
    if "question" in line:
        words = f"{line['check'].item()}".replace("_", " ")
        asked = tag("th", text(words), tag("small", text(line["question"].item())), scope="row")
    p_value = float(line["p_adjusted"]) if "p_adjusted" in line else np.nan
    return tag("tr", asked, numbers, limit, tag("td", text(number(p_value)), class_="fvh-number"), verdict)


def _gallery(unit: xr.Dataset, name: str, pictures: list[bytes]) -> Markup | None:
    if not pictures:
        return None
    small = max(unit.sizes["y"], unit.sizes["x"]) <= LOSSLESS_SIDE
    figures = []
    for at, encoded in enumerate(pictures):
        seed, reached = int(unit["seed"].values[at]), float(unit["activation"].values[at])
        image = tag(
            "img", src=data_uri(encoded), alt=f"Picture of {name}, seed {seed}",
            class_="fvh-pixelated" if small else None,
        )  # fmt: skip
        figures.append(
            tag("figure", image, tag("figcaption", text(f"seed {seed}, reaches {number(reached)}")))
        )
    return tag("div", *figures, class_="fvh-audit-pictures")


def _curves(unit: xr.Dataset) -> Markup | None:
    """Path similarity by depth, raw and as contrast."""
    if "path_own" not in unit:
        return None
    depths = [str(name) for name in unit["depth"].values]
    floors = [str(name) for name in unit["floor"].values]
    own = unit["path_own"].median("seed").transpose("depth").values

    def controls(name: str) -> list[Curve]:
        values = unit[name].transpose("floor", "depth").values
        return [Curve(floor, row, floor) for floor, row in zip(floors, values, strict=True)]

    raw = [
        Curve("pictures", own, "own"),
        Curve("real images of the kind", unit["path_same"].values, "real"),
        Curve("other real images", unit["path_different"].values, "other"),
        *controls("path_own_control"),
    ]
    contrast = [
        Curve("pictures", unit["path_contrast"].median("seed").values, "own"),
        *controls("path_contrast_control"),
    ]
    band = unit["path_contrast_real"].transpose("quantile", "depth").values[[0, -1]]
    first = draw_curves(depths, raw, title="Similarity to real images of the unit's kind")
    second = draw_curves(depths, contrast, title="Contrast: its kind against others", band=band)
    return tag("div", first, second, class_="fvh-charts") if first or second else None


def _controls(unit: xr.Dataset, name: str) -> Markup | None:
    if "control_value" not in unit:
        return None
    names = [str(control) for control in unit["control"].values]
    values = unit["control_value"].transpose("check", "control").values
    rows = [
        tag(
            "tr",
            tag("th", text(str(check).replace("_", " ")), scope="row"),
            *[tag("td", text(number(float(value))), class_="fvh-number") for value in line],
        )
        for check, line in zip(unit["check"].values, values, strict=True)
        if np.isfinite(line).any()
    ]
    if not rows:
        return None
    heads = ("Check", *[f"Control: {control}" for control in names])
    shown = join(
        tag("p", text(_CONTROLS), class_="fvh-note"),
        table(f"Controls of {name}", heads, rows, hide_caption=True),
    )
    return tag("details", tag("summary", text("Controls")), shown)
