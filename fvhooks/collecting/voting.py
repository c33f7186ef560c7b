"""Which wiring and which rule a pass counts influence by: those of the store, where it has them."""

from collections.abc import Mapping
from typing import Any

import zarr

from fvhooks.collecting.ballots import votes_path
from fvhooks.collecting.requests import Request
from fvhooks.errors import StoreError
from fvhooks.store import schema
from fvhooks.store.influence_arrays import stored_wiring
from fvhooks.store.passes import Pass
from fvhooks.wiring import InfluenceRule, Wiring


def wiring_of(request: Request, root: zarr.Group | None, one: Pass) -> Wiring | None:
    """What feeds what in a pass: as it was found when that or the store began, else as it is found now.

    Args:
        request: with the model.
        root: the store, if there is one.
        one: the pass.

    Returns:
        None where the pass counts no influence.

    Raises:
        UnsupportedModelError: the model has none that can be counted; which layer, and what to do instead.
    """
    layers = [name for name, aspects in one.layers.items() if schema.INFLUENCE in aspects]
    if not layers:
        return None
    known = None
    if root is not None:
        known = stored_wiring(root, votes_path(one))
        if known is None and one.start > 0:
            known = stored_wiring(root)
    return known or request.wiring(request.order(layers))


def rule_of(about: Mapping[str, Any]) -> InfluenceRule:
    """How a store counts influence.

    Args:
        about: what it says about itself.
    """
    return InfluenceRule(**(about.get("influence") or {}))


def check_influence(request: Request, stored: Mapping[str, Any], path: str) -> None:
    """One store has one way to count influence.

    Args:
        request: what was asked for.
        stored: what the store says about itself.
        path: where the store is.
    """
    there, here = stored.get("influence"), request.influence_words
    if there is not None and here is not None and there != here:
        raise StoreError(
            f"The store {path} counts influence by {there}; asked for was {here}. Ask for the same, or use "
            "another path."
        )
