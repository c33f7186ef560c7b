"""Real images that an attack is fitted to, batch by batch."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import nn

from fvhooks.errors import ImageError, MissingInputError, NonFiniteError

_BATCH = 64
FEWEST = 32
"""Below so many images a measured range says too little of the next one."""

Images = Float[torch.Tensor, "image rgb y x"]
Calibration = torch.Tensor | Iterable[Any]
"""Images as one tensor, or an iterable of batches: tensors, or tuples such as (images, labels)."""


def batches_of(images: Calibration, model: nn.Module) -> Iterator[Images]:
    """Batches on the model's device, checked.

    Args:
        images: in the model's own input space.
        model: whose device they go to.

    Raises:
        ImageError: not four axes, or `uint8`, which no model's own input space is.
        NonFiniteError: NaN or infinity.
        MissingInputError: fewer than `FEWEST`, once all were given.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    count = 0
    for given in torch.split(images, _BATCH) if isinstance(images, torch.Tensor) else images:
        batch = given[0] if isinstance(given, (tuple, list)) else given
        yield as_model_input(batch).to(device)
        count += len(batch)
    if count < FEWEST:
        raise MissingInputError(f"Expected at least {FEWEST} calibration images, got {count}.")


def as_model_input(images: Any) -> Images:  # noqa: ANN401 - checked here
    """Images as a model's first layer takes them.

    Raises:
        ImageError: not (image, rgb, y, x) in floating point.
        NonFiniteError: NaN or infinity.
    """
    if not isinstance(images, torch.Tensor) or images.ndim != 4 or not images.is_floating_point():
        got = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, torch.Tensor) else type(images)
        advice = "hooked.normalize(images) gives them."
        raise ImageError(
            f"Expected images (image, rgb, y, x) as the model's first layer takes them, got {got}; {advice}"
        )
    if not bool(torch.isfinite(images).all()):
        raise NonFiniteError("Calibration images must be finite; there is NaN or infinity among them.")
    return images
