"""Where a unit looks in its strongest real images: crops around the top positions."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from jaxtyping import Float

from fvhooks.hooks import HookedModel
from fvhooks.store.reading import Store
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.references.strongest_images import along, strongest_images
from fvhooks.units import Direction, Layout, Unit

CROP_SIDES = (1.0, 0.75, 0.5)
"""Sides of the crops around a top position that compete to be the reference, as fractions of the picture."""


def reference_crops(
    hooked: HookedModel, store: Store, unit: Unit | Direction, count: int = 10
) -> Float[torch.Tensor, "image rgb y x"]:
    """Crops around the top positions of a unit's top reference images, at the model's input size.

    Of a few sizes around each position the one wins whose crop, resized to the input, makes the unit's mean
    activation largest.

    Args:
        hooked: the model.
        store: with its data set attached.
        unit: a channel or a direction.
        count: how many images.

    Returns:
        Images in [0, 1], the strongest first.

    Raises:
        MissingInputError: no data set is attached, or the unit fires for none of the reference images.
    """
    top = strongest_images(hooked, store, unit, count)
    return best_crops(hooked, unit, store.images([str(name) for name in top.ids]), top.positions.tolist())


def best_crops(
    hooked: HookedModel,
    unit: Unit | Direction,
    images: Float[torch.Tensor, "image rgb y x"],
    positions: Sequence[int],
) -> Float[torch.Tensor, "image rgb y x"]:
    """Of each image the crop around a position that the unit answers to most, as `reference_crops` cuts it.

    Args:
        hooked: the model.
        unit: a channel or a direction.
        images: in [0, 1], at the model's input size.
        positions: one an image, an index on the layout of the unit's layer.
    """
    layout = hooked.layout(hooked.resolve(unit.layer))
    crops = [_around(image, layout, place) for image, place in zip(images, positions, strict=True)]
    best = [int(_mean_activation(hooked, unit, candidates).argmax()) for candidates in crops]
    return torch.stack([candidates[which] for candidates, which in zip(crops, best, strict=True)])


PATCH = 64 / 224
"""Side of the patches that the authors of VITAL rank images by, as a fraction of the picture's."""


def ranked_patches(
    hooked: HookedModel, store: Store, unit: Unit | Direction, count: int = 50, candidates: int = 100
) -> tuple[Float[torch.Tensor, "image rgb y x"], Float[torch.Tensor, "image rgb y x"]]:
    """The images with the patches that a unit answers to most, and those patches at the input's size.

    Of the images where the unit is strongest somewhere, each is cut into patches that overlap by half; one
    counts by the mean of the unit over the patch, seen alone.

    Args:
        hooked: the model.
        store: with its data set attached.
        unit: a channel or a direction.
        count: how many images.
        candidates: how many of the strongest images are looked at.

    Returns:
        Images in [0, 1], the strongest first, and the best patch of each.

    Raises:
        MissingInputError: no data set is attached, or the unit fires for none of the reference images.
    """
    top = strongest_images(hooked, store, unit, max(count, candidates))
    images = store.images([str(name) for name in top.ids])
    best = [_best_patch(hooked, unit, image) for image in images]
    order = sorted(range(len(best)), key=lambda place: -best[place][0])[:count]
    return images[order], torch.stack([best[place][1] for place in order])


def _best_patch(
    hooked: HookedModel, unit: Unit | Direction, image: Float[torch.Tensor, "rgb y x"]
) -> tuple[float, Float[torch.Tensor, "rgb y x"]]:
    height, width = image.shape[-2:]
    rows, columns = (max(1, round(PATCH * side)) for side in (height, width))
    patches = image.unfold(1, rows, max(1, rows // 2)).unfold(2, columns, max(1, columns // 2))
    patches = patches.permute(1, 2, 0, 3, 4).reshape(-1, len(image), rows, columns)
    shown = F.interpolate(patches, (height, width), mode="bilinear", align_corners=False).clamp(0, 1)
    means = torch.cat([_mean_activation(hooked, unit, some) for some in torch.split(shown, 36)])
    best = int(means.argmax())
    return float(means[best]), shown[best]


@torch.no_grad()
def _mean_activation(
    hooked: HookedModel, unit: Unit | Direction, images: Float[torch.Tensor, "image rgb y x"]
) -> Float[torch.Tensor, " image"]:
    layer = hooked.resolve(unit.layer)
    return along(look(hooked, images.to(hooked.device), [layer])[layer], unit).mean(-1).cpu()


def _around(
    image: Float[torch.Tensor, "rgb y x"], layout: Layout, position: int
) -> Float[torch.Tensor, "crop rgb y x"]:
    """Crops of the sizes of `CROP_SIDES` around a position, each resized to the whole picture's size."""
    centre = layout.centre(position)
    height, width = image.shape[-2:]
    crops = []
    for side in CROP_SIDES:
        if side == 1.0 or centre is None:
            crops.append(image)
            continue
        rows, columns = round(side * height), round(side * width)
        top = min(max(round(centre[0] * height - rows / 2), 0), height - rows)
        left = min(max(round(centre[1] * width - columns / 2), 0), width - columns)
        cut = image[None, :, top : top + rows, left : left + columns]
        crops.append(
            F.interpolate(cut, (height, width), mode="bilinear", antialias=True, align_corners=False)[
                0
            ].clamp(0, 1)
        )
    return torch.stack(crops)
