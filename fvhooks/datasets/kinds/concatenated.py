"""Several data sets, one after the other."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from torch.utils.data import ConcatDataset

from fvhooks.datasets.kinds import KINDS, items_of


@KINDS.register("concatenated")
class ConcatenatedItems:
    """A `torch.utils.data.ConcatDataset`; names begin with the number of the part."""

    specificity = 2

    def __init__(self, dataset: Any, channels: int | None) -> None:  # noqa: ANN401 - see Items
        self.dataset = dataset
        self._parts = [items_of(part, channels) for part in dataset.datasets if len(part)]
        self._ends = list(accumulate(len(part) for part in self._parts))
        self.is_threaded = all(part.is_threaded for part in self._parts)

    @staticmethod
    def claims(dataset: Any) -> bool:  # noqa: ANN401
        """What `+` makes of two data sets of torch, too."""
        return isinstance(dataset, ConcatDataset)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def ids(self) -> list[str]:
        """`0/…`, `1/…`: two parts may have the same names."""
        return [f"{number}/{name}" for number, part in enumerate(self._parts) for name in part.ids()]

    def listed_labels(self) -> Iterable[Any] | None:
        """All labels, where every part lists its own."""
        listed = [part.listed_labels() for part in self._parts]
        known = [labels for labels in listed if labels is not None]
        return [label for labels in known for label in labels] if len(known) == len(listed) else None

    def item(self, index: int) -> tuple[Any, Any]:
        """That of the part which the index falls into."""
        part = bisect_right(self._ends, index)
        return self._parts[part].item(index - (self._ends[part - 1] if part else 0))
