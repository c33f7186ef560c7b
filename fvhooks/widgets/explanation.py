"""One decision as a page: the photo, the units that carried it, where, and what they look for."""

import numpy as np
import xarray as xr
from PIL import Image

from fvhooks.explanations import Explanation
from fvhooks.results import VIEWERS
from fvhooks.widgets.badges import badge_row, badges_of
from fvhooks.widgets.charts import number
from fvhooks.widgets.encodings import encode
from fvhooks.widgets.facts import Top, top_facts
from fvhooks.widgets.markup import Markup, data_uri, page, tag, text

_SIDES = (224, 160, 112, 80, 56)
_WASH = (0.3, 165.0)  # contrast and brightness of the grey that is left where a unit's relevance is zero


class ExplanationViewer:
    """Shows an `Explanation`: a block for each image, a line for each unit that carried its decision."""

    def html(self, result: Explanation, budget: int | None = None) -> str:
        """The whole page; pictures are shrunk until they fit into the budget."""
        for side in (None, *_SIDES):
            made = [_decision(result.data, image, side) for image in range(result.data.sizes["image"])]
            if budget is None or sum(len(block) for block in made) <= budget:
                break
        return page("explanation.css", "Explanation", *made)

    def widget(self, result: Explanation) -> None:
        """There is no live view; the page has no state."""


VIEWERS.register(Explanation.kind)(ExplanationViewer())


def _decision(data: xr.Dataset, image: int, side: int | None) -> Markup:
    one = data.isel(image=image)
    photo = one["photo"].values
    about = tag("div", tag("h3", text(_title(one))), tag("p", text(_about(one)), class_="fvh-subtitle"))
    header = tag("header", tag("img", src=data_uri(encode(photo, side or 224)), alt="The picture"), about)
    lines = [_carrier(one, rank, side) for rank in range(one.sizes["rank"]) if int(one["unit_of"][rank]) >= 0]
    return tag("article", header, tag("ol", *lines, class_="fvh-carriers"), class_="fvh-decision")


def _title(one: xr.Dataset) -> str:
    if "target" not in one:
        return f"What makes {one.attrs['target']} fire"
    return f"Output {int(one['target'])}, {number(float(one['value']))}"


def _about(one: xr.Dataset) -> str:
    predicted = int(one["prediction"])
    said = f"the model predicts {predicted}"
    if "target" in one:
        said = "what the model predicts" if int(one["target"]) == predicted else said
    carried = "nothing at this layer speaks for it"
    if bool(one["share"].notnull().any()):
        carried = f"these units carry {100 * float(one['share'].sum()):.0f} % of what speaks for it"
    return f"{said} · relevance at {one.attrs['layer']} by {one.attrs['attributor']} · {carried}"


def _carrier(one: xr.Dataset, rank: int, side: int | None) -> Markup:
    line = one.isel(rank=rank)
    unit = one.isel(unit=int(line["unit_of"]))
    name, share = str(unit["unit"].item()), float(line["share"])
    width = f"width:{100 * share:.1f}%"
    outside = float(line["outside"])
    words = [
        tag("strong", text(name)),
        tag("div", tag("span", style=width), class_="fvh-share"),
        tag("small", text(f"{100 * share:.1f} %, relevance {number(float(line['relevance']))}")),
        tag("small", text(f"{100 * outside:.0f} % of it in tokens outside the picture")) if outside else None,
        *[tag("small", text(note)) for note in [str(unit["note"].item())] if note],
        badge_row(badges_of(unit)) if "picture" in one else None,
    ]
    lit = _lit(one["photo"].values, line["where"].values)
    figures = [_figure(encode(lit, side), f"Where {name} mattered", "where it mattered")]
    if "picture" in one:
        made = f"what it looks for ({one.attrs.get('recipe', 'given')})"
        figures.append(_figure(encode(unit["picture"].values, side), f"What {name} looks for", made))
    examples = [
        _example(top, encode(unit["top_image"].values[rank], side) if "top_image" in unit else None)
        for rank, top in enumerate(top_facts(unit))
    ]
    return tag(
        "li", tag("div", *words), *figures, tag("ol", *examples, class_="fvh-examples"), class_="fvh-carrier"
    )


def _figure(encoded: bytes, alt: str, caption: str) -> Markup:
    return tag("figure", tag("img", src=data_uri(encoded), alt=alt), tag("figcaption", text(caption)))


def _example(top: Top, encoded: bytes | None) -> Markup:
    about = f"{top['label']} {top['id']}".strip()
    if encoded is None:
        return tag("li", tag("small", text(top["label"] or top["id"])), title=about)
    return tag("li", tag("img", src=data_uri(encoded), alt=f"Image {about}"), title=about)


def _lit(photo: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The photo in its colours where the unit's relevance is positive, and washed out elsewhere."""
    positive = np.clip(where, 0, None)
    peak = float(positive.max())
    grid = Image.fromarray((positive / peak if peak > 0 else positive).astype(np.float32), mode="F")
    smooth = grid.resize((photo.shape[2], photo.shape[1]), Image.Resampling.BICUBIC)
    light = np.clip(np.asarray(smooth), 0, 1)
    washed = _WASH[0] * photo.mean(0, keepdims=True) + _WASH[1]
    return np.asarray((photo * light + washed * (1 - light)).round().astype(np.uint8))
