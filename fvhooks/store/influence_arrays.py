"""The layout of `/influence`: what is kept of votes, of each node of a network's wiring.

`/influence` says the wiring, and has `group` (the labels) and `images` (group, part) that voted. Of each node
`source` (group, channel, width) are candidates, `votes` (group, channel, width, part) what they got,
`remainder` (group, channel, part) what all others got; of each kept layer `activation` (group, channel, part)
counts the images in which a channel is among the strongest tenth.
"""

from typing import Any

import numpy as np
import zarr

from fvhooks.store.passes import aspects_of, passes_of
from fvhooks.store.schema import INFLUENCE, about
from fvhooks.store.vote_space import PARTS, VoteSpace, count_type, source_type
from fvhooks.wiring.plans import Wiring

INFLUENCE_GROUP = "influence"
DIMENSIONS = {
    "source": ("group", "channel", "width"),
    "votes": ("group", "channel", "width", "part"),
    "remainder": ("group", "channel", "part"),
    "activation": ("group", "channel", "part"),
}


def array_types(
    space: VoteSpace, width: int, images: int
) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape of one label, and type, of each array.

    Args:
        space: where votes are counted.
        width: how many sources of each channel are kept.
        images: of the label that has most.
    """
    found: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
    count, parts = count_type(images), len(PARTS)
    for number, key in space.keys().items():
        channels = space.wiring.nodes[number].channels
        if number in space.counted:
            kind = source_type(int(space.candidates[space.counted.index(number)]))
            found[f"{key}/source"] = (channels, width), kind
            found[f"{key}/votes"] = (channels, width, parts), count
            found[f"{key}/remainder"] = (channels, parts), np.dtype(np.int32)
        if number in space.kept:
            found[f"{key}/activation"] = (channels, parts), np.dtype(np.int32)
    return found


def array_bytes(space: VoteSpace, width: int, groups: int, images: int) -> int:
    """How large the arrays are before compression.

    Args:
        space: where votes are counted.
        width: how many sources of each channel are kept.
        groups: how many labels there are.
        images: of the label that has most.
    """
    types = array_types(space, width, images).values()
    return groups * sum(int(np.prod(shape)) * kind.itemsize for shape, kind in types)


def wiring_attributes(wiring: Wiring) -> dict[str, Any]:
    """What `/influence` says about itself."""
    return {"wiring": wiring.to_dict(), "parts": list(PARTS)}


def influence_names(root: zarr.Group) -> dict[str, list[str]]:
    """The arrays of each group of `/influence` that a store must have."""
    kept = aspects_of(passes_of(root)).values()
    if not any(INFLUENCE in aspects for aspects in kept):
        return {}
    wiring, votes = stored_wiring(root), (about(root).get("influence") or {}).get("votes", 1)
    names = {INFLUENCE_GROUP: ["group", "images"]}
    for path in array_types(VoteSpace(wiring, votes), 1, 1) if wiring else ():
        node, _, name = path.rpartition("/")
        names.setdefault(f"{INFLUENCE_GROUP}/{node}", []).append(name)
    return names


def stored_wiring(root: zarr.Group, path: str = INFLUENCE_GROUP) -> Wiring | None:
    """The wiring that was kept; None where there is none."""
    group = root.get(path)
    said: Any = group.attrs.get("wiring") if isinstance(group, zarr.Group) else None
    return None if said is None else Wiring.from_dict(said)
