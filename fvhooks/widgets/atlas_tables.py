"""An atlas as a table: for readers of screens, and where nothing is drawn."""

import numpy as np

from fvhooks.atlases.results import Atlas
from fvhooks.widgets.atlas_columns import numbers, texts
from fvhooks.widgets.atlas_facts import gains, told
from fvhooks.widgets.charts import number
from fvhooks.widgets.markup import Markup, join, tag, text
from fvhooks.widgets.tables import table

MOST_ROWS = 200
"""Items that a table without a script holds, those with the highest scores."""

_HEADS = ("Item", "Class", "Score", "Stratum", "Shown", "Row", "Column")


def item_table(atlas: Atlas, most: int = MOST_ROWS) -> Markup:
    """One line an item, by score; of equal ones, and of those without a score, in their order."""
    data = atlas.data
    scores = numbers(data, "score")
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")[:most]
    columns = [texts(data, name) for name in ("label", "stratum", "source")]
    lines = []
    for cell in order.tolist():
        label, stratum, source = (column[cell] or "–" for column in columns)
        place = [str(int(data[name].values[cell]) + 1) for name in ("row", "col")]
        cells = [label, number(float(scores[cell])), stratum, source, *place]
        named = tag("th", text(atlas.ids[cell]), scope="row")
        lines.append(tag("tr", named, *[tag("td", text(words)) for words in cells]))
    count = len(atlas.ids)
    caption = f"The first {most} of {count:,} items by score" if count > most else "Items by score"
    return table(caption, _HEADS, lines, hide_caption=count <= most)


def fact_list(atlas: Atlas) -> Markup:
    """What the map was made with and how good it is."""
    lines = [tag("li", tag("span", text(f"{name} ")), text(value)) for name, value in told(atlas)]
    found = gains(atlas.data)
    listed = tag("ul", *lines, class_="fvh-told")
    if found is None:
        return listed
    heads = ["Neighbours kept", *[f"k = {k}" for k in found["ks"]]]
    rows = [
        tag("tr", tag("th", text(stage), scope="row"), *[tag("td", text(value)) for value in values])
        for stage, values in found["rows"]
    ]
    return join(listed, table("Neighbours kept, less those by chance", heads, rows, hide_caption=True))
