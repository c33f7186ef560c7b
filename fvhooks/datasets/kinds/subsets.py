"""Some items of another data set."""

from collections.abc import Iterable
from typing import Any

from torch.utils.data import Subset

from fvhooks.datasets.kinds import KINDS, items_of, split_item


@KINDS.register("subsets")
class SubsetItems:
    """A `torch.utils.data.Subset` of any other kind; items keep their names."""

    specificity = 2

    def __init__(self, dataset: Any, channels: int | None) -> None:  # noqa: ANN401 - see Items
        self.dataset = dataset
        self._whole = items_of(dataset.dataset, channels)
        self._indices = [int(index) for index in dataset.indices]
        self.is_threaded = self._whole.is_threaded

    @staticmethod
    def claims(dataset: Any) -> bool:  # noqa: ANN401
        """Subsets, of classes of the user's own too."""
        return isinstance(dataset, Subset)

    def __len__(self) -> int:
        return len(self._indices)

    def ids(self) -> list[str]:
        """Those of the whole data set."""
        names = self._whole.ids()
        return [names[index] for index in self._indices]

    def listed_labels(self) -> Iterable[Any] | None:
        """Those of the whole data set."""
        listed = self._whole.listed_labels()
        if listed is None:
            return None
        labels = listed if hasattr(listed, "__getitem__") else list(listed)
        return [labels[index] for index in self._indices]

    def item(self, index: int) -> tuple[Any, Any]:
        """That of the whole data set, unless the subset changes its items."""
        if type(self.dataset).__getitem__ is not Subset.__getitem__:
            return split_item(self.dataset[index])
        return self._whole.item(self._indices[index])
