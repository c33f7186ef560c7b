"""The audit of some pictures as a table."""

from typing import Any

import xarray as xr

from fvhooks.results import VIEWERS
from fvhooks.widgets.charts import number
from fvhooks.widgets.facts import check_facts
from fvhooks.widgets.markup import Markup, page, tag, text
from fvhooks.widgets.tables import CHECK_HEADS, check_cells, table

_LINE = ("verdict", "value", "low", "high", "limit", "reason", "family", "control_value")
_EXPLAINED = (
    "The limit is what 95 % of held-out real images stay below. Controls carry the same number for real "
    "images and for pictures of nothing: a check that one of those passes cannot speak for a picture."
)


class AuditViewer:
    """Shows an audit report: a line for each unit and check."""

    def html(self, result: Any, budget: int | None = None) -> str:  # noqa: ANN401, ARG002 - it has no pictures
        """Verdicts in words, each with its value, interval, limit and controls."""
        data: xr.Dataset = result.data
        controls = [str(name) for name in data["control"].values] if "control_value" in data else []
        pairs = [(unit, check) for unit in range(data.sizes["unit"]) for check in range(data.sizes["check"])]
        rows = [_row(data, unit, check) for unit, check in pairs]
        heads = ("Unit", *CHECK_HEADS, *[f"Control: {name}" for name in controls])
        explained = tag("p", text(_EXPLAINED), class_="fvh-note") if controls else None
        return page("base.css", "Audit", table("Audit of pictures", heads, rows), explained)

    def widget(self, result: Any) -> None:  # noqa: ANN401
        """There is no live view; `cards` shows the audit beside the pictures."""


VIEWERS.register("audit_report")(AuditViewer())


def _row(data: xr.Dataset, unit: int, check: int) -> Markup:
    line = data[[name for name in _LINE if name in data]].isel(unit=unit, check=check)
    controls = line["control_value"].values if "control_value" in line else ()
    return tag(
        "tr",
        tag("th", text(line["unit"].item()), scope="row"),
        *check_cells(check_facts(line), head=False),
        *[tag("td", text(number(float(value))), class_="fvh-number") for value in controls],
    )
