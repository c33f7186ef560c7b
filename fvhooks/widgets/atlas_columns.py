"""The columns of an atlas in the bytes that its view reads."""

import json
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Shaped

from fvhooks.atlases.results import SOURCES, Atlas
from fvhooks.widgets.encodings import Packer

Column = tuple[str, int, int]  # the kind of its numbers, and from where to where

NOWHERE = 65_535  # in 16 bits: no place, no neighbour
_STEPS = 250  # a share is kept in so many


def columns_of(atlas: Atlas, packer: Packer) -> dict[str, Column]:
    """Where each item lies and what is known of it, and which stands for others.

    Args:
        atlas: the map.
        packer: takes the bytes; what is returned says where in it they are.
    """
    data = atlas.data
    labels, label = coded(texts(data, "label"))
    flags, flag = coded(["", *texts(data, "flag")])
    _, stratum = strata_of(data)
    sources = np.array([SOURCES.index(one) if one in SOURCES else 5 for one in texts(data, "source")])
    kinds: list[tuple[str, str, Shaped[np.ndarray, "..."]]] = [
        ("x", "<u2", _places(data, "x")),
        ("y", "<u2", _places(data, "y")),
        ("row", "<u2", data["row"].values),
        ("col", "<u2", data["col"].values),
        ("score", "<f4", numbers(data, "score")),
        ("size", "<u1", np.clip(np.nan_to_num(numbers(data, "size"), nan=4), 1, 4)),
        ("label", "<u2" if len(labels) < NOWHERE else "<u4", label),
        ("flag", "<u2" if len(flags) < NOWHERE else "<u4", flag[1:]),
        ("stratum", "<u1", stratum),
        ("source", "<u1", sources),
        ("strip", "<u1", strip_of(data)),
        ("density", "<u1", _share(numbers(data, "density"))),
        ("trust", "<u1", _share(numbers(data, "trust"))),
        ("displacement", "<f4", numbers(data, "displacement")),
        *((f"medoid_{z}", "<i4", data[f"medoid_{z}"].values) for z in range(1, atlas.levels)),
    ]
    made: dict[str, Column] = {name: _packed(packer, kind, values) for name, kind, values in kinds}
    words = json.dumps({"ids": atlas.ids, "labels": labels, "flags": flags}, ensure_ascii=False)
    made["words"] = ("json", *packer.add(words.encode()))
    return made


def more_of(atlas: Atlas, packer: Packer) -> dict[str, Column]:
    """Neighbours of each item, and where each is a unit with peaks of its own, how these spread."""
    data, made = atlas.data, dict[str, Column]()
    if "neighbours" in data:
        near = data["neighbours"].transpose("cell", "neighbour").values
        small = data.sizes["cell"] < NOWHERE
        made["neighbours"] = _packed(
            packer, "<u2" if small else "<i4", np.where(near < 0, NOWHERE if small else -1, near)
        )
    if has_peaks(data):
        made["histogram"] = _packed(packer, "<u4", data["histogram"].transpose("cell", "bin").values)
        for name in ("lowest", "highest", "activation"):
            made[name] = _packed(packer, "<f4", numbers(data, name))
    return made


def has_peaks(data: xr.Dataset) -> bool:
    """Whether each cell is a unit with a histogram of its own peaks, and their ends are known."""
    return {"histogram", "lowest", "highest"} <= set(data) and "cell" in data["histogram"].dims


def texts(data: xr.Dataset, name: str) -> list[str]:
    """Words of each cell; empty where the map has none."""
    return [str(one) for one in data[name].values] if name in data else [""] * data.sizes["cell"]


def numbers(data: xr.Dataset, name: str) -> Shaped[np.ndarray, " cell"]:
    """Numbers of each cell; NaN where the map has none."""
    return np.asarray(data[name].values, float) if name in data else np.full(data.sizes["cell"], np.nan)


def strip_of(data: xr.Dataset) -> Shaped[np.ndarray, " cell"]:
    """Which cells lie in the strip below the grid."""
    return (
        np.asarray(data["in_strip"].values, bool)
        if "in_strip" in data
        else np.zeros(data.sizes["cell"], bool)
    )


def strata_of(data: xr.Dataset) -> tuple[list[str], Shaped[np.ndarray, " cell"]]:
    """The names of strata and the place among them of each cell's."""
    return coded(texts(data, "stratum"))


def coded(words: list[str]) -> tuple[list[str], Shaped[np.ndarray, " cell"]]:
    """Distinct words in the order of their first use, and which of them each is.

    Examples:
        >>> coded(["b", "a", "b"])
        (['b', 'a'], array([0, 1, 0]))
    """
    places: dict[str, int] = {}
    codes = np.array([places.setdefault(word, len(places)) for word in words], dtype=np.int64)
    return list(places), codes


def _packed(packer: Packer, kind: str, values: Shaped[np.ndarray, "..."]) -> Column:
    return (kind, *packer.add(np.ascontiguousarray(values).astype(kind).tobytes()))


def _places(data: xr.Dataset, name: str) -> Shaped[np.ndarray, " cell"]:
    """Shares of the map's width in 16 bits."""
    values = numbers(data, name)
    known = np.isfinite(values)
    return np.where(known, np.rint(np.clip(np.where(known, values, 0), 0, 1) * (NOWHERE - 1)), NOWHERE)


def _share(values: Shaped[np.ndarray, " cell"]) -> Shaped[np.ndarray, " cell"]:
    known = np.isfinite(values)
    return np.where(known, np.rint(np.clip(np.where(known, values, 0), 0, 1) * _STEPS), 255)


def plain(value: Any) -> str:  # noqa: ANN401 - an attribute of whatever kind
    """An attribute in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return str(value)
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple, np.ndarray)):
        return ", ".join(plain(one) for one in value)
    return str(value)
