"""Whether pictures, judges and images may be compared at all: what a fair comparison takes for granted."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike

from fvhooks.errors import ImageError, MissingInputError, ShapeError, UnsupportedModelError
from fvhooks.hooks import HookedModel
from fvhooks.images import as_images


def check_entry(
    images: Any,  # noqa: ANN401 - anything that holds pictures, checked below
    *,
    units: int,
    seeds: int,
    size: tuple[int, int],
) -> Float[torch.Tensor, "unit seed rgb y x"]:
    """Pictures as they are judged, in [0, 1], or an error that says why they cannot be.

    Examples:
        >>> check_entry(np.zeros((2, 3, 3, 8, 8), np.uint8), units=2, seeds=3, size=(8, 8)).shape
        torch.Size([2, 3, 3, 8, 8])

    Args:
        images: (unit, seed, rgb, y, x), or one sequence of pictures (rgb, y, x) a unit; `uint8`, or float in
            [0, 1]. Further seeds than asked for are left out.
        units: how many units are judged.
        seeds: how many pictures of each, at least.
        size: height and width.

    Raises:
        ShapeError: pictures of another number of units.
        MissingInputError: a unit with fewer pictures.
        ImageError: pictures of another size, range, type or number of channels.
        NonFiniteError: NaN or infinity.
    """
    if len(images) != units:
        raise ShapeError(f"Expected pictures of {units} units, got {len(images)}.")
    few = {unit: len(pictures) for unit, pictures in enumerate(images) if len(pictures) < seeds}
    if few:
        unit, count = next(iter(few.items()))
        raise MissingInputError(
            f"Expected {seeds} pictures of each unit, got {count} of unit {unit} ({len(few)} of {units} "
            "units have too few): fewer would make the distances incomparable. Make pictures of more seeds."
        )
    return torch.stack([_pictures(images[unit], seeds, size, unit) for unit in range(units)])


def _pictures(
    given: Any,  # noqa: ANN401 - as above
    seeds: int,
    size: tuple[int, int],
    unit: int,
) -> Float[torch.Tensor, "seed rgb y x"]:
    shapes = sorted({tuple(picture.shape) for picture in given})
    if len(shapes) > 1:
        raise ImageError(f"Expected pictures of one size, got {shapes} for unit {unit}.")
    kept = given[:seeds]
    stacked = kept if isinstance(kept, torch.Tensor) else np.stack([np.asarray(part) for part in kept])
    return as_images(stacked, channels=3, size=size)


def check_judge(pictured: HookedModel, judge: HookedModel, *, name: str = "the judge") -> None:
    """Refuse a judge that is the pictured network: pictures are made to please that one.

    Examples:
        >>> check_judge(hooked, another)  # doctest: +SKIP

    Args:
        pictured: the network that the pictures were made of.
        judge: the network that shall judge them.
        name: what to call the judge in an error.

    Raises:
        UnsupportedModelError: both have the same weights.
    """
    ours, theirs = (dict(one.model.state_dict()) for one in (pictured, judge))
    same = ours.keys() == theirs.keys() and all(_equal(ours[key], theirs[key]) for key in ours)
    if pictured.model is judge.model or (same and ours):
        raise UnsupportedModelError(
            f"Expected a judge that took no part in the pictures; {name} has the weights of the pictured "
            "network. Judge by a network of another training, best of another family."
        )


def _equal(ours: Any, theirs: Any) -> bool:  # noqa: ANN401 - a state may hold more than tensors
    if isinstance(ours, torch.Tensor) and isinstance(theirs, torch.Tensor):
        return ours.shape == theirs.shape and torch.equal(ours.cpu(), theirs.to(ours.dtype).cpu())
    return bool(ours is theirs or ours == theirs)


def check_splits(references: ArrayLike, report: ArrayLike) -> None:
    """Refuse to judge pictures beside the very images that they were made from.

    Examples:
        >>> check_splits(["a", "b"], ["b", "c"])
        Traceback (most recent call last):
        ...
        fvhooks.errors.MissingInputError: Expected references apart from the images of the report, got 1 in both, such as 'b'. Leave them out of one of the two.

    Args:
        references: ids of the images that pictures are made from.
        report: ids of the images that pictures are judged beside.

    Raises:
        MissingInputError: an image in both, or none in one.
    """  # noqa: E501 - an error is one line
    ours, theirs = np.unique(np.asarray(references)), np.unique(np.asarray(report))
    if not len(ours) or not len(theirs):
        raise MissingInputError(
            f"Expected images on both sides, got {len(ours)} references and {len(theirs)} to report on."
        )
    both = np.intersect1d(ours, theirs)
    if len(both):
        raise MissingInputError(
            f"Expected references apart from the images of the report, got {len(both)} in both, such as "
            f"{both[0].item()!r}. Leave them out of one of the two."
        )
