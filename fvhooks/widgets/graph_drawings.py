"""A graph as one still picture: as SVG, and as an image."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image, ImageDraw, ImageFont

from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.widgets.badges import SYMBOLS
from fvhooks.widgets.encodings import LOSSLESS_SIDE
from fvhooks.widgets.graph_facts import heading, verdicts_of
from fvhooks.widgets.graph_rows import (
    DOWN,
    centres_of,
    curve_of,
    opacities_of,
    rows_of,
    scores_of,
    sides_of,
    weights_of,
    widths_of,
)
from fvhooks.widgets.graph_states import drawable
from fvhooks.widgets.markup import Markup, data_uri, join, tag, text
from fvhooks.widgets.tile_sheets import Picture, squared, thumbnails

INKS = {
    "positive": (0, 92, 153),
    "negative": (213, 94, 0),
    "first": (0, 114, 178),
    "both": (110, 118, 130),
    "second": (204, 83, 0),
}
"""Blue and vermilion, which colour-blind readers tell apart; the same as in attribution_graph.css."""

_INK, _SOFT, _PAPER, _TILE = (27, 31, 36), (90, 99, 112), (255, 255, 255), (228, 232, 238)
_MARGIN, _LABELS, _TITLE = 24, 150, 56
_LONGEST = 8_000  # pixels of the longer side of an image
_STEPS = 24  # straight pieces of a curve


@dataclass(frozen=True, eq=False)
class Plan:
    """Where everything is drawn.

    Args:
        graph: or the part of it that is drawn.
        centres: of the nodes.
        sides: of the nodes.
        width: of the whole picture.
        height: of the whole picture.
        layers: names of the rows with their heights.
        pictures: of the nodes.
        inks: what each edge is coloured by: its class in a difference, else its sign.
        frames: the class that each node of a difference belongs to.
        dashed: edges whose weight is negative.
        units: ids of the nodes.
        numbers: channel of each node, with the shape of the gravest verdict on its picture.
    """

    graph: AttributionGraph
    centres: Float[np.ndarray, "node 2"]
    sides: Float[np.ndarray, " node"]
    width: float
    height: float
    layers: list[tuple[str, float]]
    pictures: list[Picture | None]
    inks: list[str]
    frames: list[str | None]
    dashed: Bool[np.ndarray, " edge"]
    units: list[str]
    numbers: list[str]

    @classmethod
    def of(cls, graph: AttributionGraph) -> "Plan":
        """The plan of a graph."""
        graph, _ = drawable(graph)
        rows, sides = rows_of(graph), sides_of(scores_of(graph))
        centres = centres_of(rows, sides, np.ones(len(sides), bool))
        left = float((centres[:, 0] - sides / 2).min(initial=0))
        right = float((centres[:, 0] + sides / 2).max(initial=0))
        shift = np.array([_MARGIN + _LABELS - left, _TITLE + 80.0])
        height = _TITLE + 160.0 + max(len(rows.layers) - 1, 0) * DOWN
        layers = [(name, shift[1] + row * DOWN) for row, name in enumerate(rows.layers)]
        width = max(right - left + 2 * _MARGIN + _LABELS, 480.0)
        dashed = weights_of(graph) < 0
        signs = ["negative" if negative else "positive" for negative in dashed]
        inks = [ink or sign for ink, sign in zip(_classes(graph, "edge_side", "edge"), signs, strict=True)]
        return cls(
            graph,
            centres + shift,
            sides,
            width,
            height,
            layers,
            thumbnails(graph.data),
            inks,
            _classes(graph, "side", "node"),
            dashed,
            [str(unit) for unit in graph.data["unit"].values],
            _numbers(graph),
        )

    def curves(self) -> list[tuple[int, Float[np.ndarray, "4 2"]]]:
        """The curve of each edge, the weakest first, so that strong ones lie on top."""
        order = np.argsort(np.abs(weights_of(self.graph)), kind="stable")
        pairs = self.graph.pairs.tolist()
        return [(int(edge), self._curve(*pairs[edge])) for edge in order]

    def _curve(self, source: int, target: int) -> Float[np.ndarray, "4 2"]:
        sides = float(self.sides[source]), float(self.sides[target])
        return curve_of(self.centres[source], self.centres[target], sides)


def _classes(graph: AttributionGraph, name: str, dim: str) -> list[str | None]:
    """Which of the two classes of a difference each belongs to; None where there is no difference."""
    if name not in graph.data:
        return [None] * graph.data.sizes[dim]
    return [("first", "both", "second")[int(np.sign(side)) + 1] for side in graph.data[name].values]


def _numbers(graph: AttributionGraph) -> list[str]:
    said = zip(graph.data["channel"].values, verdicts_of(graph.data), strict=True)
    return [f"{int(channel)} {SYMBOLS.get(verdict, '')}".strip() for channel, verdict in said]


def drawn_svg(graph: AttributionGraph) -> Markup:
    """The whole graph as one SVG that needs no other file."""
    plan = Plan.of(graph)
    size = {"width": round(plan.width), "height": round(plan.height)}
    box = f"0 0 {size['width']} {size['height']}"
    title = heading(graph)["title"]
    head = tag("text", text(title), x=_MARGIN, y=_TITLE - 20, font_size=20, font_weight="600")
    style = "font-family:system-ui,sans-serif;background:#fff;max-width:100%;height:auto"
    return tag(
        "svg",
        tag("title", text(title)),
        head,
        *[_label(name, y) for name, y in plan.layers],
        _svg_edges(plan),
        *[_svg_node(plan, node) for node in range(len(plan.sides))],
        xmlns="http://www.w3.org/2000/svg",
        viewBox=box,
        style=style,
        role="img",
        fill=_hex(_INK),
        **size,
    )


def _label(name: str, y: float) -> Markup:
    return tag("text", text(_short(name, 20)), x=_MARGIN, y=round(y + 5), font_size=14, fill=_hex(_SOFT))


def _svg_edges(plan: Plan) -> Markup:
    widths, opacities = widths_of(plan.graph), opacities_of(plan.graph)
    paths = []
    for edge, curve in plan.curves():
        points = [f"{x:.1f},{y:.1f}" for x, y in curve]
        shape = f"M{points[0]}C{points[1]} {points[2]} {points[3]}"
        dashes = "6 4" if plan.dashed[edge] else None
        ink = _hex(INKS[plan.inks[edge]])
        strokes = {"stroke_width": f"{widths[edge]:.2f}", "stroke_opacity": f"{opacities[edge]:.2f}"}
        paths.append(tag("path", d=shape, stroke=ink, stroke_dasharray=dashes, **strokes))
    return tag("g", *paths, fill="none")


def _svg_node(plan: Plan, node: int) -> Markup:
    side, picture = float(plan.sides[node]), plan.pictures[node]
    left, top = plan.centres[node] - side / 2
    box = {"x": f"{left:.1f}", "y": f"{top:.1f}", "width": f"{side:.1f}", "height": f"{side:.1f}"}
    rect = tag("rect", rx=5, fill=_hex(_TILE), **box)
    image = None
    if picture is not None:
        shape = {"clip_path": "inset(0 round 5px)", "preserveAspectRatio": "xMidYMid slice"}
        small = max(picture.shape[-2:]) <= LOSSLESS_SIDE
        style = "image-rendering:pixelated" if small else None
        address = data_uri(_tile(picture, min(max(picture.shape[-2:]), 200)))
        image = tag("image", href=address, style=style, **box, **shape)
    frame = plan.frames[node]
    outline = None
    if frame is not None:
        outline = tag("rect", rx=5, fill="none", stroke=_hex(INKS[frame]), stroke_width=3, **box)
    place = {"x": f"{left + side / 2:.1f}", "y": f"{top - 4:.1f}", "text_anchor": "middle"}
    halo = {"stroke": "#fff", "stroke_width": "3", "paint_order": "stroke"}
    number = tag("text", text(plan.numbers[node]), font_size=11, **place, **halo)
    return tag("g", tag("title", text(plan.units[node])), rect, image, outline, number)


def drawn_image(graph: AttributionGraph) -> Image.Image:
    """The whole graph as an image."""
    plan = Plan.of(graph)
    scale = min(2.0, _LONGEST / max(plan.width, plan.height))
    canvas = Image.new("RGB", (round(plan.width * scale), round(plan.height * scale)), _PAPER)
    _paint_edges(canvas, plan, scale)
    draw = ImageDraw.Draw(canvas)
    place = (_MARGIN * scale, (_TITLE - 40) * scale)
    draw.text(place, heading(graph)["title"], fill=_INK, font=_font(20 * scale))
    for name, y in plan.layers:
        draw.text((_MARGIN * scale, (y - 8) * scale), _short(name, 20), fill=_SOFT, font=_font(14 * scale))
    for node in range(len(plan.sides)):
        _paint_node(canvas, draw, plan, node, scale)
    return canvas


def _paint_edges(canvas: Image.Image, plan: Plan, scale: float) -> None:
    widths, opacities = widths_of(plan.graph), opacities_of(plan.graph)
    draw = ImageDraw.Draw(canvas, "RGBA")
    for edge, curve in plan.curves():
        ink = (*INKS[plan.inks[edge]], round(255 * opacities[edge] * min(1.0, widths[edge] * scale)))
        points = _along(curve) * scale
        pieces = [points[at : at + 2] for at in range(0, _STEPS, 2)] if plan.dashed[edge] else [points]
        for piece in pieces:
            line = [(float(x), float(y)) for x, y in piece]
            draw.line(line, fill=ink, width=max(1, round(widths[edge] * scale)))


def _along(curve: Float[np.ndarray, "4 2"]) -> Float[np.ndarray, "step 2"]:
    at = np.linspace(0, 1, _STEPS + 1)[:, None]
    parts = (1 - at) ** 3, 3 * at * (1 - at) ** 2, 3 * at**2 * (1 - at), at**3
    return np.asarray(sum(part * point for part, point in zip(parts, curve, strict=True)))


def _paint_node(canvas: Image.Image, draw: ImageDraw.ImageDraw, plan: Plan, node: int, scale: float) -> None:
    side = max(1, round(float(plan.sides[node]) * scale))
    left, top = (round(float(value) * scale - side / 2) for value in plan.centres[node])
    picture = plan.pictures[node]
    if picture is None:
        draw.rectangle((left, top, left + side, top + side), fill=_TILE)
    else:
        canvas.paste(squared(picture, side), (left, top))
    frame = plan.frames[node]
    if frame is not None:
        draw.rectangle((left, top, left + side, top + side), outline=INKS[frame], width=round(3 * scale))
    place = (left + side / 2, top - 3 * scale)
    edge = max(1, round(2 * scale))
    draw.text(
        place,
        plan.numbers[node],
        fill=_INK,
        font=_font(11 * scale),
        anchor="ms",
        stroke_width=edge,
        stroke_fill=_PAPER,
    )


def _tile(picture: np.ndarray, side: int) -> bytes:
    out = BytesIO()
    small = max(picture.shape[-2:]) <= LOSSLESS_SIDE
    squared(picture, side).save(out, "PNG" if small else "JPEG")
    return out.getvalue()


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _hex(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(6, round(size)))


def still(graph: AttributionGraph) -> Markup:
    """The drawing where no script runs, scrollable where it is wide."""
    return tag("div", join(drawn_svg(graph)), class_="fvh-still")
