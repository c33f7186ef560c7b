"""A look at a few items of a data set before anything is written: faults that they share, and randomness."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float

from fvhooks.datasets.sources import Picture, Source, spread
from fvhooks.errors import FVHooksError, ImageError
from fvhooks.images import as_images

INSPECTED = 16


@dataclass(frozen=True, eq=False)
class Inspection:
    """What a few items are like.

    Args:
        images: those that could be read, in [0, 1].
        digests: a hash of each item by its id; None where it could not be read.
    """

    images: Float[torch.Tensor, "image rgb y x"]
    digests: dict[str, str | None]


def inspect(source: Source) -> Inspection:
    """Read a few items twice, and refuse a data set that cannot work as a whole.

    Single faulty items are no reason to refuse: they become rows that say what is wrong with them.

    Args:
        source: the data set; where no image size is known, the first readable picture settles it.

    Raises:
        ImageError: at least half of the items are at fault, or one changes when it is read again.
    """
    pictures: list[Picture] = []
    digests: dict[str, str | None] = {}
    faults: list[tuple[str, Exception]] = []
    chosen = spread(len(source), INSPECTED)
    for index in chosen:
        name = source.ids[index]
        digests[name] = None
        try:
            picture, again = source.read(index), source.read(index)
        except Exception as error:  # noqa: BLE001 - whatever a user's data set raises
            faults.append((name, error))
            continue
        source.size = source.size or (int(picture.shape[-2]), int(picture.shape[-1]))
        digests[name] = _digest(picture)
        if digests[name] != _digest(again):
            raise ImageError(
                f"Item {name!r} changes when it is read again, so its transform is random. "
                "Leave random crops, flips and colour changes out: a store must find its images again."
            )
        pictures.append(picture)
    if 2 * len(faults) >= len(chosen):
        _refuse(faults, len(chosen))
    return Inspection(torch.cat([as_images(picture) for picture in pictures]), digests)


def digests_of(source: Source, indices: Iterable[int]) -> dict[str, str | None]:
    """A hash of some items by their ids; None where one cannot be read.

    Args:
        source: the data set.
        indices: which items.
    """
    found: dict[str, str | None] = {}
    for index in indices:
        try:
            found[source.ids[index]] = _digest(source.read(index))
        except Exception:  # noqa: BLE001 - whatever a user's data set raises
            found[source.ids[index]] = None
    return found


def _refuse(faults: list[tuple[str, Exception]], looked_at: int) -> None:
    name, error = faults[0]
    share = f"{len(faults)} of {looked_at} items looked at cannot be used"
    message = f"{share}; the first is {name!r}: {describe(error)}"
    kind = type(error) if isinstance(error, FVHooksError) else ImageError
    raise kind(message) from error


def describe(error: Exception) -> str:
    """One line that says what an exception says.

    Examples:
        >>> describe(ValueError("truncated file"))
        'ValueError: truncated file'
    """
    words = " ".join(str(error).split())
    return words if isinstance(error, FVHooksError) else f"{type(error).__name__}: {words}"[:500]


def _digest(picture: Picture) -> str:
    header = f"{picture.dtype}{tuple(picture.shape)}".encode()
    return hashlib.sha256(header + picture.contiguous().numpy().tobytes()).hexdigest()[:16]
