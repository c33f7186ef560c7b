"""How large what a pass adds to a store will be."""

import numpy as np

from fvhooks.collecting.requests import Request
from fvhooks.store import schema
from fvhooks.store.influence_arrays import array_bytes
from fvhooks.store.passes import Pass
from fvhooks.store.plans import SPLITS
from fvhooks.store.vote_space import VoteSpace
from fvhooks.wiring import InfluenceRule, Wiring


def size_of(request: Request, path: str, one: Pass, wiring: Wiring | None) -> str:
    """A sentence that says it.

    Args:
        request: what was asked for.
        path: where the store is.
        one: the pass.
        wiring: of the network, where influence is counted.
    """
    specs = request.specs(dict(one.layers))
    labels, images = np.unique(request.labels, return_counts=True)
    rows, groups = one.stop - one.start, len(labels)
    per_image = sum(4 * len(spec.image_arrays) * spec.layout.channels for spec in specs)
    with_profiles = [spec for spec in specs if schema.STATISTICS in spec.aspects]
    top = [spec.layout.channels for spec in with_profiles if spec.keep == schema.TOP]
    per_store = sum(top) * len(SPLITS) * schema.TOP_IMAGES * 20  # bytes of a value, row, position and average
    per_group = sum(4 * spec.layout.channels * len(spec.ranks) for spec in with_profiles)
    total = rows * per_image + groups * per_group + per_store
    if wiring is not None:
        rule = request.settings.influence or InfluenceRule()
        total += array_bytes(VoteSpace(wiring, rule.votes), rule.width, groups, int(images.max()))
    return f"Collecting {rows} images into {path}: {total / 1e9:.3g} GB before compression."
