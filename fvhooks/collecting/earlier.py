"""What a store knew before images were added to it: copied aside first, so that folding may be repeated."""

from collections.abc import Sequence

import numpy as np
import zarr
from jaxtyping import Shaped

from fvhooks.collecting.partials import Part
from fvhooks.statistics import Statistic
from fvhooks.store.ledgers import array_of
from fvhooks.store.passes import Pass
from fvhooks.store.schema import array_for, write_text


def set_aside(root: zarr.Group, one: Pass, parts: Sequence[Part]) -> None:
    """Copy the statistics that a pass will go on from; nothing where it adds no rows to others.

    Args:
        root: the store.
        one: the pass, before anything of it is folded.
        parts: its statistics.
    """
    if one.start == 0:
        return
    group = root.require_group(f"partials/{one.path}/earlier")
    if "id" not in group or "checksum" not in group["id"].attrs:
        names = np.asarray(array_of(root, "images/id")[: one.start])
        write_text(group, "id", [str(name) for name in names], "image")
    for part in parts:
        for home in part.homes:
            for name in (*part.kind.dimensions, *(["group", "group_count"] if part.is_per_group else [])):
                copy_array(root, f"{home}/{name}", f"partials/{one.path}/earlier/{home}/{name}")


class Earlier:
    """Statistics as they were before a pass.

    Args:
        root: the store.
        one: the pass.
    """

    def __init__(self, root: zarr.Group, one: Pass) -> None:
        self._root, self._path = root, f"partials/{one.path}/earlier"
        self._nothing = one.start == 0

    def of_all(self, part: Part) -> list[Statistic]:
        """A statistic over all images."""
        if self._nothing:
            return part.empty()
        found: list[Statistic] = []
        for home, subject in zip(part.homes, part.subjects, strict=True):
            arrays = {
                name: array_of(self._root, f"{self._path}/{home}/{name}") for name in part.kind.dimensions
            }
            count = int(next(iter(arrays.values())).attrs["count"])  # type: ignore[arg-type]
            values = {name: np.asarray(array[...]) for name, array in arrays.items()}
            found.append(part.kind.restored(subject, values, count))
        return found

    def of_group(self, part: Part, label: int) -> list[Statistic]:
        """A statistic over the images of a label."""
        place = None if self._nothing else self._place(part, label)
        if place is None:
            return part.empty()
        found: list[Statistic] = []
        for home, subject in zip(part.homes, part.subjects, strict=True):
            values = {name: self._row(home, name, place) for name in part.kind.dimensions}
            count = int(self._row(home, "group_count", place))
            found.append(part.kind.restored(subject, values, count))
        return found

    def _place(self, part: Part, label: int) -> int | None:
        groups = np.asarray(array_of(self._root, f"{self._path}/{part.homes[0]}/group")[:])
        places = np.flatnonzero(groups == label)
        return int(places[0]) if len(places) else None

    def _row(self, home: str, name: str, place: int) -> Shaped[np.ndarray, "..."]:
        return np.asarray(array_of(self._root, f"{self._path}/{home}/{name}")[place])


def copy_array(root: zarr.Group, source: str, target: str) -> None:
    """Chunk by chunk along the first dimension, so that memory does not grow with the labels; once only.

    Args:
        root: the store.
        source: where the array is.
        target: where its copy goes.
    """
    there = root.get(target)
    if there is not None and there.attrs.get("set_aside"):
        return
    from_ = array_of(root, source)
    names = getattr(from_.metadata, "dimension_names", None) or [f"d{axis}" for axis in range(from_.ndim)]
    to = array_for(root, target, from_.shape, from_.dtype, chunks=from_.chunks, dimensions=names)
    for start in range(0, from_.shape[0], from_.chunks[0]):
        rows = slice(start, start + from_.chunks[0])
        to[rows] = from_[rows]
    to.update_attributes({**from_.attrs, "set_aside": True})
