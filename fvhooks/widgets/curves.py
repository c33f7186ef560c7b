"""Curves over the depth of a network, beside the range of real images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from fvhooks.widgets.charts import number, ticks
from fvhooks.widgets.markup import Markup, join, tag, text

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 420, 190, 42, 412, 10, 150
_LONGEST = 14  # letters of a layer's name below the axis


@dataclass(frozen=True, slots=True)
class Curve:
    """One line.

    Args:
        name: what it is called.
        values: at each depth; NaN where there is none.
        look: "own", "real", or a control's name: how it is drawn.
    """

    name: str
    values: Float[np.ndarray, " depth"]
    look: str


def draw_curves(
    depths: Sequence[str],
    lines: Sequence[Curve],
    *,
    title: str,
    band: Float[np.ndarray, "2 depth"] | None = None,
) -> Markup | None:
    """A chart with its legend and its numbers as a hidden table; None where nothing is finite.

    Args:
        depths: names of the layers.
        lines: the curves.
        title: what the numbers are.
        band: the range of real images at each depth.
    """
    known = [
        values[np.isfinite(values)]
        for values in (*[line.values for line in lines], *(band if band is not None else ()))
    ]
    shown = np.concatenate([np.zeros(1), *known])
    if len(shown) == 1:
        return None
    scale = _Scale(float(shown.min()), float(shown.max()), len(depths))
    drawn = join(
        *[_grid(scale, value) for value in ticks(scale.low, scale.high, 4)],
        *[_name(scale, place, name) for place, name in enumerate(depths)],
        _area(scale, band) if band is not None else None,
        *[_line(scale, line) for line in lines],
    )
    chart = tag(
        "svg", drawn,
        class_="fvh-curves", viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=f"{title} by depth",
    )  # fmt: skip
    legend = [_entry(line) for line in lines if np.isfinite(line.values).any()]
    if band is not None and np.isfinite(band).any():
        legend.append(
            tag("li", tag("span", class_="fvh-key fvh-key-band"), text("90 % of held-out real images"))
        )
    return tag(
        "figure", tag("figcaption", text(title)), chart, tag("ul", *legend, class_="fvh-legend"),
        _numbers(depths, lines, title), class_="fvh-chart",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    depths: int

    def x(self, place: int) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (place + 0.5) / self.depths

    def y(self, value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (value - self.low) / ((self.high - self.low) or 1.0)


def _grid(scale: _Scale, value: float) -> Markup:
    y = scale.y(value)
    line = tag("line", class_="fvh-grid-line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y)
    return join(line, tag("text", text(number(value)), x=_LEFT - 6, y=y + 3.5, text_anchor="end"))


def _name(scale: _Scale, place: int, name: str) -> Markup:
    short = name if len(name) <= _LONGEST else f"…{name[-_LONGEST + 1 :]}"
    row = _BOTTOM + 16 + 14 * (place % 2)  # neighbours on two rows, so that they do not run together
    return tag("text", text(short), x=scale.x(place), y=row, text_anchor="middle")


def _runs(values: Float[np.ndarray, " depth"]) -> list[np.ndarray]:
    """The stretches without a gap."""
    known = np.flatnonzero(np.isfinite(values))
    return [run for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1) if len(run)]


def _line(scale: _Scale, line: Curve) -> Markup:
    parts = []
    for run in _runs(line.values):
        points = [f"{scale.x(int(at)):.1f},{scale.y(float(line.values[at])):.1f}" for at in run]
        parts.append(tag("polyline", points=" ".join(points), class_=f"fvh-curve fvh-curve-{line.look}"))
        parts += [
            tag("circle", cx=scale.x(int(at)), cy=scale.y(float(line.values[at])), r=2.5,
                class_=f"fvh-dot fvh-dot-{line.look}")
            for at in run
        ]  # fmt: skip
    return join(*parts)


def _area(scale: _Scale, band: Float[np.ndarray, "2 depth"]) -> Markup:
    parts = []
    for run in _runs(band.sum(0)):
        there = [f"{scale.x(int(at)):.1f},{scale.y(float(band[1, at])):.1f}" for at in run]
        back = [f"{scale.x(int(at)):.1f},{scale.y(float(band[0, at])):.1f}" for at in run[::-1]]
        shape = [*there, *back]
        if len(run) == 1:  # a band at one depth alone has no width
            x, high, low = (
                scale.x(int(run[0])),
                scale.y(float(band[1, run[0]])),
                scale.y(float(band[0, run[0]])),
            )
            shape = [
                f"{x - 8:.1f},{high:.1f}",
                f"{x + 8:.1f},{high:.1f}",
                f"{x + 8:.1f},{low:.1f}",
                f"{x - 8:.1f},{low:.1f}",
            ]
        parts.append(tag("polygon", points=" ".join(shape), class_="fvh-band"))
    return join(*parts)


def _entry(line: Curve) -> Markup:
    return tag("li", tag("span", class_=f"fvh-key fvh-key-{line.look}"), text(line.name))


def _numbers(depths: Sequence[str], lines: Sequence[Curve], title: str) -> Markup:
    """The same for who does not see the chart."""
    head = tag(
        "tr",
        tag("th", text("layer"), scope="col"),
        *[tag("th", text(line.name), scope="col") for line in lines],
    )
    rows = [
        tag(
            "tr",
            tag("th", text(name), scope="row"),
            *[tag("td", text(number(float(line.values[at])))) for line in lines],
        )
        for at, name in enumerate(depths)
    ]
    table = tag("table", tag("caption", text(title)), tag("thead", head), tag("tbody", *rows))
    return tag("div", table, class_="fvh-hidden")
