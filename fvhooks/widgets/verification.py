"""A verification as tables: what ablation does to a class, and whether edges say what happens."""

import xarray as xr

from fvhooks.circuits.verification import GRAPH, OWN, Verification
from fvhooks.results import VIEWERS
from fvhooks.widgets.markup import Markup, page, tag, text
from fvhooks.widgets.tables import table


class VerificationViewer:
    """Shows a `Verification`: a table for each way of replacing units, and one of the edges."""

    def html(self, result: Verification, budget: int | None = None) -> str:  # noqa: ARG002 - there are no pictures
        """The whole page."""
        data = result.data
        about = f"label {data.attrs['label']} · {data.attrs['own']} images of the class, "
        others = f"{data.attrs['others']} of others, none of which made the graph"
        tables = [
            _changes(data, str(action), str(how))
            for action in data["action"].values
            for how in data["how"].values
        ]
        return page(
            "audit.css",
            "Verification",
            tag("header", tag("h3", text("Does the graph hold?")), tag("p", text(about + others))),
            tag(
                "p",
                text("Change of the margin on the class's images [95 % interval]; in brackets on others'."),
            ),
            *tables,
            _edges(data) if data.sizes["pair"] else None,
        )

    def widget(self, result: Verification) -> None:
        """There is no live view; the page has no state."""


VIEWERS.register(Verification.kind)(VerificationViewer())


def _changes(data: xr.Dataset, action: str, how: str) -> Markup:
    names = [str(name) for name in data["chosen_by"].values]
    rows = []
    for layer in data["layer"].values:
        one = data.sel(layer=layer, action=action, how=how)
        cells = [_cell(one.sel(chosen_by=name), is_own=name == GRAPH) for name in names]
        head = tag(
            "th",
            text(layer),
            tag("small", text(f"{int(one['units'])} of {int(one['channels'])}")),
            scope="row",
        )
        rows.append(tag("tr", head, *cells))
    return table(f"Units {action}, by {how}", ["Layer", *names], rows)


def _cell(one: xr.Dataset, *, is_own: bool) -> Markup:
    own, others = one.sel(images=OWN), float(one["change"].isel(images=1))
    value, low, high = (float(own[name]) for name in ("change", "low", "high"))
    sure = not is_own and (float(own["lead_high"]) < 0 or float(own["lead_low"]) > 0)
    note = None
    if sure:
        ahead = "the graph's lower it more" if float(own["lead"]) < 0 else "these lower it more"
        note = tag("small", text(ahead))
    numbers = text(f"{value:.2f} [{low:.2f}, {high:.2f}] ({others:.2f})")
    return tag("td", numbers, note, class_="fvh-number")


def _edges(data: xr.Dataset) -> Markup:
    rows = []
    for pair in data["pair"].values:
        one = data.sel(pair=pair)
        value, low, high = (float(one[name]) for name in ("agreement", "agreement_low", "agreement_high"))
        cells = [
            f"{value:.2f} [{low:.2f}, {high:.2f}]",
            f"{float(one['control']):.2f}",
            str(int(one["edges"])),
        ]
        rows.append(
            tag(
                "tr",
                tag("th", text(pair), scope="row"),
                *[tag("td", text(c), class_="fvh-number") for c in cells],
            )
        )
    heads = ["Rows", "Weight and effect", "Source's activation and effect", "Edges"]
    return table("Do edges say what happens? Spearman's coefficient", heads, rows)
