"""The audit of some pictures as a table."""

from typing import Any

import numpy as np
import xarray as xr

from fvhooks.results import VIEWERS
from fvhooks.widgets.facts import interval
from fvhooks.widgets.markup import Markup, page, tag, text
from fvhooks.widgets.tables import table, verdict


class AuditViewer:
    """Shows an audit report: a line for each unit and check."""

    def html(self, result: Any, budget: int | None = None) -> str:  # noqa: ANN401, ARG002 - a table has no pictures
        """Verdicts in words, each with its value and interval."""
        data: xr.Dataset = result.data
        heads = ("Unit", "Check", "Question", "Value [interval]", "Verdict")
        rows = [
            _row(data, unit, check)
            for unit in range(data.sizes["unit"])
            for check in range(data.sizes["check"])
        ]
        return page("base.css", "Audit", table("Audit of pictures", heads, rows))

    def widget(self, result: Any) -> None:  # noqa: ANN401
        """There is no live view; `cards` shows the audit beside the pictures."""


VIEWERS.register("audit_report")(AuditViewer())


def _row(data: xr.Dataset, unit: int, check: int) -> Markup:
    line = data[["verdict", "value", "low", "high", "family"]].isel(unit=unit, check=check)
    name, family = (str(np.asarray(line[key]).item()).replace("_", " ") for key in ("check", "family"))
    return tag(
        "tr",
        tag("th", text(data["unit"].values[unit]), scope="row"),
        tag("td", text(name)),
        tag("td", text(family)),
        tag(
            "td", text(interval(*(float(line[key]) for key in ("value", "low", "high")))), class_="fvh-number"
        ),
        tag("td", verdict(str(line["verdict"].item()))),
    )
