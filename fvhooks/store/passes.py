"""A pass over a data set: what one of them adds to a store, and how far it has come.

The first pass of a store owns all its rows. Later ones add layers, samples or relevance to rows that are
there, or add rows; each has a ledger and partial sums of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import zarr

from fvhooks.store import schema
from fvhooks.store.plans import Plan

_ORDER = (schema.CREATING, schema.COLLECTING, schema.FOLDED, schema.COMPLETE)


@dataclass(frozen=True)
class Pass:
    """What one pass over some rows collects.

    Args:
        number: which one, from 0.
        start: its first row.
        stop: the row behind its last.
        layers: what it keeps of each layer, of `schema.ASPECTS`.
        owns_rows: whether the rows are new with it.
        state: how far it has come, of the states in `schema`.
    """

    number: int
    start: int
    stop: int
    layers: Mapping[str, tuple[str, ...]]
    owns_rows: bool
    state: str = schema.CREATING

    @property
    def path(self) -> str:
        """Its own name in `/ledger` and `/partials`."""
        return str(self.number)

    def shards(self, plan: Plan) -> range:
        """The shards that its rows lie in."""
        return range(self.start // plan.shard_size, -(-self.stop // plan.shard_size))

    def rows(self, plan: Plan, shard: int) -> slice:
        """Its rows of a shard; a pass that adds rows may begin inside one."""
        rows = plan.rows(shard)
        return slice(max(rows.start, self.start), min(rows.stop, self.stop))

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the store's attributes."""
        return {
            "start": self.start,
            "stop": self.stop,
            "layers": {name: list(aspects) for name, aspects in self.layers.items()},
            "owns_rows": self.owns_rows,
            "state": self.state,
        }


def passes_of(root: zarr.Group) -> list[Pass]:
    """All passes of a store, in order."""
    return [
        Pass(
            number,
            int(said["start"]),
            int(said["stop"]),
            {name: tuple(aspects) for name, aspects in said["layers"].items()},
            bool(said["owns_rows"]),
            str(said["state"]),
        )
        for number, said in enumerate(schema.about(root)["passes"])
    ]


def pass_state(root: zarr.Group, number: int) -> str:
    """How far a pass has come."""
    return str(schema.about(root)["passes"][number]["state"])


def set_pass_state(path: str, number: int, state: str) -> None:
    """Say how far a pass has come, never backwards: another process may be ahead.

    A store whose rows are incomplete is no store to read from.
    """
    root = schema.open_root(path, "r+")
    about = schema.about(root)
    passes = [dict(said) for said in about["passes"]]
    if _ORDER.index(state) <= _ORDER.index(passes[number]["state"]):
        return
    passes[number]["state"] = state
    changes: dict[str, Any] = {"passes": passes}
    if passes[number]["owns_rows"]:
        changes["state"] = state
    root.update_attributes({"fvhooks": about | changes})


def aspects_of(passes: Iterable[Pass]) -> dict[str, set[str]]:
    """What a store keeps of each layer: only what is finished counts."""
    found: dict[str, set[str]] = {}
    for one in passes:
        if one.state not in (schema.FOLDED, schema.COMPLETE):
            continue
        for layer, aspects in one.layers.items():
            found.setdefault(layer, set()).update(aspects)
    return found
