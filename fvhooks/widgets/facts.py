"""What a card says about a unit, in words and plain numbers, worked out once for every way of showing it."""

from typing import TypedDict

import numpy as np
import xarray as xr

from fvhooks.unit_cards import UnitCards
from fvhooks.units import LOGITS
from fvhooks.widgets.badges import Badge, badges_of
from fvhooks.widgets.charts import Histogram, lay_out, number
from fvhooks.widgets.encodings import LOSSLESS_SIDE

_MIN_BOX = 0.18  # a cell of a fine grid would be too small to see


class Top(TypedDict):
    """One real image."""

    id: str
    label: str
    value: str
    box: tuple[float, float, float, float] | None


class Check(TypedDict):
    """One line of the audit."""

    check: str
    family: str
    numbers: str
    limit: str
    verdict: str
    reason: str


class Facts(TypedDict):
    """Everything on a card but its pictures."""

    id: str
    subtitle: str
    pixelated: bool
    histogram: Histogram | None
    natural: str
    phrases: list[str]
    tops: list[Top]
    checks: list[Check]
    badges: list[Badge]
    notes: list[str]


def describe(cards: UnitCards, index: int) -> Facts:
    """The facts of one unit.

    Args:
        cards: the result.
        index: the unit's place in it.
    """
    unit = cards.data.isel(unit=index)
    return {
        "id": str(unit["unit"].item()),
        "subtitle": _subtitle(unit),
        "pixelated": max(unit.sizes["y"], unit.sizes["x"]) <= LOSSLESS_SIDE,
        "histogram": _histogram(unit),
        "natural": _natural(unit),
        "phrases": [_phrase(unit.isel(seed=seed)) for seed in range(unit.sizes["seed"])]
        if is_pictured(unit)
        else [],
        "tops": top_facts(unit),
        "checks": _checks(unit),
        "badges": badges_of(unit),
        "notes": _notes(unit),
    }


def interval(value: float, low: float, high: float) -> str:
    """A value with its interval, where it has one.

    Examples:
        >>> interval(0.5, 0.4, 0.61)
        '0.5 [0.4, 0.61]'
    """
    if not np.isfinite(value):
        return "–"
    known = np.isfinite(low) and np.isfinite(high)
    return f"{number(value)} [{number(low)}, {number(high)}]" if known else number(value)


def top_ranks(unit: xr.Dataset) -> list[int]:
    """Which of the top images there are; a small data set has fewer than were asked for."""
    if "top_value" not in unit:
        return []
    return [int(rank) for rank in np.flatnonzero(np.isfinite(unit["top_value"].values))]


def is_pictured(unit: xr.Dataset) -> bool:
    """Whether there is a picture of a unit."""
    return bool(unit["pictured"]) if "pictured" in unit else True


def _subtitle(unit: xr.Dataset) -> str:
    layer, channel = str(unit["layer"].item()), int(unit["channel"].item())
    what = f"output {channel}" if layer == LOGITS else f"channel {channel} of {layer}"
    if channel < 0:
        what = f"a direction in {layer}"
    if not is_pictured(unit):
        return f"{what} · no picture was made of it"
    seeds = unit.sizes["seed"]
    made = f"recipe {unit.attrs.get('recipe', 'given')}, {seeds} {'seed' if seeds == 1 else 'seeds'}"
    return f"{what} · {made} · {unit.sizes['y']} × {unit.sizes['x']} px"


def _histogram(unit: xr.Dataset) -> Histogram | None:
    if "histogram" not in unit or not np.isfinite(unit["edge"].values).all():
        return None
    own = unit["own"].values.astype(float)
    labels = [f"this picture: {number(value)}" for value in own]
    summary = f"Histogram of the peak activation in {int(unit['natural_images'])} real images"
    reached = ", ".join(
        f"seed {seed} reaches {number(value)}"
        for seed, value in zip(unit["seed"].values, own, strict=True)
        if np.isfinite(value)
    )
    words = f"{summary}; {reached}." if reached else f"{summary}."
    return lay_out(unit["histogram"].values, unit["edge"].values, own, labels=labels, summary=words)


def _natural(unit: xr.Dataset) -> str:
    images = int(unit["natural_images"]) if "natural_images" in unit else 0
    return (
        f"Peak activation in each of {images:,} real images."
        if images
        else "Nothing natural to compare with."
    )


def _phrase(unit: xr.Dataset) -> str:
    own, seed = float(unit["own"]), unit["seed"].item()
    if not np.isfinite(own):
        return f"What the picture of seed {seed} reaches was not measured."
    share = float(unit["exceeds"]) if "exceeds" in unit else np.nan
    if not np.isfinite(share):
        return f"The picture of seed {seed} reaches {number(own)}."
    above = "all real images" if share == 1 else f"{100 * share:.3g} % of real images"
    return f"The picture of seed {seed} reaches {number(own)}, above {above}."


def top_facts(unit: xr.Dataset) -> list[Top]:
    """The real images of one unit, strongest first."""
    return [_top(unit, rank) for rank in top_ranks(unit)]


def _top(unit: xr.Dataset, rank: int) -> Top:
    top = unit.isel(top=rank)
    y, x, height, width = (float(top[name]) for name in ("top_y", "top_x", "cell_y", "cell_x"))
    box = None
    if np.isfinite([y, x]).all() and (height < 1 or width < 1):  # a cell as large as the picture says nothing
        height, width = max(height, _MIN_BOX), max(width, _MIN_BOX)
        top_edge, left = min(max(y - height / 2, 0), 1 - height), min(max(x - width / 2, 0), 1 - width)
        box = (round(top_edge, 4), round(left, 4), round(height, 4), round(width, 4))
    name, label = (str(top[key].item()) for key in ("top_id", "top_label"))
    named = f"label {label}" if label.isdigit() else label
    return {"id": name, "label": named, "value": number(float(top["top_value"])), "box": box}


def _notes(unit: xr.Dataset) -> list[str]:
    notes = [str(unit["note"].item())]
    if "flag" in unit:
        flags = zip(unit["seed"].values, unit["flag"].values, strict=True)
        notes += [f"Seed {seed}: {flag}." for seed, flag in flags if flag]
    return [note for note in notes if note]


def _checks(unit: xr.Dataset) -> list[Check]:
    if "verdict" not in unit:
        return []
    lines = [unit.isel(check=check) for check in range(unit.sizes["check"])]
    return [check_facts(line) for line in lines if line["verdict"].item()]


def check_facts(line: xr.Dataset) -> Check:
    """One check of one unit in words; `limit` and `reason` where they are known."""
    return {
        "check": str(line["check"].item()).replace("_", " "),
        "family": str(line["family"].item()).replace("_", " "),
        "numbers": interval(*(float(line[name]) for name in ("value", "low", "high"))),
        "limit": number(float(line["limit"])) if "limit" in line else "–",
        "verdict": str(line["verdict"].item()),
        "reason": str(line["reason"].item()) if "reason" in line else "",
    }
