"""What one network does with real images, kept as long as the store object that they come from.

Real images give the same in every audit of a store: the next pictures of the same network, of another recipe
for instance, are compared with what is known already.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Shaped

from fvhooks.errors import FVHooksError
from fvhooks.hooks import HookedModel
from fvhooks.store.fingerprints import fingerprint_model
from fvhooks.store.reading import Store
from fvhooks.units import LOGITS

_KEPT = 2**29  # bytes of one table beyond which it ends with its audit

Rows = Shaped[np.ndarray, "image ..."]


class Table:
    """Some arrays with one row a real image, added as images are read.

    Examples:
        >>> table = Table()
        >>> table.add(["a", "b"], {"peak": np.array([1.0, 2.0])})
        >>> table.of("peak", ["b", "a", "b"]).tolist(), table.missing(["a", "c"])
        ([2.0, 1.0, 2.0], ['c'])
    """

    def __init__(self) -> None:
        self._row: dict[str, int] = {}
        self._parts: dict[Hashable, list[Rows]] = {}

    def missing(self, ids: Iterable[str]) -> list[str]:
        """The images that have no row yet, each once."""
        return [name for name in dict.fromkeys(ids) if name not in self._row]

    def add(self, ids: Sequence[str], arrays: Mapping[Any, Rows]) -> None:
        """Add the rows of images that have none."""
        for name in ids:
            self._row[name] = len(self._row)
        for key, rows in arrays.items():
            self._parts.setdefault(key, []).append(rows)

    def of(self, key: Hashable, ids: Iterable[str]) -> Rows:
        """The rows of some images in one array."""
        if len(self._parts[key]) > 1:
            self._parts[key] = [np.concatenate(self._parts[key])]
        return self._parts[key][0][[self._row[name] for name in ids]]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(part.nbytes for parts in self._parts.values() for part in parts)


class Readings:
    """Tables and single results of one network on the images of one store.

    Args:
        digest: what the network is known by; nothing is kept for another.
    """

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self._tables: dict[Hashable, Table] = {}
        self._notes: dict[Hashable, Any] = {}

    def table(self, key: Hashable) -> Table:
        """The table of that name, empty at first."""
        return self._tables.setdefault(key, Table())

    def note(self, key: Hashable, make: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever `make` returns
        """One result, made at the first call."""
        if key not in self._notes:
            self._notes[key] = make()
        return self._notes[key]

    def trim(self) -> None:
        """Drop the tables that are too large to outlive their audit."""
        self._tables = {key: table for key, table in self._tables.items() if table.size <= _KEPT}


# neither key may be reachable from the values, or nothing would ever be let go
_KNOWN: WeakKeyDictionary[Store, WeakKeyDictionary[HookedModel, Readings]] = WeakKeyDictionary()


def readings_of(
    hooked: HookedModel, store: Store, sized: Callable[[torch.Tensor], torch.Tensor] = lambda images: images
) -> Readings:
    """What is known of a network on a store's images; nothing, where it no longer answers as it did.

    Examples:
        >>> readings_of(hooked, store) is readings_of(hooked, store)  # doctest: +SKIP
        True

    Args:
        hooked: the audited network, or a judge.
        store: whose images.
        sized: makes them the size that the network takes.
    """
    known, digest = _KNOWN.setdefault(store, WeakKeyDictionary()), _digest(hooked, store, sized)
    if not digest:
        return Readings(digest)
    if hooked not in known or known[hooked].digest != digest:
        known[hooked] = Readings(digest)
    return known[hooked]


def _digest(hooked: HookedModel, store: Store, sized: Callable[[torch.Tensor], torch.Tensor]) -> str:
    """Weights, and every layer's answer to one image: the user's own hooks change that too.

    Empty where the network cannot be asked; the checks say why, each for itself.
    """
    table = store.images_table
    usable = [str(name) for name in table.id.values[table.error.values == ""][:1]]
    try:
        found = hashlib.sha256(repr(fingerprint_model(hooked)).encode())
        image = sized(store.images(usable))
        names = [name for name, info in hooked.probe(image).items() if info.layout and name != LOGITS]
        with torch.no_grad():
            seen = hooked.read(image, [*names, LOGITS])
    except (FVHooksError, RuntimeError, TypeError, ValueError, LookupError):
        return ""
    for name, values in seen.items():
        found.update(name.encode() + values.float().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
