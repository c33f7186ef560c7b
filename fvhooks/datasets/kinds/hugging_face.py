"""Data sets of the library `datasets`."""

from collections.abc import Iterable, Mapping
from typing import Any

from fvhooks.datasets.kinds import IMAGE_NAMES, KINDS, LABEL_NAMES, first_of
from fvhooks.errors import ImageError, MissingInputError, did_you_mean

_ID_NAMES = ("id", "image_id", "file_name", "filename", "__key__")


@KINDS.register("hugging_face")
class HuggingFaceItems:
    """A `datasets.Dataset` in memory or on disk; only the columns of images and labels are read."""

    specificity = 2

    def __init__(self, dataset: Any, channels: int | None) -> None:  # noqa: ANN401, ARG002 - see Items
        _check_map_style(dataset)
        self.dataset = dataset
        self._image, self._label = _image_column(dataset), _label_column(dataset)
        transformed = dataset.format["type"] == "custom"
        self._images = dataset if transformed else dataset.select_columns([self._image]).with_format(None)
        self.is_threaded = not transformed  # nothing is known of the user's own transform

    @staticmethod
    def claims(dataset: Any) -> bool:  # noqa: ANN401
        """Any class of the library, also those that are refused."""
        return any(kind.__module__.partition(".")[0] == "datasets" for kind in type(dataset).__mro__)

    def __len__(self) -> int:
        return len(self.dataset)

    def ids(self) -> list[str]:
        """A column of ids, where they are unique; else the numbers of the rows."""
        name = first_of(_ID_NAMES, self.dataset.column_names)
        found = [] if name is None else [str(value) for value in self._column(name)]
        if len(set(found)) == len(self):
            return found
        return [str(index) for index in range(len(self))]

    def listed_labels(self) -> Iterable[Any] | None:
        """The column of labels; images are not decoded for it."""
        if self._label is None:
            return None
        return [-1 if label is None else label for label in self._column(self._label)]

    def item(self, index: int) -> tuple[Any, Any]:
        """A picture, and no label: those are listed."""
        row = self._images[int(index)]
        name = self._image if self._image in row else first_of(IMAGE_NAMES, row)
        if name is None or row[name] is None:
            raise ImageError(
                f"Expected an image in the column {name or self._image!r} of row {index}, got None."
            )
        return row[name], None

    def _column(self, name: str) -> list[Any]:
        return list(self.dataset.select_columns([name]).with_format(None)[:][name])


def _check_map_style(dataset: Any) -> None:  # noqa: ANN401
    kind = type(dataset).__name__
    if isinstance(dataset, Mapping):
        splits = ", ".join(map(repr, dataset))
        one = next(iter(dataset), "train")
        raise MissingInputError(
            f"Expected one data set, got a {kind} with the splits {splits}. "
            f"Pass one of them: dataset[{one!r}]."
        )
    if any(parent.__name__ == "IterableDataset" for parent in type(dataset).__mro__):
        raise MissingInputError(
            f"Expected a map-style data set, got a {kind}, which streams: rows are put in label order and "
            "read again by id. Load it with streaming=False, or keep a part of it: "
            "datasets.Dataset.from_list(list(stream.take(n)), features=stream.features)."
        )


def _image_column(dataset: Any) -> str:  # noqa: ANN401
    features = dataset.features
    images = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    name = first_of(IMAGE_NAMES, images) or next(iter(images), None) or first_of(IMAGE_NAMES, features)
    if name is None:
        raise MissingInputError(
            f"Expected a column of images, of the type datasets.Image or called {', '.join(IMAGE_NAMES)}; "
            f"got {', '.join(features)}.{did_you_mean('image', features)} "
            "Use dataset.rename_column or dataset.cast_column(…, datasets.Image())."
        )
    return name


def _label_column(dataset: Any) -> str | None:  # noqa: ANN401
    classes = [name for name, feature in dataset.features.items() if type(feature).__name__ == "ClassLabel"]
    if len(classes) == 1:
        return str(classes[0])
    return first_of(LABEL_NAMES, classes) or first_of(LABEL_NAMES, dataset.features)
