"""The geometry of a histogram, worked out once for the static picture and for the browser."""

from typing import TypedDict

import numpy as np
from jaxtyping import Float, Int

from fvhooks.widgets.markup import Markup, join, tag, text

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 420, 132, 8, 412, 22, 108  # as in widgets/parts/histogram.ts
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


class Histogram(TypedDict):
    """What is drawn, as fractions of the plot."""

    bars: list[tuple[float, float, float]]
    ticks: list[tuple[float, str]]
    marks: list[float | None]
    labels: list[str]
    summary: str


def number(value: float) -> str:
    """A number for people: three significant digits, a dash where there is none.

    Examples:
        >>> number(12.345), number(1234.5), number(float("nan"))
        ('12.3', '1,234', '–')
    """
    if not np.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}".replace("-", "−")


def lay_out(
    counts: Int[np.ndarray, " bin"],
    edges: Float[np.ndarray, " edge"],
    own: Float[np.ndarray, " seed"],
    *,
    labels: list[str],
    summary: str,
) -> Histogram:
    """Where bars, ticks and marks lie; the axis reaches from the lowest to the highest of bars and marks.

    Args:
        counts: how many images fall into each bin.
        edges: the borders of the bins.
        own: the activation that each picture reaches; NaN where it is not known.
        labels: what each mark is called.
        summary: what the chart says, in words.
    """
    finite = own[np.isfinite(own)]
    low, high = min([edges[0], *finite]), max([edges[-1], *finite])
    span = float(high - low) or 1.0
    places = [(float(value) - low) / span for value in edges]
    tallest = max(int(counts.max()), 1)
    return {
        "bars": [
            (round(left, 5), round(right - left, 5), round(int(count) / tallest, 5))
            for left, right, count in zip(places, places[1:], counts, strict=False)
            if count
        ],
        "ticks": [
            (round((value - low) / span, 5), number(value)) for value in ticks(float(low), float(high))
        ],
        "marks": [round((float(v) - low) / span, 5) if np.isfinite(v) else None for v in own],
        "labels": labels,
        "summary": summary,
    }


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between two ends.

    Examples:
        >>> ticks(0.3, 9.2)
        [2.0, 4.0, 6.0, 8.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** np.floor(np.log10(raw))
    step = float(power * next(s for s in _STEPS if s * power >= raw * (1 - 1e-9)))
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [float(round(index * step, 12)) for index in range(first, last + 1)]


def draw(histogram: Histogram) -> Markup:
    """The static picture, with the activations of all seeds marked."""
    bars = join(*[_bar(*bar) for bar in histogram["bars"]])
    axis = tag("line", class_="fvh-axis", x1=_LEFT, x2=_RIGHT, y1=_BOTTOM, y2=_BOTTOM)
    labels = join(*[_tick(at, words) for at, words in histogram["ticks"]])
    marks = [
        (at, label)
        for at, label in zip(histogram["marks"], histogram["labels"], strict=True)
        if at is not None
    ]
    marked = join(*[_mark(at, label if len(marks) == 1 else "") for at, label in marks])
    box = f"0 0 {_WIDTH} {_HEIGHT}"
    return tag(
        "svg", bars, axis, labels, marked,
        class_="fvh-histogram", viewBox=box, role="img", aria_label=histogram["summary"],
    )  # fmt: skip


def _across(fraction: float) -> float:
    return _LEFT + fraction * (_RIGHT - _LEFT)


def _bar(left: float, width: float, height: float) -> Markup:
    tall = max(1.0, height * (_BOTTOM - _TOP))
    wide = max(0.5, width * (_RIGHT - _LEFT) - 0.75)
    return tag("rect", class_="fvh-bar", x=_across(left), y=_BOTTOM - tall, width=wide, height=tall)


def _tick(at: float, words: str) -> Markup:
    line = tag("line", class_="fvh-axis", x1=_across(at), x2=_across(at), y1=_BOTTOM, y2=_BOTTOM + 4)
    return join(
        line, tag("text", text(words), class_="fvh-tick", x=_across(at), y=_BOTTOM + 16, text_anchor="middle")
    )


def _mark(at: float, label: str) -> Markup:
    line = tag("line", class_="fvh-mark", x1=_across(at), x2=_across(at), y1=_TOP - 6, y2=_BOTTOM)
    anchor = "end" if at > 0.75 else "start" if at < 0.25 else "middle"
    words = tag("text", text(label), class_="fvh-mark-label", x=_across(at), y=_TOP - 10, text_anchor=anchor)
    return tag("g", line, words if label else None, class_="fvh-own")
