"""Real images in the audited network: each is read once for all that several checks ask of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm.auto import tqdm

from fvhooks.errors import FVHooksError
from fvhooks.reliability.natural_ranges import Extremes, extremes_of
from fvhooks.reliability.readings import Table

if TYPE_CHECKING:
    from fvhooks.reliability.evidence import Evidence

PATHS, RANGES = "paths", "ranges"
"""What a check looks at of real images: the ranks of the audited layers; the extremes of every channel."""
_BATCH = 64
_BYTES = 2**28  # of activations of one batch

Activations = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class _Asked:
    """What one kind of question needs.

    Args:
        table: where the answers are kept.
        layers: what is read.
        ids: of which images.
        answer: arrays with a row an image.
    """

    table: Table
    layers: Sequence[str]
    ids: Sequence[str]
    answer: Callable[[Activations, torch.Tensor], Mapping[Any, np.ndarray]]


class RealImages:
    """Answers about the store's images.

    Args:
        evidence: model, store and cohorts.
    """

    def __init__(self, evidence: "Evidence") -> None:
        self._evidence = evidence
        self._kinds = {PATHS: self._paths, RANGES: self._ranges}
        self._expected: list[str] = []
        self._done: set[str] = set()

    def expect(self, *kinds: str) -> None:
        """Say what checks will look at, of `PATHS` and `RANGES`; both are then read in one pass."""
        self._expected = [kind for kind in self._kinds if kind in kinds]

    def ranks(self, layer: str, ids: Sequence[str], *, placed: bool) -> np.ndarray:
        """`standardized_ranks` of some of the images that units are compared with."""
        self._prepare(PATHS)
        return self._paths().table.of((layer, placed), ids)

    def extremes(self, layers: Sequence[str], ids: Sequence[str]) -> Extremes:
        """The extremes of each channel, of images of the pool or of a unit's own kind."""
        if not layers:
            return Extremes({}, {})
        self._prepare(RANGES)
        table = self._ranges().table
        low, high = (
            {layer: torch.from_numpy(table.of((layer, end), ids)) for layer in layers}
            for end in ("low", "high")
        )
        return Extremes(low, high)

    def _prepare(self, kind: str) -> None:
        """Read what a kind needs, and what the other kind will need of the same images."""
        if kind in self._done:
            return
        asked = [self._kinds[kind]()]
        for other in self._expected:
            if other != kind and other not in self._done:
                try:
                    asked.append(self._kinds[other]())
                except (FVHooksError, LookupError, RuntimeError, TypeError, ValueError):
                    continue  # the check that asks for it says why
        self._read(asked)
        self._done.add(kind)

    def _read(self, asked: Sequence[_Asked]) -> None:
        missing = [dict.fromkeys(one.table.missing(one.ids)) for one in asked]
        groups: dict[tuple[int, ...], list[str]] = {}
        for name in dict.fromkeys(name for ids in missing for name in ids):
            key = tuple(place for place, ids in enumerate(missing) if name in ids)
            groups.setdefault(key, []).append(name)
        total = sum(map(len, groups.values()))
        silent = not (groups and self._evidence.show_progress)
        with tqdm(total=total, desc="audit: real images", disable=silent) as bar:
            for key, names in groups.items():
                some = [asked[place] for place in key]
                layers = list(dict.fromkeys(layer for one in some for layer in one.layers))
                for ids in self._batches(names, layers):
                    images = self._evidence.store.images(ids)
                    with torch.no_grad():
                        activations = self._evidence.hooked.read(images, layers)
                    for one in some:
                        one.table.add(ids, one.answer(activations, images))
                    bar.update(len(ids))

    def _batches(self, names: list[str], layers: list[str]) -> Iterator[list[str]]:
        probe = self._evidence.hooked.probe()
        numbers = sum(prod(probe[layer].shape) for layer in layers)
        size = max(1, min(_BATCH, _BYTES // (4 * max(1, numbers))))
        for start in range(0, len(names), size):
            yield names[start : start + size]

    def _paths(self) -> _Asked:
        evidence = self._evidence
        key = (PATHS, tuple(evidence.layers), evidence.limit, *sorted(evidence.placings))

        def answer(activations: Activations, _images: torch.Tensor) -> Mapping[Any, np.ndarray]:
            return dict(
                evidence.ranked({layer: activations[layer].float().cpu() for layer in evidence.layers})
            )

        return _Asked(evidence.readings.table(key), evidence.layers, evidence.compared, answer)

    def _ranges(self) -> _Asked:
        natural, hooked = self._evidence.natural, self._evidence.hooked

        def answer(activations: Activations, images: torch.Tensor) -> Mapping[Any, np.ndarray]:
            seen = extremes_of(hooked, {layer: activations[layer] for layer in natural.deepest}, images)
            ends = (("low", seen.low), ("high", seen.high))
            return {(name, end): values.numpy() for end, by in ends for name, values in by.items()}

        key = (RANGES, tuple(natural.deepest))
        return _Asked(self._evidence.readings.table(key), natural.deepest, natural.needed, answer)
