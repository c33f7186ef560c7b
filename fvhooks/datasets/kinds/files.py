"""Data sets of torchvision whose items are files."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fvhooks.datasets.kinds import KINDS, split_item

_LISTS = ("samples", "_samples", "imgs", "_image_files", "_images")
_LABELS = ("targets", "labels", "_labels", "y")


@KINDS.register("files")
class FileItems:
    """`ImageFolder` and its kin: a root, and a list of files or of (file, label)."""

    specificity = 1
    is_threaded = True

    def __init__(self, dataset: Any, channels: int | None) -> None:  # noqa: ANN401, ARG002 - see Items
        self.dataset = dataset

    @staticmethod
    def claims(dataset: Any) -> bool:  # noqa: ANN401
        """It has a root and lists a file for each item."""
        return hasattr(dataset, "root") and hasattr(dataset, "__getitem__") and _files(dataset) is not None

    def __len__(self) -> int:
        return len(self.dataset)

    def ids(self) -> list[str]:
        """The files' paths under the root."""
        return [_relative(file, self.dataset.root) for file in _files(self.dataset) or []]

    def listed_labels(self) -> Iterable[Any] | None:
        """The list of labels, or what stands beside the files."""
        found = (getattr(self.dataset, name, None) for name in _LABELS)
        for labels in found:
            if isinstance(labels, (list, tuple)) and len(labels) == len(self):
                return labels
        pairs = (getattr(self.dataset, name, None) for name in _LISTS)
        beside = next((entries for entries in pairs if entries and isinstance(entries[0], tuple)), None)
        return None if beside is None else [entry[1] for entry in beside]

    def item(self, index: int) -> tuple[Any, Any]:
        """What the data set gives."""
        return split_item(self.dataset[index])


def _files(dataset: Any) -> list[Any] | None:  # noqa: ANN401
    """The path of each item; None where the data set lists none."""
    for name in _LISTS:
        entries = getattr(dataset, name, None)
        if not isinstance(entries, (list, tuple)) or not entries or len(entries) != len(dataset):
            continue
        files = [entry[0] if isinstance(entry, (list, tuple)) else entry for entry in entries]
        if all(isinstance(file, (str, os.PathLike)) for file in files[:8]):
            return files
    return None


def _relative(path: Any, root: Any) -> str:  # noqa: ANN401 - str or Path
    file, folder = Path(path), Path(root)
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.as_posix()
